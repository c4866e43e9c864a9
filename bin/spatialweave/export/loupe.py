"""CSV files that Loupe Browser imports as categories, one per section and run."""

from __future__ import annotations

from pathlib import Path

from spatialweave.export.provenance import provenance
from spatialweave.export.sections import sections
from spatialweave.io.files import write_csv, write_json
from spatialweave.io.integrated import Integrated


def write_loupe(content: Integrated, folder: Path) -> None:
    """Write `loupe/<section>.<method>.seed<k>.csv`, and `loupe/provenance.json` where there is one of these.

    Their columns are Barcode, the domain under the name of the run, and its name where some domains have one. Loupe
    matches barcodes with those of the .cloupe file, so that only those of 10x's own platforms can be imported.
    """
    written = False
    for section in sections(content):
        for run in content.runs:
            if run.key in section.obs:
                columns = [column for column in (run.key, run.names_key) if column in section.obs]
                table = section.obs[columns].rename_axis("Barcode").reset_index()
                write_csv(folder / "loupe" / f"{section.name}.{run.id}.csv", table)
                written = True
    if written:
        write_json(folder / "loupe" / "provenance.json", provenance(content))
