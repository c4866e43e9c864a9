"""Flat files of CosMx, of several exports, whole and damaged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning
from spatialweave.io.section import SectionInput, understand_section

from ..inputs import h5ad
from . import machines
from .imaging import GENES, POSITIONS, PROTEIN, PROTEINS, RNA, holds, written
from .reading import section

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


@pytest.mark.parametrize("form", ["{:03d}", "{:.1f}"])
def test_cosmx_whose_table_of_cells_was_saved_again(tmp_path: Path, form: str) -> None:
    """By programs that write numbers as 001, or as 1.0 where another row had none."""
    folder = cosmx(tmp_path / "flat", RNA_OF_COSMX)
    path = folder / "Run1_metadata_file.csv"
    cells = pd.read_csv(path, float_precision="round_trip")
    cells = cells.assign(**{name: [form.format(number) for number in cells[name]] for name in ("fov", "cell_ID")})
    cells.to_csv(path, index=False)
    data, _understood = written(folder, tmp_path)
    holds(data.mod["rna"], IN_FIELDS, GENES, RNA)


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
