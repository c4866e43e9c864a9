"""Folders of imaging machines, written from their public descriptions, come back with their counts and positions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mudata
import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io import contract
from spatialweave.io.notices import InputWarning
from spatialweave.io.readers import xenium_transcripts
from spatialweave.io.section import SectionInput, understand_section
from spatialweave.io.understood import Understood

from ..inputs import h5ad
from . import machines
from .reading import section

CELLS = [f"abcd{i:04d}-1" for i in range(30)]
GENES = ["Actb", "Gad1", "Sst"]
PROTEINS = ["CD3E", "CD20"]
POSITIONS = np.random.default_rng(4).uniform(0, 300, (30, 2))
RNA = np.random.default_rng(5).poisson(3, (30, 3)) + 1
PROTEIN = np.random.default_rng(6).gamma(2, 10, (30, 2)).round(3)
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


def holds(part, names: list[str], features: list[str], values: np.ndarray, positions: np.ndarray = POSITIONS) -> None:
    assert list(part.var_names) == features
    rows = pd.Index(names).get_indexer(part.obs_names)
    assert sorted(rows) == list(range(len(names)))
    np.testing.assert_allclose(part.X.toarray(), values[rows], rtol=1e-6)
    np.testing.assert_array_equal(part.obsm["spatial"], positions[rows])


def written(folder: Path, tmp_path: Path) -> tuple[mudata.MuData, Understood]:
    """The section of a folder as INGEST writes it to a file, read from there, and what was understood of it."""
    result, understood = understand_section(SectionInput("d", "s", multi=folder))
    contract.write(result.data, tmp_path / "section.h5mu", counts=result.counts)
    return contract.read_h5mu(tmp_path / "section.h5mu", "section"), understood


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


# CosMx: 15 cells in each of two fields, numbered from 1 in both.
FOV = np.repeat([1, 2], 15)
NUMBER = np.tile(np.arange(1, 16), 2)
IN_FIELDS = [f"{fov}_{number}" for fov, number in zip(FOV, NUMBER, strict=True)]


def cosmx(folder: Path, values: pd.DataFrame, *how: object, **named: object) -> Path:
    return machines.cosmx(folder, FOV, NUMBER, values, POSITIONS, *how, **named)


RNA_OF_COSMX = pd.DataFrame(
    np.hstack([RNA, np.full((30, 4), 7)]), columns=[*GENES, "NegPrb01", "Negative2", "SystemControl7", "FalseCode1"]
)


@pytest.mark.parametrize(("ending", "cell_first", "quoted"), [(".csv", False, False), (".csv.gz", True, True)])
def test_cosmx(tmp_path: Path, ending: str, cell_first: bool, quoted: bool) -> None:
    folder = cosmx(tmp_path / "flat", RNA_OF_COSMX, ending, cell_first, quoted)
    with pytest.warns(InputWarning) as notices:
        result, understood = understand_section(SectionInput("d", "s", multi=folder, labels="cell_type"))
        data = result.in_memory()
    holds(data.mod["rna"], IN_FIELDS, GENES, RNA)
    said = " | ".join(str(notice.message) for notice in notices)
    assert "2 rows with cell_ID 0 are outside the cells, left out" in said
    assert "types Control are left out (4 features)" in said
    assert "platform cosmx (by the format of the files)" in understood.line()
    assert list(data.obs["label"][["1_1", "2_1"]]) == ["a", "b"]


def test_cosmx_of_atomx(tmp_path: Path) -> None:
    folder = cosmx(tmp_path / "flat", RNA_OF_COSMX, ".csv.gz", atomx=True)
    data, _understood = written(folder, tmp_path)
    holds(data.mod["rna"], IN_FIELDS, GENES, RNA)
    assert list(data.mod["rna"].obs.loc[["1_3", "2_5"], "cell_id"]) == ["c_1_1_3", "c_1_2_5"]
    assert list(data.mod["rna"].obs.loc[["1_3", "2_5"], "cell_ID"]) == [3, 5]


NAMES_OF_ATOMX = machines.atomx_names(FOV, NUMBER)


@pytest.mark.parametrize(("names", "without"), [(NAMES_OF_ATOMX, ""), (NAMES_OF_ATOMX, "cell_id"), (IN_FIELDS, "")])
def test_a_table_of_atomx_places_cells_by_any_of_its_names(tmp_path: Path, names: list[str], without: str) -> None:
    path = cosmx(tmp_path / "flat", RNA_OF_COSMX, atomx=True) / "Run1_metadata_file.csv"
    pd.read_csv(path, float_precision="round_trip").drop(columns=without or []).to_csv(path, index=False)
    h5ad(tmp_path / "rna.h5ad", names)
    data = section({"rna": tmp_path / "rna.h5ad"}, spatial=path)
    np.testing.assert_array_equal(data[names].obsm["spatial"], POSITIONS)


def test_cells_of_several_slides_are_named_by_their_barcodes(tmp_path: Path) -> None:
    path = tmp_path / "cells.csv"
    names = [f"{slide}_{number}" for slide in "AB" for number in range(15)]
    table = pd.DataFrame({"barcode": names, "fov": 1, "cell_ID": np.tile(range(15), 2)})
    table.assign(x_slide_mm=POSITIONS[:, 0], y_slide_mm=POSITIONS[:, 1]).to_csv(path, index=False)
    data = section({"rna": h5ad(tmp_path / "rna.h5ad", names)}, spatial=path)
    np.testing.assert_array_equal(data[names].obsm["spatial"], POSITIONS)
    table.drop(columns="barcode").assign(x=1, y=2).to_csv(path, index=False)
    with pytest.raises(InputError, match=r"line 17, column 'field and cell': barcode '1_0' appears a second time"):
        section({"rna": tmp_path / "rna.h5ad"}, spatial=path)


@pytest.mark.parametrize("as_multi", [True, False])
def test_proteins_of_cosmx_are_intensities(tmp_path: Path, as_multi: bool) -> None:
    folder = cosmx(tmp_path / "flat", pd.DataFrame(PROTEIN, columns=PROTEINS))
    given = {"multi": folder} if as_multi else {"files": {"adt": folder}}
    result, understood = understand_section(SectionInput("d", "s", **given))
    data = result.in_memory()
    holds(data.mod["adt"], IN_FIELDS, PROTEINS, PROTEIN)
    assert "intensities of flat" in understood.line()


def test_whole_numbers_without_controls_need_a_modality(tmp_path: Path) -> None:
    folder = cosmx(tmp_path / "flat", pd.DataFrame(RNA, columns=GENES))
    with pytest.raises(InputError, match=r"does not name the modality.*give it as --rna or another modality"):
        section(multi=folder)
    holds(section({"rna": folder}).mod["rna"], IN_FIELDS, GENES, RNA)


@pytest.mark.parametrize("cell_first", [True, False])
def test_a_matrix_of_cosmx_by_itself(tmp_path: Path, cell_first: bool) -> None:
    folder = cosmx(tmp_path / "flat", RNA_OF_COSMX, cell_first=cell_first)
    data = section(
        {"rna": folder / "Run1_exprMat_file.csv"}, spatial=folder / "Run1_metadata_file.csv", platform="cosmx"
    )
    holds(data.mod["rna"], IN_FIELDS, GENES, RNA)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "flat: has no metadata_file.csv; expected the table of cells beside the matrix"),
        (lambda path: path.write_text("fov,cell_ID\n1,1\n"), "metadata_file.csv: has no columns of coordinates"),
        (lambda path: path.write_text("cell_ID,x\n1,1\n"), "metadata_file.csv: has no column 'fov'"),
        (
            lambda path: path.write_text("fov,cell_ID,CenterX_global_px,CenterY_global_px\n9,1,3,4\n"),
            r"its cells \(first: '9_1'\) match no cell of the matrix \(first: '1_1'\)",
        ),
        (lambda path: path.write_bytes(b"fov,cell_ID\n\xe9,1\n"), "metadata_file.csv.*is not UTF-8"),
    ],
)
def test_damaged_cosmx(tmp_path: Path, change: Callable[[Path], object], message: str) -> None:
    folder = cosmx(tmp_path / "flat", RNA_OF_COSMX)
    change(folder / "Run1_metadata_file.csv")
    with pytest.raises(InputError, match=message):
        section({"rna": folder})


def test_a_bad_cell_in_the_matrix_of_cosmx_is_named(tmp_path: Path) -> None:
    folder = cosmx(tmp_path / "flat", RNA_OF_COSMX)
    path = folder / "Run1_exprMat_file.csv"
    lines = path.read_text().splitlines()
    lines[3] = lines[3].replace(f",{RNA[0, 0]},", ",many,", 1)
    path.write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"exprMat_file.csv, line 4, column 'Actb': 'many' is not a number"):
        section({"rna": folder})


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
