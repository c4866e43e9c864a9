"""The CSV files for Loupe Browser."""

from __future__ import annotations

import json
from pathlib import Path

from spatialweave.export.formats import export
from spatialweave.io.contract import write

from .conftest import categories, content


def test_a_file_per_section_and_run(integrated: Path, tmp_path: Path) -> None:
    export(integrated, ["loupe"], tmp_path / "out")
    folder = tmp_path / "out" / "loupe"
    assert sorted(path.name for path in folder.glob("*.csv")) == [
        f"{section}.{run}.seed1.csv" for section in ("one", "two") for run in ("smart", "weave")
    ]
    # Barcodes as the machine gave them, without the section's name.
    assert (folder / "one.smart.seed1.csv").read_text() == "Barcode,smart_1\nAAA-1,1\nCCC-1,10\nGGG-1,2\nTTT-1,2\n"
    assert (folder / "two.weave.seed1.csv").read_text() == "Barcode,weave_1\nAAA-1,2\nCCC-1,2\nGGG-1,1\nTTT-1,1\n"


def test_how_the_domains_were_made_is_beside_them(integrated: Path, tmp_path: Path) -> None:
    export(integrated, ["loupe"], tmp_path)
    assert json.loads((tmp_path / "loupe" / "provenance.json").read_text()) == {
        "parameters": {"seeds": 1}, "versions": {"python": "3"}
    }  # fmt: skip


def test_names_of_domains_are_a_second_column(tmp_path: Path) -> None:
    data = content()
    names = ["T cells" if domain == "2" else "1" for domain in data.obs["weave_1"]]
    data.obs["weave_1_name"] = categories(names, ["1", "T cells"])
    data.uns["weave_1_name_colors"] = data.uns["weave_1_colors"]
    write(data, tmp_path / "i.h5mu")
    export(tmp_path / "i.h5mu", ["loupe"], tmp_path)
    written = (tmp_path / "loupe" / "one.weave.seed1.csv").read_text()
    assert written == "Barcode,weave_1,weave_1_name\nAAA-1,2,T cells\nCCC-1,2,T cells\nGGG-1,1,1\nTTT-1,1,1\n"
