"""Text tables come back with their counts, barcodes and feature names."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spatialweave.errors import InputError
from spatialweave.io import tables
from spatialweave.io.column_names import facts_among
from spatialweave.io.notices import InputWarning
from spatialweave.io.readers import read
from spatialweave.io.section import SectionInput, understand_section

from .reading import matrices, section

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.mark.parametrize("name", ["rna.csv", "rna.tsv", "rna.csv.gz", "rna.tsv.gz", "RNA.CSV"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_text_matrix(tissue, tmp_path: Path, holds, spatial_csv: Path, name: str, ending: str, encoding: str) -> None:
    separator = "\t" if "tsv" in name else ","
    tissue.table("rna").to_csv(
        tmp_path / name, sep=separator, lineterminator=ending, encoding=encoding, index_label="barcode"
    )
    holds(section({"rna": tmp_path / name}, spatial=spatial_csv), tissue, "rna")


def test_text_matrix_in_blocks_with_blank_lines_and_quotes(tissue, tmp_path, holds, spatial_csv, monkeypatch) -> None:
    monkeypatch.setattr("spatialweave.io.readers.table.BLOCK_CELLS", 18)
    text = tissue.table("rna").to_csv(quoting=1).replace("\n", "\n\n")
    (tmp_path / "rna.csv").write_text("\n" + text)
    holds(section({"rna": tmp_path / "rna.csv"}, spatial=spatial_csv), tissue, "rna")


def test_barcodes_that_look_like_numbers_or_missing_values_stay_text(tmp_path: Path) -> None:
    names = ["001", "1e3", "NA", "null", "1.0", "nan"]
    (tmp_path / "rna.csv").write_text("id,A\n" + "".join(f"{name},{i + 1}\n" for i, name in enumerate(names)))
    (tmp_path / "xy.csv").write_text(
        "id,A\n".replace("id,A", "barcode,x,y") + "".join(f"{n},{i},1\n" for i, n in enumerate(names))
    )
    result = section({"rna": tmp_path / "rna.csv"}, spatial=tmp_path / "xy.csv")
    assert result.obs_names.tolist() == names
    assert result.mod["rna"].X.toarray().ravel().tolist() == [1, 2, 3, 4, 5, 6]


LIPIDS = ["PC(16:0,18:1)", "PE(18:0,20:4)", "1,2-DG", "TG;x", "Cer(d18:1/16:0)"]


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.txt", "m.csv.gz"])
@pytest.mark.parametrize("separator", [";", "\t", ","])
@pytest.mark.parametrize("comments", ["", "#made, by; hand\tin 2024\n"])
def test_names_that_hold_other_separators(
    tissue, tmp_path: Path, spatial_csv: Path, name: str, separator: str, comments: str
) -> None:
    """The first row says what separates cells: "PC(16:0,18:1)" is one lipid, with semicolons or tabs around it."""
    frame = (tissue.table("rna") + 0.5).set_axis(LIPIDS, axis=1)
    (tmp_path / name).write_text(comments + frame.to_csv(sep=separator))
    part = section({"metabolite": tmp_path / name}, spatial=spatial_csv).mod["metabolite"]
    assert part.var_names.tolist() == LIPIDS
    np.testing.assert_array_equal(part[tissue.spots].X.toarray(), tissue.rna + 0.5)


@pytest.mark.parametrize(
    ("header", "row", "name", "expected"),
    [
        (";PC(16:0,18:1);b", "s;1;2", "m.csv", ";"),
        # R leaves the column of barcodes without a name.
        ("PC(16:0,18:1);b", "s;1;2", "m.csv", ";"),
        ("a,b\tc", "s\t1\t2", "m.csv", "\t"),
        # Decimal commas are refused later, by their cell.
        (";PC(16:0,18:1);b", "s;1,5;2", "m.csv", ";"),
        ('"";"a,b";"c"', '"s";1;2', "m.csv", ";"),
        ("barcode,a;b", "s,p;q", "m.tsv", ","),
        # Where it says nothing, the ending does.
        ("barcode,a;b", "s,p;q", "m.csv", ","),
        ("barcode,a;b", "", "m.csv", ","),
        ("barcode;a,b\tc", "s", "m.tsv", "\t"),
        ("barcode", "s", "m.csv", ","),
        ("barcode", "s", "m.txt", "\t"),
        # By commas, the first cell would be longer than a table may have.
        ("barcode" + "\tA" * 100_000 + "\tA,B", "s" + "\t1" * 100_001, "m.csv", "\t"),
    ],
)
def test_separators(tmp_path: Path, header: str, row: str, name: str, expected: str) -> None:
    (tmp_path / name).write_text(f"{header}\n\n{row}\n")
    assert tables.start(tmp_path / name) == tables.Start(0, expected)


def test_a_matrix_as_geo_has_it(tissue, tmp_path: Path, holds, spatial_csv: Path) -> None:
    """Genes x spots in a .txt.gz; the names of the spots are those of the coordinates."""
    with gzip.open(tmp_path / "GSM1_counts.txt.gz", "wt") as stream:
        tissue.table("rna").T.to_csv(stream, sep="\t", index_label="GENE")
    with pytest.warns(InputWarning, match="its columns have the names of the spots"):
        holds(section({"rna": tmp_path / "GSM1_counts.txt.gz"}, spatial=spatial_csv), tissue, "rna")


def test_coordinates_in_a_txt(tissue, tmp_path: Path, holds, spatial_csv: Path) -> None:
    tissue.table("rna").to_csv(tmp_path / "rna.txt", sep="\t")
    (tmp_path / "xy.txt").write_text(spatial_csv.read_text().replace(",", "\t"))
    holds(section({"rna": tmp_path / "rna.txt"}, spatial=tmp_path / "xy.txt"), tissue, "rna")


@pytest.mark.parametrize(("name", "zipped"), [("rna.csv", True), ("rna.csv.gz", False), ("rna.tsv.gz", False)])
def test_gzip_is_told_by_its_bytes(tissue, tmp_path: Path, holds, spatial_csv: Path, name: str, zipped: bool) -> None:
    """Browsers unpack downloads and leave the name, and servers send files zipped under names without .gz."""

    def written(path: Path, content: str) -> Path:
        path.write_bytes(gzip.compress(content.encode()) if zipped else content.encode())
        return path

    rna = written(tmp_path / name, tissue.table("rna").to_csv(sep="\t" if "tsv" in name else ","))
    xy = written(tmp_path / name.replace("rna", "xy"), spatial_csv.read_text())
    holds(section({"rna": rna}, spatial=xy), tissue, "rna")


def test_repeated_feature_names_are_numbered(tissue, tmp_path: Path, spatial_csv: Path) -> None:
    frame = tissue.table("rna")
    frame.columns = ["A", "B", "A", "C", "A"]
    frame.to_csv(tmp_path / "rna.csv")
    with pytest.warns(InputWarning, match="2 repeated feature names"):
        result = section({"rna": tmp_path / "rna.csv"}, spatial=spatial_csv)
    assert result.mod["rna"].var_names.tolist() == ["A", "B", "A-1", "C", "A-2"]
    np.testing.assert_array_equal(result.mod["rna"].X.toarray(), tissue.rna)


@pytest.mark.parametrize("quote", ["", '"'])
def test_tables_of_r_have_no_name_for_their_first_column(
    tissue, tmp_path: Path, holds, spatial_csv: Path, quote: str
) -> None:
    """By write.table(sep = "\\t"), the header has one cell less than the rows."""

    def written(name: str, table: pd.DataFrame) -> Path:
        lines = ["\t".join(f"{quote}{column}{quote}" for column in table.columns)]
        lines += ["\t".join([f"{quote}{row[0]}{quote}", *map(str, row[1:])]) for row in table.itertuples()]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        return tmp_path / name

    rna = written("rna.tsv", tissue.table("rna"))
    xy = written("xy.tsv", pd.read_csv(spatial_csv, index_col="barcode"))
    holds(section({"rna": rna}, spatial=xy), tissue, "rna")
    labels = written("labels.tsv", pd.DataFrame({"label": ["L", "R"] * 10}, index=tissue.spots))
    result = section({"rna": rna}, spatial=xy, labels=str(labels))
    assert result.obs.loc[tissue.spots, "label"].tolist() == ["L", "R"] * 10


INTENSITIES = np.random.default_rng(4).gamma(2.0, 3.0, (20, 2)).round(4)


@pytest.mark.parametrize("order", ["x y CD3 CD8", "CD3 CD8 x y", "X Y 100.1 200.2", "CD3 CD8 X_centroid Y_centroid"])
def test_spots_without_a_column_of_names_are_numbered(tissue, tmp_path: Path, order: str) -> None:
    """No column of such a table is lost: the first one is a coordinate or a stain, and not the names of the spots."""
    names = order.split()
    features = [name for name in names if name[0] not in "xyXY"]
    axes = [name for name in names if name not in features]
    columns = dict(zip((*axes, *features), np.column_stack([tissue.coordinates, INTENSITIES]).T, strict=True))
    pd.DataFrame({name: columns[name] for name in names}).to_csv(tmp_path / "cells.csv", index=False)
    with pytest.warns(InputWarning, match=r"has no column of names \(its first column .* so its spots are numbered"):
        result = section({"adt": tmp_path / "cells.csv"}, platform="codex")
    assert result.obs_names.tolist() == [str(number) for number in range(20)]
    assert result.mod["adt"].var_names.tolist() == features
    np.testing.assert_array_equal(result.mod["adt"].X.toarray(), INTENSITIES.astype(np.float32))
    np.testing.assert_array_equal(result.obsm["spatial"], tissue.coordinates)


@pytest.mark.parametrize("order", ["CD3,CD8,CellID,x,y", "Image,Object ID,Class,CD3,x,y,CD8", "x,y,Object ID,CD8,CD3"])
def test_barcodes_that_are_not_in_the_first_column(tissue, tmp_path: Path, order: str) -> None:
    """QuPath writes the image first."""
    columns = {"x": tissue.coordinates[:, 0], "y": tissue.coordinates[:, 1], "CD3": INTENSITIES[:, 0]}
    columns |= {"CD8": INTENSITIES[:, 1], "CellID": tissue.spots, "Object ID": tissue.spots}
    columns |= {"Image": "slide.tif", "Class": "Tumor"}
    table = pd.DataFrame({name: columns[name] for name in order.split(",")})
    table.to_csv(tmp_path / "cells.csv", index=False)
    with pytest.warns(InputWarning, match="its spots are named by the column '(CellID|Object ID)'"):
        data = section({"adt": tmp_path / "cells.csv"}, platform="codex").mod["adt"]
    assert sorted(data.obs_names) == sorted(tissue.spots) and sorted(data.var_names) == ["CD3", "CD8"]
    found = data[tissue.spots, ["CD3", "CD8"]]
    np.testing.assert_array_equal(found.X.toarray(), INTENSITIES.astype(np.float32))
    np.testing.assert_array_equal(found.obsm["spatial"], tissue.coordinates)


@pytest.mark.parametrize("names", [[f"{100 + i}.5" for i in range(20)], [f"{i}.0" for i in range(20)][::-1]])
def test_numbers_may_be_names(tissue, tmp_path: Path, names: list[str]) -> None:
    """Rising fractions are the m/z of a matrix with spots in columns; whole numbers are those of cells."""
    pd.DataFrame({"number": names, "A": range(20)}).to_csv(tmp_path / "m.csv", index=False)
    (measurement,) = read(tmp_path / "m.csv")
    assert measurement.obs.index.tolist() == names


@pytest.mark.parametrize("name", ["m/z", "Cell Name", "spot id", "mass", "CellBarcode", "gene"])
def test_a_column_that_is_called_names_holds_names(tmp_path: Path, name: str) -> None:
    """Fields and cells as "1.10", of which some come after "1.9"."""
    names = [f"1.{i}" for i in range(1, 21)]
    pd.DataFrame({name: names, "A": range(20)}).to_csv(tmp_path / "m.csv", index=False)
    (measurement,) = read(tmp_path / "m.csv")
    assert measurement.obs.index.tolist() == names


@pytest.mark.parametrize("values", [("TRUE", "FALSE"), ("True", "False"), ("false", "true")])
def test_a_column_of_true_and_false_is_no_feature(tissue, tmp_path: Path, spatial_csv: Path, holds, values) -> None:
    table = tissue.table("rna").assign(is_doublet=[values[i % 2] for i in range(20)])
    table.to_csv(tmp_path / "rna.csv", index_label="barcode")
    with pytest.warns(InputWarning, match="the columns 'is_doublet' are coordinates or facts"):
        result = section({"rna": tmp_path / "rna.csv"}, spatial=spatial_csv)
    holds(result, tissue, "rna")
    assert result.mod["rna"].obs.loc[tissue.spots, "is_doublet"].tolist() == [values[i % 2] for i in range(20)]


def no_facts(features: list[str]) -> bool:
    """Whether none is what tables of cells call coordinates and facts about them, as random names can be, too."""
    return not facts_among(features)


names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=matrices, data=st.data())
def test_any_text_matrix_comes_back(tmp_path: Path, counts: np.ndarray, data: st.DataObject) -> None:
    spots = data.draw(st.lists(names, min_size=len(counts), max_size=len(counts), unique=True))
    features = data.draw(st.lists(names, min_size=3, max_size=3, unique=True).filter(no_facts))
    path = tmp_path / "m.csv"
    pd.DataFrame(counts, index=spots, columns=features).to_csv(path, encoding="utf-8", index_label="barcode")
    (measurement,) = read(path)
    matrix, table = measurement.slots["matrix"]()
    np.testing.assert_array_equal(matrix.toarray(), counts)
    assert measurement.obs.index.tolist() == spots
    assert table.index.tolist() == features


@pytest.mark.parametrize("extra", ["columns", "rows", "both", "blanks"])
def test_separators_of_emptied_columns_and_rows_are_nothing(tissue, tmp_path: Path, holds, extra: str) -> None:
    """Spreadsheets write them, in matrices and in tables of coordinates and labels."""
    tables_of_spots = {
        "rna": tissue.table("rna").rename_axis("barcode").reset_index(),
        "xy": pd.DataFrame({"barcode": tissue.spots, "x": tissue.coordinates[:, 0], "y": tissue.coordinates[:, 1]}),
        "labels": pd.DataFrame({"barcode": tissue.spots, "label": ["a", "b"] * 10}),
    }
    for name, table in tables_of_spots.items():
        rows = table.to_csv(index=False).splitlines()
        rows = [f"{row},," for row in rows] if extra in ("columns", "both") else rows
        empty = {"columns": [], "blanks": ["  "]}.get(extra, ["," * rows[0].count(",")])
        (tmp_path / f"{name}.csv").write_text("\n".join([*rows[:5], *empty, *rows[5:], *empty]) + "\n")
    result = section({"rna": tmp_path / "rna.csv"}, spatial=tmp_path / "xy.csv", labels=str(tmp_path / "labels.csv"))
    holds(result, tissue, "rna")
    assert result.obs["label"].to_dict() == dict(zip(tissue.spots, ["a", "b"] * 10, strict=True))


def test_a_column_without_a_name_that_is_not_empty_is_refused(tissue, tmp_path: Path, spatial_csv: Path) -> None:
    rows = tissue.table("rna").to_csv().splitlines()
    (tmp_path / "a.csv").write_text("\n".join(f"{row}," for row in rows[:-1]) + f"\n{rows[-1]},7\n")
    with pytest.raises(InputError, match=r"a.csv, line 1, column 7: has no name"):
        section({"rna": tmp_path / "a.csv"}, spatial=spatial_csv)
    (tmp_path / "b.csv").write_text("\n".join([rows[0], *(f"{row}," for row in rows[1:])]))
    with pytest.raises(InputError, match=r"line 2: has 7 cells; .*remove the separator at the end of each line"):
        section({"rna": tmp_path / "b.csv"}, spatial=spatial_csv)


def test_numbers_of_rows_beside_the_names_that_r_calls_x(tissue, tmp_path: Path, holds, spatial_csv: Path) -> None:
    """By write.csv(read.csv(file))."""
    table = tissue.table("rna").rename_axis("X").reset_index()
    table.set_axis(range(1, 21)).to_csv(tmp_path / "rna.csv")
    with pytest.warns(InputWarning, match="named by the column 'X', and not by the numbers of its rows"):
        holds(section({"rna": tmp_path / "rna.csv"}, spatial=spatial_csv), tissue, "rna")


@pytest.mark.parametrize(
    ("cell", "fix"),
    [
        ("1,374.5", r"remove the thousands separators \(1374.5\)$"),
        ("1,374", r"remove the thousands separators \(1374\), or write a point before decimals \(1.374\)"),
        ("374,5", "write a point before decimals"),
    ],
)
def test_the_way_out_of_numbers_with_commas(tissue, tmp_path: Path, cell: str, fix: str) -> None:
    tissue.table("rna").to_csv(tmp_path / "rna.csv")
    table = pd.DataFrame({"barcode": tissue.spots, "x": tissue.coordinates[:, 0].astype(str), "y": 1.0})
    table.loc[3, "x"] = cell
    table.to_csv(tmp_path / "xy.csv", index=False)
    with pytest.raises(InputError, match=f"line 5, column 'x'.*{fix}"):
        section({"rna": tmp_path / "rna.csv"}, spatial=tmp_path / "xy.csv")


def test_names_of_genes_that_a_spreadsheet_has_read_as_dates_are_said(
    tissue, tmp_path: Path, spatial_csv: Path
) -> None:
    names = ["9-Sep", "1-Mar", "2001-03-01 00:00:00", "OCT-4", "MARCH1"]
    tissue.table("rna").set_axis(names, axis=1).to_csv(tmp_path / "rna.csv")
    with pytest.warns(InputWarning, match=r"3 names of features are dates \(first: '9-Sep'\)"):
        result = section({"rna": tmp_path / "rna.csv"}, spatial=spatial_csv)
    assert result.mod["rna"].var_names.tolist() == names


def test_places_in_names_of_pixels_by_metaspace(tissue, tmp_path: Path) -> None:
    names = [f"x{x:.0f}_y{y:.0f}" for x, y in tissue.coordinates]
    table = tissue.table("rna").set_axis(names).T.rename_axis("mol_formula").reset_index()
    table.insert(1, "mz", [100.5, 200.5, 300.5, 400.5, 500.5])
    (tmp_path / "ions.csv").write_text("# Generated by METASPACE\n" + table.to_csv(index=False))
    data, understood = understand_section(SectionInput("d", "s", {"metabolite": tmp_path / "ions.csv"}))
    ions = data.in_memory().mod["metabolite"][names]
    np.testing.assert_array_equal(ions.X.toarray(), tissue.rna)
    np.testing.assert_array_equal(ions.obsm["spatial"], tissue.coordinates)
    assert "platform square (by the coordinates)" in understood.line()
