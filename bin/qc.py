#!/usr/bin/env python3
"""QC: compute quality metrics of a section, remove spots and features that miss a threshold, and record why."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from spatialweave.cli import OUT_FILE, OUT_FOLDER, PATH, stage
from spatialweave.qc.thresholds import MIN_SPOTS_DEFAULT, MIN_SPOTS_HELP, SPOT_THRESHOLDS


def threshold_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add one option per threshold, in the order of the table of thresholds."""
    function = click.option("--min-spots", default=MIN_SPOTS_DEFAULT, type=click.IntRange(0), help=MIN_SPOTS_HELP)(
        function
    )
    for threshold in reversed(SPOT_THRESHOLDS):
        kind: click.ParamType = click.IntRange(0) if threshold.is_whole else click.FloatRange(0)
        if threshold.bound.metric.endswith("_percent"):
            kind = click.FloatRange(0, 100)
        default = int(threshold.bound.default) if threshold.is_whole else threshold.bound.default
        function = click.option(threshold.option, default=default, type=kind, help=threshold.bound.help)(function)
    return function


@stage
@click.option("--in-section", required=True, type=PATH, help="Section file (.h5mu) of INGEST.")
@click.option("--out", required=True, type=OUT_FILE, help="Filtered section to write (.h5mu).")
@click.option("--out-dir", required=True, type=OUT_FOLDER, help="Folder for the tables and plots.")
@threshold_options
def main(in_section: Path, out: Path, out_dir: Path, **thresholds: float) -> None:
    """Remove spots and features that miss a threshold; write tables and plots of the removed ones and the reasons.

    A spot that fails in one modality is removed only from that modality.
    """
    from spatialweave.io.contract import write
    from spatialweave.io.files import write_csv
    from spatialweave.io.result_tables import GRID_LINES, QC_SUMMARY
    from spatialweave.qc.coordinates_plot import write_coordinates
    from spatialweave.qc.grid_lines import warn_of_shifted_lines
    from spatialweave.qc.plots import write_maps, write_violins
    from spatialweave.qc.section import check_section
    from spatialweave.report.multiqc import write_qc

    result = check_section(in_section, thresholds)
    write_csv(out_dir / f"{result.name}.qc_spots.csv", result.spots)
    if result.lines is not None:
        GRID_LINES.write(out_dir / f"{result.name}.qc_lines.csv", result.lines)
        warn_of_shifted_lines(result.name, result.lines)
    QC_SUMMARY.write(out_dir / f"{result.name}.qc_summary.csv", result.summary)
    write_qc(out_dir / f"{result.name}.qc_mqc.tsv", str(result.section.uns["spatialweave"]["dataset"]), result.summary)
    write_coordinates(result, out_dir / f"{result.name}.qc_coordinates.png")
    write_maps(result, out_dir / f"{result.name}.qc_maps.png")
    write_violins(result, thresholds, out_dir / f"{result.name}.qc_violins.png")
    write(result.section, out, counts=result.counts)
    removed = result.summary[result.summary["check"] == "any"]
    parts = [f"{row.modality} {row.n_failed} of {row.n_before}" for row in removed.itertuples()]
    click.echo(f"{result.name}: {result.section.n_obs} spots kept; removed: {', '.join(parts)}")


if __name__ == "__main__":
    main()
