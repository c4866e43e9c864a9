"""Tables of cells as programs write them: cells by their identifiers, stains without the facts beside them."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io import tables
from spatialweave.io.notices import InputWarning

from .inputs import grid, h5ad, read

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

XY = grid(4, 5) + np.array([100.0, 7.0])
GENES = pd.DataFrame({"A": np.arange(20) + 1, "B": np.arange(20)[::-1] + 3})
STAINS = pd.DataFrame({"CD3": np.arange(20) + 0.5, "CD8": np.arange(20) * 1.5 + 0.25})


def positions(path: Path, name: str, names: list) -> Path:
    """Coordinates of the cells `names`, the first of which is at the first place."""
    pd.DataFrame({name: names, "x": XY[: len(names), 0], "y": XY[: len(names), 1]}).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    ("column", "index"),
    [("CellID", None), ("cell", None), ("barcode", None), ("Cell ID", None), ("CellID", "index"), ("spot_id", None)],
)
def test_numbers_of_rows_are_no_names_beside_identifiers(tmp_path: Path, column: str, index: str | None) -> None:
    """By df.to_csv(), after cells have been left out and the rest numbered again."""
    names = [f"AC{i}" for i in range(20)] if column == "barcode" else list(range(20))
    kept = GENES.assign(**{column: names})[[column, "A", "B"]].iloc[5:].reset_index(drop=True)
    kept.to_csv(tmp_path / "m.csv", index_label=index)
    with pytest.warns(InputWarning, match=f"named by the column '{column}', and not by the numbers of its rows"):
        result = read({"rna": tmp_path / "m.csv"}, spatial=positions(tmp_path / "xy.csv", column, names))
    assert result.mod["rna"].var_names.tolist() == ["A", "B"]
    assert result.obs_names.tolist() == [str(name) for name in names[5:]]
    np.testing.assert_array_equal(result.obsm["spatial"], XY[5:])
    np.testing.assert_array_equal(result.mod["rna"].X.toarray()[:, 0], np.arange(20)[5:] + 1)


def test_names_in_an_index_without_name_stay_and_identifiers_are_no_features(tmp_path: Path) -> None:
    names = [f"AC{i}" for i in range(20)]
    table = GENES.assign(CellID=range(20)).set_axis(names)
    table.to_csv(tmp_path / "m.csv")
    result = read({"rna": tmp_path / "m.csv"}, spatial=positions(tmp_path / "xy.csv", "barcode", names))
    assert result.obs_names.tolist() == names
    assert result.mod["rna"].var_names.tolist() == ["A", "B"]
    # A column that repeats names no rows, whatever it is called.
    GENES.assign(cell=[1, 2] * 10).to_csv(tmp_path / "types.csv")
    xy = positions(tmp_path / "numbers.csv", "barcode", list(range(20)))
    result = read({"rna": tmp_path / "types.csv"}, spatial=xy)
    assert result.obs_names.tolist() == [str(i) for i in range(20)]
    assert result.mod["rna"].var_names.tolist() == ["A", "B"]


def test_identifiers_are_no_features_of_a_matrix_made_from_a_table(tmp_path: Path) -> None:
    features = ["CellID", "A", "barcode", "Index"]
    path = h5ad(tmp_path / "a.h5ad", [f"b{i}" for i in range(20)], {}, {"spatial": XY}, features=features)
    assert read({"rna": path}).mod["rna"].var_names.tolist() == ["A"]


@pytest.mark.parametrize("labelled", [False, True])
def test_numbered_spots_are_matched_by_the_column_of_barcodes_that_both_have(tmp_path: Path, labelled: bool) -> None:
    """Spots that anndata has numbered again after others were left out."""
    obs = {"CellID": np.arange(5, 20)}
    path = h5ad(tmp_path / "a.h5ad", [str(i) for i in range(15)], obs, {"spatial": XY[5:]} if labelled else {})
    if labelled:
        table = pd.DataFrame({"CellID": range(20), "label": [f"L{i}" for i in range(20)]})
        table.to_csv(tmp_path / "labels.csv", index=False)
        result = read({"rna": path}, labels=str(tmp_path / "labels.csv"))
        assert result.obs["label"].tolist() == [f"L{i}" for i in range(5, 20)]
        return
    result = read({"rna": path}, spatial=positions(tmp_path / "xy.csv", "CellID", list(range(20))))
    np.testing.assert_array_equal(result.obsm["spatial"], XY[5:])


def test_numbers_that_match_a_column_by_chance_match_nothing(tmp_path: Path) -> None:
    """Labels of cells 0 to 19 of one table, and spots with numbers of another in a column of another name."""
    spots = [f"b{i}" for i in range(20)]
    path = h5ad(tmp_path / "a.h5ad", spots, {"spot_number": np.arange(15, 35)}, {"spatial": XY})
    pd.DataFrame({"CellID": range(20), "label": "x"}).to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(InputError, match=r"labels\.csv"):
        read({"rna": path}, labels=str(tmp_path / "labels.csv"))


def test_labels_with_the_numbers_of_rows_beside_named_spots(tmp_path: Path) -> None:
    """Numbers that the spots had before others were left out are in a column; those of the labels are their index."""
    spots = [str(i) for i in range(15)]
    path = h5ad(tmp_path / "a.h5ad", spots, {"CellID": np.arange(5, 20)}, {"spatial": XY[5:]})
    labels = pd.DataFrame({"barcode": range(5, 20), "label": [f"L{i}" for i in range(5, 20)]})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    result = read({"rna": path}, labels=str(tmp_path / "labels.csv"))
    assert result.obs["label"].tolist() == labels["label"].tolist()


def test_genes_of_one_name_in_a_first_column_stay_names(tmp_path: Path) -> None:
    names = [f"AC{i}" for i in range(20)]
    table = GENES.set_axis(names).T.set_axis(pd.Index(["A", "A"], name="gene_symbol"))
    table.to_csv(tmp_path / "m.csv")
    positions(tmp_path / "xy.csv", "barcode", names)
    with pytest.warns(InputWarning, match="its rows are read as features"):
        rna = read({"rna": tmp_path / "m.csv"}, spatial=tmp_path / "xy.csv").mod["rna"]
    assert rna.var_names.tolist() == ["A", "A-1"]
    np.testing.assert_array_equal(rna.X.toarray(), GENES.to_numpy())


def test_all_columns_of_text_are_named_at_once(tmp_path: Path) -> None:
    table = GENES.assign(site="left", grade="high")
    table.to_csv(tmp_path / "m.csv")
    with pytest.raises(
        InputError, match=r"line 2, column 'site': 'left' is not a number; .*no features \('site', 'grade'\)"
    ):
        read({"rna": tmp_path / "m.csv"}, spatial=positions(tmp_path / "xy.csv", "barcode", list(range(20))))
    GENES.assign(**{f"note{i}": "text" for i in range(9)}).to_csv(tmp_path / "many.csv")
    with pytest.raises(InputError, match=r"\('note0', .*'note5' and 3 more\)"):
        read({"rna": tmp_path / "many.csv"}, spatial=tmp_path / "xy.csv")


@pytest.mark.parametrize(
    ("cell", "fix"), [("NA", "write 0 where nothing was counted"), ("1,5", "write a point before decimals")]
)
def test_columns_with_missing_values_and_decimal_commas_are_features(tmp_path: Path, cell: str, fix: str) -> None:
    """Two such columns are not two columns of text to leave out."""
    GENES.astype(object).where(GENES > 3, cell).to_csv(tmp_path / "m.csv", sep=";")
    with pytest.raises(InputError, match=f"line 2, column 'A': '{cell}' is not a number; .*{fix}"):
        read({"rna": tmp_path / "m.csv"}, spatial=positions(tmp_path / "xy.csv", "barcode", list(range(20))))


def test_a_table_of_identifiers_alone_has_no_features(tmp_path: Path) -> None:
    pd.DataFrame({"CellID": range(20)}).to_csv(tmp_path / "m.csv")
    with pytest.raises(InputError, match="has no features besides the columns 'CellID'"):
        read({"rna": tmp_path / "m.csv"}, spatial=positions(tmp_path / "xy.csv", "CellID", list(range(20))))


def test_coordinates_of_steinbock_and_loupe(tmp_path: Path) -> None:
    STAINS.assign(Object=range(1, 21))[["Object", "CD3", "CD8"]].to_csv(tmp_path / "intensities.csv", index=False)
    for name, columns in (("Object", ("centroid-1", "centroid-0")), ("Barcode", ("X Coordinate", "Y Coordinate"))):
        places = pd.DataFrame({name: range(1, 21), columns[0]: XY[:, 0], columns[1]: XY[:, 1], "area": 3})
        places.to_csv(tmp_path / "places.csv", index=False)
        data = read({"adt": tmp_path / "intensities.csv"}, spatial=tmp_path / "places.csv", platform="codex")
        np.testing.assert_array_equal(data.obsm["spatial"], XY)


def test_spots_of_spatial_transcriptomics_are_placed_by_their_selection_file(tmp_path: Path) -> None:
    array = [(x, y) for y in range(3, 7) for x in range(2, 7)]
    GENES.set_axis([f"{x}x{y}" for x, y in array]).to_csv(tmp_path / "stdata.tsv", sep="\t")
    x, y = np.array(array).T
    pixels = {"pixel_x": XY[:, 0], "pixel_y": XY[:, 1], "selected": [0, *[1] * 19]}
    selection = pd.DataFrame({"x": x, "y": y, "new_x": x + 0.02, "new_y": y - 0.03, **pixels})
    selection.iloc[::-1].to_csv(tmp_path / "selection.tsv", sep="\t", index=False)
    result = read({"rna": tmp_path / "stdata.tsv"}, spatial=tmp_path / "selection.tsv")
    assert result.obs_names.tolist() == [f"{x}x{y}" for x, y in array[1:]]
    np.testing.assert_array_equal(result.obsm["spatial"], XY[1:])


def test_features_of_an_image_are_no_picture(tmp_path: Path) -> None:
    path = h5ad(tmp_path / "a.h5ad", [f"b{i}" for i in range(20)], {}, {"spatial": XY})
    STAINS.to_csv(tmp_path / "features.csv")
    with pytest.raises(InputError, match=r"is a table or a matrix; expected a picture .* in the column morphology"):
        read({"rna": path}, image=tmp_path / "features.csv")


def test_labels_in_a_txt_with_barcodes_are_a_table(tmp_path: Path) -> None:
    spots = [f"b{i}" for i in range(20)]
    path = h5ad(tmp_path / "a.h5ad", spots, {}, {"spatial": XY})
    lines = [f"{spot}\tL{i % 3}\n" for i, spot in enumerate(spots)]
    (tmp_path / "labels.txt").write_text("barcode\tlabel\n" + "".join(lines[::-1]))
    result = read({"rna": path}, labels=str(tmp_path / "labels.txt"))
    assert result.obs["label"].tolist() == [f"L{i % 3}" for i in range(20)]


def test_a_platform_by_the_name_of_its_machine(tmp_path: Path) -> None:
    path = h5ad(tmp_path / "a.h5ad", [f"b{i}" for i in range(20)], {}, {"spatial": XY})
    for name, meant in (("merscope", "merfish"), ("visum", "visium")):
        with pytest.raises(InputError, match=f"'{name}' is not known; .*write {meant}, if that is meant"):
            read({"rna": path}, platform=name)


def test_the_memory_of_a_text_table_grows_with_its_file(tmp_path: Path) -> None:
    """Beyond the table itself, which also has about the size of its file."""
    rng = np.random.default_rng(0)

    def peak(rows: int) -> tuple[int, int]:
        path = tmp_path / f"{rows}.csv"
        columns = {f"c{i}": rng.random(rows) for i in range(12)}
        pd.DataFrame(columns).to_csv(path, index_label="cell")
        tracemalloc.start()
        table = tables.read_strings(path)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert table.shape == (rows, 13) and table.iloc[-1, 1] == path.read_text().splitlines()[-1].split(",")[1]
        return found, path.stat().st_size

    (small, size), (large, larger) = peak(20_000), peak(60_000)
    # Python's own memory; that of Arrow, which the table is in, has the size of the text and 8 bytes a cell.
    assert large - small < 0.5 * (larger - size)
