#!/usr/bin/env python3
"""COHORT: compare the conditions of a dataset, with donors as replicates."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import FOLDER, OUT_FOLDER, stage


@stage
@click.option(
    "--files",
    type=FOLDER,
    required=True,
    help="Folder with *.counts.h5mu, *.latents.h5mu, graph.h5ad, of each run <method>.seed<k>.h5ad, .domains.csv and "
    ".metrics.csv, and, where domains have names, names.csv.",
)
@click.option("--reference", help="The condition to compare with. [default: the first in alphabetical order]")
@click.option("--run-record", help="Record of the start of the run (JSON in base64).")
@click.option("--out-dir", type=OUT_FOLDER, required=True, help="Folder to write.")
def main(files: Path, reference: str | None, run_record: str | None, out_dir: Path) -> None:
    """Compare the conditions of a dataset: abundance, neighbourhoods and expression of its domains; write tables and a
    page.
    """
    from spatialweave.cohort.dataset import compare
    from spatialweave.io.result_tables import ABUNDANCE, EXPRESSION, NEIGHBOURHOODS, SAMPLES
    from spatialweave.report.cohort import write_cohort_page
    from spatialweave.report.provenance import read_run

    record = read_run(run_record)
    found = compare(files, reference)
    SAMPLES.write(out_dir / "samples.csv", found.samples)
    ABUNDANCE.write(out_dir / "abundance.csv", found.abundance)
    NEIGHBOURHOODS.write(out_dir / "neighbourhoods.csv", found.neighbourhoods)
    EXPRESSION.write(out_dir / "expression.csv", found.expression)
    write_cohort_page(found, record, out_dir / "cohort.html")
    click.echo(found.line())


if __name__ == "__main__":
    main()
