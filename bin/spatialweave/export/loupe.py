"""CSV files that Loupe Browser imports as categories, one per section and run."""

from __future__ import annotations

from pathlib import Path

from spatialweave.export.sections import sections
from spatialweave.io.files import write_csv
from spatialweave.io.integrated import Integrated


def write_loupe(content: Integrated, folder: Path) -> None:
    """Write `loupe/<section>.<method>.seed<k>.csv`: Barcode, and the domain under the name of the run.

    Loupe matches barcodes with those of the .cloupe file, so that only those of 10x's own platforms can be imported.
    """
    for section in sections(content):
        for run in content.runs:
            if run.key in section.obs:
                table = section.obs[[run.key]].rename_axis("Barcode").reset_index()
                write_csv(folder / "loupe" / f"{section.name}.{run.id}.csv", table)
