"""The CSV files for Loupe Browser."""

from __future__ import annotations

from pathlib import Path

from spatialweave.export.formats import export


def test_a_file_per_section_and_run(integrated: Path, tmp_path: Path) -> None:
    export(integrated, ["loupe"], tmp_path / "out")
    folder = tmp_path / "out" / "loupe"
    assert sorted(path.name for path in folder.iterdir()) == [
        f"{section}.{run}.seed1.csv" for section in ("one", "two") for run in ("smart", "weave")
    ]
    # Barcodes as the machine gave them, without the section's name.
    assert (folder / "one.smart.seed1.csv").read_text() == "Barcode,smart_1\nAAA-1,1\nCCC-1,10\nGGG-1,2\nTTT-1,2\n"
    assert (folder / "two.weave.seed1.csv").read_text() == "Barcode,weave_1\nAAA-1,2\nCCC-1,2\nGGG-1,1\nTTT-1,1\n"
