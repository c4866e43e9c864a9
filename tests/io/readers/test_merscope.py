"""Folders of MERSCOPE, whole and damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning

from . import machines
from .imaging import GENES, POSITIONS, RNA, holds, written
from .reading import section

# MERSCOPE: long numbers as names, which are no floats.
ENTITIES = [str(110883424764611924400 + i) for i in range(30)]


BLANKS = pd.DataFrame(np.hstack([RNA, np.full((30, 2), 7)]), columns=[*GENES, "Blank-1", "blank-22"])


def merscope(folder: Path, *how: object, **named: object) -> Path:
    return machines.merscope(folder, ENTITIES, BLANKS, POSITIONS, *how, **named)


@pytest.mark.parametrize("prefix", ["", "HumanLung_"])
@pytest.mark.parametrize("entity", ["EntityID", None])
def test_merscope(tmp_path: Path, entity: str | None, prefix: str) -> None:
    folder = merscope(tmp_path / "region_0", entity, prefix)
    with pytest.warns(InputWarning, match=r"types Blank are left out \(2 features\)"):
        data, understood = written(folder, tmp_path)
    holds(data.mod["rna"], ENTITIES, GENES, RNA)
    assert list(data.mod["rna"].obs.columns) == ["fov", "volume", "center_x", "center_y", "min_x"]
    assert data.uns["spatialweave"]["coordinate_unit"] == "micrometre"
    assert "platform merfish (by the format of the files)" in understood.line()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cell_metadata.csv", None, "region_0: has no cell_metadata.csv"),
        ("cell_metadata.csv", "EntityID,center_x\n1,2\n", "cell_metadata.csv: has no columns of coordinates"),
        ("cell_metadata.csv", "a,center_x,center_y\n1,2,3\n", "cell_metadata.csv: has no column 'entityid'"),
        ("cell_metadata.csv", "EntityID,center_x,center_y\n1,2,3\n", "its cells .first: '1'. match no cell"),
        (
            "cell_metadata.csv",
            "EntityID,center_x,center_y\n1,2,3,4,5\n",
            "cell_metadata.csv: is not a readable table of cells",
        ),
        ("cell_metadata.csv", "EntityID,center_x,center_y\n", "cell_metadata.csv: has no rows"),
        ("cell_by_gene.csv", "cell,A\n1\n", "cell_by_gene.csv, line 2: has 1 cells"),
    ],
)
def test_damaged_merscope(tmp_path: Path, name: str, content: str | None, message: str) -> None:
    folder = merscope(tmp_path / "region_0")
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    with pytest.raises(InputError, match=message):
        section(multi=folder)


def test_two_samples_in_one_folder_are_refused(tmp_path: Path) -> None:
    folder = merscope(tmp_path / "regions", prefix="A_")
    for file in list(folder.iterdir()):
        file.with_name(file.name.replace("A_", "B_")).write_bytes(file.read_bytes())
    with pytest.raises(
        InputError, match=r"holds several files cell_by_gene.csv \(A_cell_by_gene.csv, B_.*a folder for each"
    ):
        section(multi=folder)
