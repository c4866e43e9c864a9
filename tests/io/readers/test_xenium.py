"""Folders of Xenium, whole and damaged, with proteins and with chosen transcripts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning
from spatialweave.io.readers import xenium_transcripts
from spatialweave.io.section import SectionInput, understand_section

from . import machines
from .imaging import CELLS, GENES, POSITIONS, PROTEIN, PROTEINS, RNA, holds, written
from .reading import section

CONTROLS = [
    ("NegControlProbe_00042", "Negative Control Probe"),
    ("NegControlCodeword_0500", "Negative Control Codeword"),
    ("UnassignedCodeword_0001", "Unassigned Codeword"),
    ("DeprecatedCodeword_1", "Deprecated Codeword"),
    ("Intergenic_Region_1", "Genomic Control"),
    ("BLANK_0001", "Blank Codeword"),
]


def cell_table(kind: str, folder: Path, columns: dict[str, object], name: str = "cells") -> None:
    """Xenium's table of cells, in another order than that of the matrix."""
    table = pd.DataFrame({"cell_id": CELLS, **columns, "transcript_counts": RNA.sum(axis=1)}).iloc[::-1]
    if kind == "parquet":
        table["cell_id"] = table["cell_id"].str.encode("ascii")
        table.to_parquet(folder / f"{name}.parquet")
    else:
        table.to_csv(folder / f"{name}.{kind}", index=False)


CENTROIDS = {"x_centroid": POSITIONS[:, 0], "y_centroid": POSITIONS[:, 1]}


@pytest.fixture
def xenium(tmp_path: Path, write_tenx_folder: Callable) -> Callable[..., Path]:
    def write(matrix: str = "h5", cells: str = "parquet", prefix: str = "", proteins: bool = False) -> Path:
        features = [(gene, "Gene Expression") for gene in GENES]
        features += [(name, "Protein Expression") for name in PROTEINS if proteins] + CONTROLS
        parts = [RNA, PROTEIN] if proteins else [RNA]
        values = np.hstack([*parts, np.full((30, len(CONTROLS)), 7)])
        folder = machines.xenium(tmp_path / "output-XETG00000", CELLS, features, values, POSITIONS)
        if matrix == "folder":
            (folder / "cell_feature_matrix.h5").unlink()
            write_tenx_folder(folder / f"{prefix}cell_feature_matrix", CELLS, features, values, 3, True)
        else:
            (folder / "cell_feature_matrix.h5").rename(folder / f"{prefix}cell_feature_matrix.h5")
        (folder / "cells.parquet").unlink()
        cell_table(cells, folder, CENTROIDS, f"{prefix}cells")
        return folder

    return write


@pytest.mark.parametrize("prefix", ["", "GSM7780153_Rep1_"])
@pytest.mark.parametrize("cells", ["parquet", "csv", "csv.gz"])
@pytest.mark.parametrize("matrix", ["h5", "folder"])
def test_xenium(xenium: Callable[..., Path], matrix: str, cells: str, prefix: str) -> None:
    with pytest.warns(
        InputWarning, match=r"types Negative Control Probe, .*Blank Codeword are left out \(6 features\)"
    ):
        result, understood = understand_section(SectionInput("d", "s", multi=xenium(matrix, cells, prefix)))
        data = result.in_memory()
    holds(data.mod["rna"], CELLS, GENES, RNA)
    assert data.uns["spatialweave"]["coordinate_unit"] == "micrometre"
    line = understood.line()
    assert "platform xenium (by the format of the files)" in line
    assert "rna 30 spots x 3 features (counts of output-XETG00000, matrix)" in line
    np.testing.assert_array_equal(data.mod["rna"].obs.loc[CELLS, "transcript_counts"], RNA.sum(axis=1))


def test_xenium_with_an_unnamed_column_of_cells(xenium: Callable[..., Path], tmp_path: Path) -> None:
    folder = xenium(cells="csv")
    cells = folder / "cells.csv"
    cells.write_text(cells.read_text().removeprefix("cell_id"))
    data, _understood = written(folder, tmp_path)
    holds(data.mod["rna"], CELLS, GENES, RNA)
    assert list(data.mod["rna"].obs.columns) == ["x_centroid", "y_centroid", "transcript_counts"]


def test_proteins_of_xenium_are_intensities(xenium: Callable[..., Path]) -> None:
    folder = xenium(proteins=True)
    result, understood = understand_section(SectionInput("d", "s", multi=folder))
    data = result.in_memory()
    holds(data.mod["rna"], CELLS, GENES, RNA)
    holds(data.mod["adt"], CELLS, PROTEINS, PROTEIN)
    assert "adt 30 spots x 2 features (intensities of" in understood.line()
    assert list(section({"adt": folder}).mod) == ["adt"]
    # Whatever platform is named.
    holds(section(multi=folder, platform="cells").mod["adt"], CELLS, PROTEINS, PROTEIN)


@pytest.fixture
def transcripts(xenium: Callable[..., Path]) -> tuple[Path, pd.DataFrame]:
    """A folder whose table of transcripts has the counts of the matrix, and transcripts that are not counted."""
    folder = xenium(proteins=True)
    rng = np.random.default_rng(0)
    cell, gene = np.repeat(np.indices(RNA.shape).reshape(2, -1), RNA.ravel().astype(int), axis=1)
    table = pd.DataFrame(
        {
            "cell_id": np.array(CELLS)[cell],
            "feature_name": np.array(GENES)[gene],
            "qv": rng.uniform(20, 40, len(cell)).astype(np.float32),
            "overlaps_nucleus": rng.integers(0, 2, len(cell)).astype(np.uint8),
        }
    )
    low = table.head(50).assign(qv=np.float32(19.9))
    outside = table.head(40).assign(cell_id="UNASSIGNED")
    control = table.head(30).assign(feature_name="NegControlProbe_1")
    whole = pd.concat([low, table, outside, control]).sample(frac=1, random_state=0)
    whole.to_parquet(folder / "transcripts.parquet")
    return folder, table


@pytest.mark.parametrize(
    ("layer", "query"),
    [("nucleus", "overlaps_nucleus == 1"), ("q30", "qv >= 30"), ("nucleus_q30", "qv >= 30 and overlaps_nucleus == 1")],
)
def test_chosen_transcripts_of_xenium(transcripts: tuple[Path, pd.DataFrame], layer: str, query: str) -> None:
    folder, table = transcripts
    chosen = table.query(query)
    counted = pd.crosstab(chosen["cell_id"], chosen["feature_name"]).reindex(index=CELLS, columns=GENES, fill_value=0)
    assert 0 < counted.to_numpy().sum() < RNA.sum()
    result, understood = understand_section(SectionInput("d", "s", multi=folder, layers={"": layer}))
    data = result.in_memory()
    kept = counted.loc[data.mod["rna"].obs_names]
    np.testing.assert_array_equal(data.mod["rna"].X.toarray(), kept)
    holds(data.mod["adt"], CELLS, PROTEINS, PROTEIN)
    assert f"layers['{layer}']" in understood.line()


def test_all_transcripts_of_xenium_are_its_matrix(transcripts: tuple[Path, pd.DataFrame]) -> None:
    folder, _table = transcripts
    counted = xenium_transcripts.count(
        folder / "transcripts.parquet", pd.Index(CELLS), pd.Index(GENES), xenium_transcripts.Choice()
    )
    np.testing.assert_array_equal(counted.toarray(), RNA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="overlaps_nucleus"), "transcripts.parquet: has no column 'overlaps_nucleus'"),
        (lambda table: table.assign(cell_id="other"), "has no transcript of the cells and genes of the matrix"),
        (lambda table: table.assign(qv="high"), "transcripts.parquet: column 'qv' holds (large_)?string"),
    ],
)
def test_damaged_transcripts(transcripts: tuple[Path, pd.DataFrame], change: Callable, message: str) -> None:
    folder, table = transcripts
    change(table).to_parquet(folder / "transcripts.parquet")
    with pytest.raises(InputError, match=message):
        section(multi=folder, layers={"": "nucleus"})


def test_an_unreadable_table_of_transcripts(transcripts: tuple[Path, pd.DataFrame]) -> None:
    folder, _table = transcripts
    cut("transcripts.parquet")(folder)
    with pytest.raises(InputError, match=r"transcripts\.parquet: is not a readable parquet file of transcripts"):
        section(multi=folder, layers={"": "q40"})
    # Nobody asked for it.
    assert section(multi=folder).mod["rna"].n_obs == 30


def without(*names: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        for name in names:
            (folder / name).unlink()

    return damage


def cut(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: len(content) // 2])

    return damage


def other_cells(folder: Path) -> None:
    pd.DataFrame({"cell_id": ["x", "y"], "x_centroid": [1.0, 2], "y_centroid": [1.0, 2]}).to_parquet(
        folder / "cells.parquet"
    )


def no_positions(folder: Path) -> None:
    cell_table("parquet", folder, {"x": POSITIONS[:, 0]})


def text_as_position(folder: Path) -> None:
    cell_table("parquet", folder, {**CENTROIDS, "y_centroid": ["a"] * 30})


def same_cell_twice(folder: Path) -> None:
    table = pd.DataFrame({"cell_id": ["x", "x"], "x_centroid": [1.0, 2], "y_centroid": [1.0, 2]})
    table.to_parquet(folder / "cells.parquet")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (without("cells.parquet"), "output-XETG00000: has no cells.parquet or cells.csv; .*copy the whole folder"),
        (without("cell_feature_matrix.h5"), "has no cell_feature_matrix.h5 or folder cell_feature_matrix"),
        (cut("cell_feature_matrix.h5"), "cell_feature_matrix.h5: is not a readable 10x .h5 file"),
        (cut("cells.parquet"), "cells.parquet: is not a readable parquet file"),
        (other_cells, r"cells.parquet: its cells \(first: 'x'\) match no cell of the matrix \(first: 'abcd0000-1'\)"),
        (no_positions, "cells.parquet: has no columns of coordinates .found: 'cell_id', 'x'"),
        (text_as_position, "cells.parquet.*'a' of spot 'abcd0029-1' is not a number"),
        (same_cell_twice, "cells.parquet, row 2: cell 'x' appears a second time"),
    ],
)
def test_damaged_xenium(xenium: Callable[..., Path], damage: Callable[[Path], None], message: str) -> None:
    folder = xenium()
    damage(folder)
    with pytest.raises(InputError, match=message):
        section(multi=folder)


def test_cells_of_the_matrix_without_position_are_left_out(xenium: Callable[..., Path]) -> None:
    folder = xenium()
    pd.read_parquet(folder / "cells.parquet").iloc[:28].to_parquet(folder / "cells.parquet")
    with pytest.warns(InputWarning, match=r"2 of 30 cells are not in cells.parquet \(first: 'abcd0000-1'\), left out"):
        data = section(multi=folder)
    holds(data.mod["rna"], CELLS[2:], GENES, RNA[2:], POSITIONS[2:])


def test_a_layer_of_transcripts_that_are_not_there(xenium: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=r"has no transcripts.parquet; expected the table of transcripts"):
        section(multi=xenium(), layers={"": "nucleus"})
