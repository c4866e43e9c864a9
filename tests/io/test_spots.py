"""Which spots are used: those in the tissue, and how many the modalities share; no matrix is two modalities."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning

from .inputs import grid, h5ad, read

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

SPOTS = [f"AAAC{i:03d}-1" for i in range(40)]
XY = grid(5, 8)
INSIDE = np.arange(40) % 5 > 1


@pytest.mark.parametrize("flag", [INSIDE.astype(int), INSIDE, INSIDE.astype(float), pd.Categorical(INSIDE.astype(str))])
def test_spots_outside_the_tissue_are_left_out_of_all_modalities(tmp_path: Path, flag: object) -> None:
    rna = h5ad(tmp_path / "rna.h5ad", SPOTS, {"in_tissue": flag}, {"spatial": XY})
    adt = h5ad(tmp_path / "adt.h5ad", SPOTS, seed=1)
    with pytest.warns(InputWarning, match="16 of 40 spots are outside the tissue"):
        result = read({"rna": rna, "adt": adt})
    kept = [name for name, inside in zip(SPOTS, INSIDE, strict=True) if inside]
    assert result.obs_names.tolist() == kept
    assert result.mod["adt"].obs_names.tolist() == kept
    np.testing.assert_array_equal(result.obsm["spatial"], XY[INSIDE])
    np.testing.assert_array_equal(result.mod["rna"].X.toarray()[:, 0], 1 + np.flatnonzero(INSIDE))


@pytest.mark.parametrize("name", ["tissue_positions.csv", "cells.csv"])
def test_a_table_of_positions_says_which_spots_are_outside(tmp_path: Path, name: str) -> None:
    table = pd.DataFrame({"barcode": SPOTS, "in_tissue": INSIDE.astype(int), "array_row": XY[:, 1] / 10})
    table["array_col"], table["pxl_row_in_fullres"], table["pxl_col_in_fullres"] = XY[:, 0] / 10, XY[:, 1], XY[:, 0]
    table.astype(dict.fromkeys(table.columns[1:], int)).to_csv(tmp_path / name, index=False)
    with pytest.warns(InputWarning, match="16 of 40 spots are outside the tissue"):
        result = read({"rna": h5ad(tmp_path / "rna.h5ad", SPOTS)}, spatial=tmp_path / name)
    np.testing.assert_array_equal(result.obsm["spatial"], XY[INSIDE])


@pytest.mark.parametrize("name", ["In_Tissue", "in.tissue", "IN TISSUE", "in-tissue"])
@pytest.mark.parametrize(("yes", "no"), [(1, 0), ("1.0", "0.0"), ("T", "F"), ("TRUE", "FALSE"), ("Yes", "no")])
def test_flags_of_any_spelling(tmp_path: Path, name: str, yes: object, no: object) -> None:
    rna = h5ad(tmp_path / "rna.h5ad", SPOTS, {name: [yes if i else no for i in INSIDE]}, {"spatial": XY})
    with pytest.warns(InputWarning, match=f"16 of 40 spots are outside the tissue .{re.escape(name)} is 0."):
        result = read({"rna": rna})
    assert result.obs_names.tolist() == [name for name, inside in zip(SPOTS, INSIDE, strict=True) if inside]


def of_seurat(tissue: list[object]) -> pd.DataFrame:
    """Coordinates as Seurat keeps them of Visium."""
    table = pd.DataFrame({"tissue": tissue, "row": 1, "col": 1, "imagerow": XY[:, 1], "imagecol": XY[:, 0]})
    return table.set_axis(pd.Index(SPOTS, name="barcode"))


def test_flags_of_seurats_table_of_coordinates(tmp_path: Path) -> None:
    of_seurat(INSIDE.astype(int).tolist()).to_csv(tmp_path / "seurat.csv")
    with pytest.warns(InputWarning, match=r"seurat.csv: 16 of 40 spots are outside the tissue \(tissue is 0\)"):
        result = read({"rna": h5ad(tmp_path / "rna.h5ad", SPOTS)}, spatial=tmp_path / "seurat.csv")
    np.testing.assert_array_equal(result.obsm["spatial"], XY[INSIDE])


def test_a_column_tissue_that_is_no_flag(tmp_path: Path) -> None:
    """Organs beside Seurat's coordinates, and numbers of pieces where no other column is of Seurat."""
    obs = of_seurat(["brain"] * 40).to_dict("list")
    assert read({"rna": h5ad(tmp_path / "organ.h5ad", SPOTS, obs)}).n_obs == 40
    assert (
        read({"rna": h5ad(tmp_path / "piece.h5ad", SPOTS, {"tissue": INSIDE.astype(int)}, {"spatial": XY})}).n_obs == 40
    )


def test_flags_that_are_no_flags(tmp_path: Path) -> None:
    odd = np.where(np.arange(40) == 3, 2, 1)
    with pytest.raises(InputError, match="column 'in_tissue', spot 'AAAC003-1': '2' is neither 0 nor 1"):
        read({"rna": h5ad(tmp_path / "a.h5ad", SPOTS, {"in_tissue": odd}, {"spatial": XY})})
    with pytest.raises(InputError, match="none of its spots is in the tissue"):
        read({"rna": h5ad(tmp_path / "b.h5ad", SPOTS, {"in_tissue": np.zeros(40)}, {"spatial": XY})})


@pytest.mark.parametrize("files", [("one", "one"), ("one", "copy")])
def test_one_matrix_is_not_two_modalities(tmp_path: Path, files: tuple[str, str]) -> None:
    paths = {name: h5ad(tmp_path / f"{name}.h5ad", SPOTS, {}, {"spatial": XY}) for name in files}
    with pytest.raises(InputError, match=r"adt is the same matrix as rna.*var\['feature_types'\]"):
        read({"rna": paths[files[0]], "adt": paths[files[1]]})


def renamed(number: int) -> list[str]:
    """The spots, all but the first `number` under other names."""
    return SPOTS[:number] + [f"CCGT{i:03d}-1" for i in range(number, 40)]


def two(folder: Path, adt_spots: list[str]) -> dict[str, Path]:
    rna = h5ad(folder / "rna.h5ad", SPOTS, {}, {"spatial": XY})
    return {"rna": rna, "adt": h5ad(folder / "adt.h5ad", adt_spots, {}, {"spatial": XY}, seed=1)}


def test_few_shared_spots_are_refused_some_are_said(tmp_path: Path) -> None:
    said = "only {} of 40 barcodes of adt are among.*'CCGT0{}-1', theirs: 'AAAC0{}-1'"
    with pytest.raises(InputError, match=said.format(7, "07", "07")):
        read(two(tmp_path, renamed(7)))
    with pytest.warns(InputWarning, match=said.format(12, 12, 12)):
        assert read(two(tmp_path, renamed(12))).n_obs == 68
    assert read(two(tmp_path, renamed(30))).n_obs == 50


def test_a_modality_on_a_part_of_the_spots_shares_all_of_its_own(tmp_path: Path) -> None:
    adt = h5ad(tmp_path / "adt.h5ad", SPOTS[:4], seed=1)
    rna = h5ad(tmp_path / "rna.h5ad", SPOTS, {}, {"spatial": XY})
    assert read({"rna": rna, "adt": adt}).n_obs == 40


# As R changes them: make.names("AAAC000-1") is "AAAC000.1".
OTHER_SPELLINGS = {
    "R": ([f"AAAC{i:03d}.1" for i in range(40)], "check.names = FALSE"),
    "endings": ([f"AAAC{i:03d}" for i in range(40)], "give all files the same endings"),
}


@pytest.mark.parametrize("names_and_fix", OTHER_SPELLINGS.values(), ids=OTHER_SPELLINGS.keys())
@pytest.mark.parametrize("table", ["modality", "spots in columns", "coordinates", "labels"])
def test_the_difference_between_spellings_is_named(
    tmp_path: Path, names_and_fix: tuple[list[str], str], table: str
) -> None:
    names, fix = names_and_fix
    rna, more = h5ad(tmp_path / "rna.h5ad", SPOTS, {}, {"spatial": XY}), {}
    files = {"rna": rna}
    if table == "modality":
        files["adt"] = h5ad(tmp_path / "adt.h5ad", names, seed=1)
    elif table == "spots in columns":
        files["adt"] = tmp_path / "adt.csv"
        pd.DataFrame(1, index=["CD3", "CD4"], columns=names).to_csv(files["adt"])
    else:
        key = "spatial" if table == "coordinates" else "labels"
        more[key] = tmp_path / f"{key}.csv"
        frame = pd.DataFrame({"barcode": names, "x": XY[:, 0], "y": XY[:, 1], "label": "L"})
        frame.to_csv(more[key], index=False)
    with pytest.raises(InputError, match=f"to fix this, .*{re.escape(fix)}"):
        read(files, **{key: str(path) if key == "labels" else path for key, path in more.items()})


def test_endings_of_barcodes_are_named_as_the_difference(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no barcode of adt is among.*without them the names agree"):
        read(two(tmp_path, [name.removesuffix("-1") for name in SPOTS]))
    places = {"spatial": XY}
    barcodes = ["".join("ACGT"[i >> shift & 3] for shift in range(0, 16, 2)) + "-1" for i in range(40)]
    for beginning in ("S1_", "S1#"):
        files = {"rna": h5ad(tmp_path / "a.h5ad", barcodes, {}, places)}
        files["adt"] = h5ad(tmp_path / "b.h5ad", [beginning + name for name in barcodes], {}, places, seed=1)
        with pytest.raises(InputError, match=r"the same beginnings of names .*without them the names agree"):
            read(files)
    numbered = {"rna": h5ad(tmp_path / "a.h5ad", [f"spot_{i}" for i in range(40)], {}, {"spatial": XY})}
    numbered["adt"] = h5ad(tmp_path / "b.h5ad", [f"spot_{i + 40}" for i in range(40)], {}, {"spatial": XY}, seed=1)
    with pytest.raises(InputError, match="use the same names of spots"):
        read(numbered)


NUMBERS = [str(i) for i in range(40)]


def numbered(folder: Path, rna: dict[str, Any], adt: dict[str, Any], placed: bool = False) -> dict[str, Path]:
    """RNA of 40 spots and proteins of the last 30 of them, both numbered from 0, with these columns of obs."""
    rna_file = h5ad(folder / "rna.h5ad", NUMBERS, rna, {"spatial": XY})
    obsm = {"spatial": XY[10:]} if placed else {}
    return {"rna": rna_file, "adt": h5ad(folder / "adt.h5ad", NUMBERS[:30], adt, obsm, seed=1)}


def test_numbers_that_contradict_the_barcodes_are_not_used(tmp_path: Path) -> None:
    files = numbered(tmp_path, {"Barcode": SPOTS}, {"Barcode": SPOTS[10:]}, placed=True)
    with pytest.warns(
        InputWarning, match=r"spot '0' has the Barcode 'AAAC010-1', in .*rna.h5ad 'AAAC000-1' \(30 spots"
    ):
        result = read(files)
    assert result.mod["rna"].obs_names.tolist() == SPOTS
    assert result.mod["adt"].obs_names.tolist() == SPOTS[10:]
    # Spot i of a file has 1 + i of its first feature.
    assert result.mod["adt"]["AAAC010-1"].X.toarray()[0, 0] == 1
    assert result.mod["rna"]["AAAC010-1"].X.toarray()[0, 0] == 11
    np.testing.assert_array_equal(result.mod["adt"].obsm["spatial"], XY[10:])


def test_numbered_spots_are_named_by_the_barcodes_that_another_file_has(tmp_path: Path) -> None:
    """After reset_index in one of the files, whose spots are in another order."""
    order = np.arange(40)[::-1]
    files = {"rna": h5ad(tmp_path / "rna.h5ad", SPOTS, {}, {"spatial": XY})}
    columns = {"barcode": [SPOTS[i] for i in order]}
    files["adt"] = h5ad(tmp_path / "adt.h5ad", NUMBERS, columns, {"spatial": XY[order]}, seed=1)
    with pytest.warns(InputWarning, match="adt.h5ad: its spots are named by the column 'barcode', and not by their"):
        data = read(files)
    assert data.n_obs == 40
    np.testing.assert_array_equal(data.mod["adt"][SPOTS].X.toarray()[:, 0], 40 - np.arange(40))
    np.testing.assert_array_equal(data.mod["adt"][SPOTS].obsm["spatial"], XY)
    columns = {"barcode": [f"other{i}" for i in order]}
    files["adt"] = h5ad(tmp_path / "adt.h5ad", NUMBERS, columns, {"spatial": XY[order]}, seed=1)
    with pytest.raises(InputError, match="no barcode of adt is among"):
        read(files)


def test_numbers_that_agree_with_the_barcodes_are_kept(tmp_path: Path) -> None:
    """Without the numbers of wells, which one of the files has."""
    plain = [name.removesuffix("-1") for name in SPOTS[:30]]
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        result = read(numbered(tmp_path, {"barcode": SPOTS}, {"barcode": plain, "cell": ["T", "B"] * 15}))
    assert result.obs_names.tolist() == NUMBERS


def test_numbers_that_contradict_barcodes_or_places_are_refused_where_nothing_else_names_the_spots(
    tmp_path: Path,
) -> None:
    twice = [*SPOTS[10:39], SPOTS[38]]
    with pytest.raises(
        InputError, match=r"adt.h5ad: spot '0' has the barcode.*no column 'barcode' of .*adt.h5ad names"
    ):
        read(numbered(tmp_path, {"barcode": SPOTS}, {"barcode": twice}))
    table = tmp_path / "places.csv"
    pd.DataFrame({"spot": NUMBERS, "x": XY[:, 0], "y": XY[:, 1]}).to_csv(table, index=False)
    with pytest.raises(InputError, match=r"and .*places.csv also names spots by numbers"):
        read(numbered(tmp_path, {"barcode": SPOTS}, {"barcode": SPOTS[10:]}), spatial=table)
    with pytest.raises(InputError, match=r"adt.h5ad: spot '0' has other coordinates than .*rna.h5ad.*30 spots differ"):
        read(numbered(tmp_path, {}, {}, placed=True), spatial=table)


def test_numbers_of_which_nothing_says_whose_they_are(tmp_path: Path) -> None:
    with pytest.warns(
        InputWarning, match=r"adt.h5ad: names its 30 spots by numbers from 0, and .*rna.h5ad its 40 from 0"
    ):
        assert read(numbered(tmp_path, {}, {})).n_obs == 40
    files = numbered(tmp_path, {}, {})
    # These numbers are those of the spots before others were left out.
    files["adt"] = h5ad(tmp_path / "gaps.h5ad", NUMBERS[::2], seed=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        assert read(files).n_obs == 40


def test_numbers_from_0_and_from_1_are_different_spots(tmp_path: Path) -> None:
    files = {
        "rna": h5ad(tmp_path / "rna.h5ad", NUMBERS),
        "adt": h5ad(tmp_path / "adt.h5ad", [str(i + 1) for i in range(40)]),
    }
    with pytest.raises(InputError, match=r"adt.h5ad: names its 40 spots by numbers from 1, and .* its 40 from 0"):
        read(files)


def test_sections_of_a_file_without_the_column_are_selected_by_barcodes(tmp_path: Path) -> None:
    obs = {"barcode": SPOTS, "slide": np.repeat(["A", "B"], 20)}
    files = numbered(tmp_path, obs, {"barcode": SPOTS[10:]})
    result = read(files, "A", section_column="slide")
    assert result.mod["adt"].obs_names.tolist() == SPOTS[10:20]
    np.testing.assert_array_equal(result.mod["adt"].X.toarray()[:, 0], 1 + np.arange(10))
