"""Columns are taken for what they are: coordinates by their names, facts about spots as no features."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.measurement import plain_frame
from spatialweave.io.notices import InputWarning
from spatialweave.io.section import SectionInput, understand_section

from .inputs import grid, h5ad, read

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

SPOTS = [f"b{i}" for i in range(20)]
XY = grid(4, 5) + np.array([100.0, 7.0])


@pytest.mark.parametrize("columns", ["y x", "x y", "imagerow imagecol", "row col", "0 1"])
def test_a_frame_of_coordinates_is_read_by_its_names(tmp_path: Path, columns: str) -> None:
    values = XY if columns in ("x y", "0 1") else XY[:, ::-1]
    frame = pd.DataFrame(values, index=SPOTS, columns=columns.split())
    result = read({"rna": h5ad(tmp_path / "a.h5ad", SPOTS, {}, {"spatial": frame})})
    np.testing.assert_array_equal(result.obsm["spatial"], XY)


def test_names_of_axes_that_say_nothing_are_said(tmp_path: Path) -> None:
    frame = pd.DataFrame(XY, index=SPOTS, columns=["down", "across"])
    with pytest.warns(InputWarning, match="its columns down, across are taken for x and y in this order"):
        read({"rna": h5ad(tmp_path / "a.h5ad", SPOTS, {}, {"spatial": frame})})


def msi() -> pd.DataFrame:
    """Peaks beside coordinates and well-known facts, as exports of imaging mass spectrometry and of cells have them."""
    table = pd.DataFrame({"x": XY[:, 0], "y": XY[:, 1], "z": 0, "Area": 3.5, "fov": "F 1"}, index=SPOTS)
    table.index.name = "Spot index"
    table["301.6431"], table["309.9166"] = np.arange(20) + 0.5, 2.25
    return table


@pytest.mark.parametrize("given", ["beside", "alone"])
def test_coordinates_and_facts_are_no_features_of_a_table(tmp_path: Path, given: str) -> None:
    msi().to_csv(tmp_path / "msi.csv")
    more = {"spatial": tmp_path / "msi.csv"} if given == "beside" else {}
    with pytest.warns(InputWarning, match="the columns 'x', 'y', 'z', 'Area', 'fov' are coordinates or facts"):
        result = read({"metabolite": tmp_path / "msi.csv"}, **more)
    assert result.mod["metabolite"].var_names.tolist() == ["301.6431", "309.9166"]
    np.testing.assert_array_equal(result.mod["metabolite"].X.toarray()[:, 0], np.arange(20) + 0.5)
    np.testing.assert_array_equal(result.obsm["spatial"], XY)


def test_clusters_in_a_table_are_labels_and_no_feature(tmp_path: Path) -> None:
    table = msi().assign(cluster=[1, 2] * 10)
    table.to_csv(tmp_path / "msi.csv")
    result = read({"metabolite": tmp_path / "msi.csv"}, labels="cluster")
    assert result.mod["metabolite"].var_names.tolist() == ["301.6431", "309.9166"]
    assert result.obs["label"].tolist() == ["1", "2"] * 10


def test_coordinates_are_no_features_of_a_matrix_made_from_such_a_table(tmp_path: Path) -> None:
    names = ["A", "x", "CD4", "y", "cell_area"]
    path = h5ad(tmp_path / "a.h5ad", SPOTS, {}, {"spatial": XY}, features=names)
    with pytest.warns(InputWarning, match="'x', 'y', 'cell_area' are coordinates or facts"):
        assert read({"rna": path}).mod["rna"].var_names.tolist() == ["A", "CD4"]


EXPORTS = {
    "QuPath": ["Image ID", "Centroid X µm", "Centroid Y µm", "Cell: Area µm^2", "Nucleus: Circularity"],
    "scikit-image": ["label", "centroid-0", "centroid-1", "area", "equivalent_diameter"],
    "CellProfiler": ["ImageNumber", "ObjectNumber", "Location_Center_X", "Location_Center_Y", "AreaShape_Zernike_0_0"],
    "HALO": ["XMin", "XMax", "YMin", "YMax"],
    "MCMICRO": ["X_centroid", "Y_centroid", "column_centroid", "row_centroid", "MajorAxisLength", "Extent"],
    "Akoya": ["region", "tile_num", "x_tile", "y_tile", "size"],
    "inForm": ["Cell X Position", "Cell Y Position"],
    "Seurat": ["nCount_Protein", "nFeature_Protein", "seurat_clusters", "orig.ident"],
    "pandas, saved twice": ["Unnamed: 0"],
    "CITE-seq-Count": ["unmapped"],
    "rows and columns": ["row", "col"],
}


@pytest.mark.parametrize("facts", EXPORTS.values(), ids=EXPORTS.keys())
def test_what_programs_write_beside_stains_is_no_stain(tmp_path: Path, facts: list[str]) -> None:
    pd.DataFrame({"CellID": SPOTS, "x": XY[:, 0], "y": XY[:, 1]}).to_csv(tmp_path / "xy.csv", index=False)
    values = np.arange(20) + 1.5
    table = pd.DataFrame({"CellID": SPOTS, **dict.fromkeys(facts, values), "CD3": values, "CD8": values})
    table.to_csv(tmp_path / "stains.csv", index=False)
    with pytest.warns(InputWarning, match="are coordinates or facts"):
        result = read({"adt": tmp_path / "stains.csv"}, spatial=tmp_path / "xy.csv", platform="codex")
    assert result.mod["adt"].var_names.tolist() == ["CD3", "CD8"]


TABLES_OF_CELLS = {
    "QuPath, micrometres": ("Object ID", {"Centroid X µm": 0, "Centroid Y µm": 1}, "micrometre"),
    "QuPath, pixels": ("Object ID", {"Centroid X px": 0, "Centroid Y px": 1}, "pixel"),
    "inForm": ("Cell ID", {"Cell X Position": 0, "Cell Y Position": 1}, "unknown"),
    "CellProfiler": ("cell_id", {"Location_Center_X": 0, "Location_Center_Y": 1}, "pixel"),
    "scikit-image": ("CellID", {"centroid-0": 1, "centroid-1": 0}, "pixel"),
    "MATLAB": ("CellID", {"Centroid_1": 0, "Centroid_2": 1}, "pixel"),
    "scikit-image, volumes": ("CellID", {"centroid-0": 2, "centroid-1": 1, "centroid-2": 0}, "pixel"),
}
"""Column of names, the columns of coordinates with the axis (x, y, z) that each holds, and the unit."""


WHOLE_TABLES = {
    "QuPath": (
        {"Image": "a.tif", "Object ID": SPOTS, "Object type": "Cell", "Parent": "Root"},
        "Centroid X µm",
        "Centroid Y µm",
    ),
    "CellProfiler": ({"ImageNumber": 1, "ObjectNumber": range(1, 21)}, "Location_Center_X", "Location_Center_Y"),
    "inForm": (
        {"Path": "C:/x", "Tissue Category": "tumour", "Cell ID": SPOTS, "Phenotype": "T"},
        "Cell X Position",
        "Cell Y Position",
    ),
    "HALO": ({"Image Location": "a.svs", "Analysis Region": "layer 1", "Object Id": range(20)}, "x", "y"),
    "R": ({"X": range(1, 21), "cell_id": SPOTS}, "x_um", "y_um"),
}
"""Columns before the coordinates as programs write them, and those of the coordinates."""


@pytest.mark.parametrize("given", ["beside", "alone"])
@pytest.mark.parametrize("program", WHOLE_TABLES)
def test_cells_are_named_by_the_column_of_names_wherever_it_is(tmp_path: Path, program: str, given: str) -> None:
    facts, x, y = WHOLE_TABLES[program]
    values = np.arange(20) + 1.5
    table = pd.DataFrame({**facts, x: XY[:, 0], y: XY[:, 1], "CD3": values})
    table.to_csv(tmp_path / "cells.csv", index=False)
    more = {"spatial": tmp_path / "cells.csv"} if given == "beside" else {}
    result = read({"adt": tmp_path / "cells.csv"}, platform="codex", **more)
    assert result.mod["adt"].var_names.tolist() == ["CD3"]
    np.testing.assert_array_equal(result.mod["adt"].X.toarray()[:, 0], values)
    np.testing.assert_array_equal(result.obsm["spatial"], XY)


def test_the_numbers_of_rows_beside_a_gene_called_y_are_no_coordinates(tmp_path: Path) -> None:
    """R reads the column without a name that it has written as X; y (yellow) is a gene of the fly."""
    pd.DataFrame({"barcode": range(1, 21), "x": XY[:, 0], "y": XY[:, 1]}).to_csv(tmp_path / "xy.csv", index=False)
    pd.DataFrame({"X": range(1, 21), "y": np.arange(20), "w": 3}).to_csv(tmp_path / "genes.csv", index=False)
    result = read({"rna": tmp_path / "genes.csv"}, spatial=tmp_path / "xy.csv")
    assert result.mod["rna"].var_names.tolist() == ["y", "w"]


@pytest.mark.parametrize("given", ["beside", "alone"])
@pytest.mark.parametrize("program", TABLES_OF_CELLS)
def test_coordinates_are_read_from_the_tables_of_programs_that_segment_cells(
    tmp_path: Path, program: str, given: str
) -> None:
    name, axes, unit = TABLES_OF_CELLS[program]
    places = np.column_stack([XY + 0.25, np.full(20, 3.0)])
    columns = {column: places[:, axis] for column, axis in axes.items()}
    pd.DataFrame({name: SPOTS, **columns, "CD3": np.arange(20) + 1.5}).to_csv(tmp_path / "cells.csv", index=False)
    more = {"spatial": tmp_path / "cells.csv"} if given == "beside" else {}
    result = read({"adt": tmp_path / "cells.csv"}, platform="codex", **more)
    np.testing.assert_array_equal(result.obsm["spatial"], places[:, :2])
    assert result.mod["adt"].var_names.tolist() == ["CD3"]
    assert result.uns["spatialweave"]["coordinate_unit"] == unit


@pytest.mark.parametrize("given", ["beside", "alone"])
def test_a_cell_of_halo_is_at_the_centre_of_its_box(tmp_path: Path, given: str) -> None:
    width = np.arange(20) % 3
    box = {"XMin": XY[:, 0] - width, "XMax": XY[:, 0] + width, "YMin": XY[:, 1] - 2, "YMax": XY[:, 1] + 2}
    pd.DataFrame({"Object Id": SPOTS, **box, "CD3": width + 1.5}).to_csv(tmp_path / "cells.csv", index=False)
    more = {"spatial": tmp_path / "cells.csv"} if given == "beside" else {}
    result = read({"adt": tmp_path / "cells.csv"}, platform="codex", **more)
    np.testing.assert_array_equal(result.obsm["spatial"], XY)
    assert result.mod["adt"].var_names.tolist() == ["CD3"]


def test_genes_of_one_letter_stay(tmp_path: Path) -> None:
    """Of the fly: yellow (y), zeste (z) and white (w), and relative of woc (row); MAXX is no "max_x"."""
    genes = ["y", "z", "w", "row", "MAXX", "POSTN", "CENPX", "AREG"]
    path = h5ad(tmp_path / "a.h5ad", SPOTS, {}, {"spatial": XY}, features=genes)
    assert read({"rna": path}).mod["rna"].var_names.tolist() == genes


def test_a_table_with_semicolons_comments_and_spots_in_columns(tmp_path: Path) -> None:
    """The layout of SCiLS Lab's export of intensities."""
    table = msi()[["301.6431", "309.9166"]].T
    table.insert(0, "Interval Width (+/- Da)", 0.01)
    lines = "# Exported with SCiLS Lab; version 11\n# Normalization: none\n" + table.to_csv(sep=";", index_label="m/z")
    (tmp_path / "scils.csv").write_text(lines)
    pd.DataFrame(XY, index=SPOTS, columns=["x", "y"]).to_csv(tmp_path / "xy.csv", index_label="Spot index")
    with pytest.warns(InputWarning, match="its rows are read as features"):
        result = read({"metabolite": tmp_path / "scils.csv"}, spatial=tmp_path / "xy.csv")
    assert result.obs_names.tolist() == SPOTS
    assert result.mod["metabolite"].var_names.tolist() == ["301.6431", "309.9166"]
    np.testing.assert_array_equal(result.mod["metabolite"].X.toarray()[:, 0], np.arange(20) + 0.5)


def test_a_bad_cell_below_comments_is_named_by_its_line(tmp_path: Path) -> None:
    (tmp_path / "m.tsv").write_text("# a\n#b\n\nid\tA\tB\nb0\t1\t2\nb1\t1\tmany\n")
    with pytest.raises(InputError, match=r"line 6, column 'B': 'many' is not a number"):
        read({"rna": tmp_path / "m.tsv"})


def hexagonal() -> pd.DataFrame:
    """Positions of a Visium slide, in pixels."""
    cells = [(row, column) for row in range(12) for column in range(row % 2, 24, 2)]
    table = pd.DataFrame(cells, columns=["array_row", "array_col"])
    table["y"], table["x"] = table["array_row"] * 86.6 + 50, table["array_col"] * 50 + 50
    return table


def square() -> pd.DataFrame:
    """Positions of bins, in pixels."""
    table = pd.DataFrame(grid(12, 12, 1.0), columns=["array_col", "array_row"]).astype(int)
    table["y"], table["x"] = table["array_row"] * 27.4, table["array_col"] * 27.4
    return table


@pytest.mark.parametrize(
    ("positions", "spot", "platform", "layout", "notices"),
    [
        (hexagonal, "AAAC{:05d}-1", "visium", "hexagonal", 0),
        (square, "AAAC{:05d}-1", "square", "square", 1),
        (square, "s_008um_00000_{:05d}-1", "visium_hd", "square", 0),
    ],
)
def test_a_platform_that_nobody_named_follows_the_coordinates(
    tmp_path: Path, write_tenx_h5: Callable, positions: Callable, spot: str, platform: str, layout: str, notices: int
) -> None:
    table = positions()
    spots = [spot.format(i) for i in range(len(table))]
    genes, counts = [("A", "Gene Expression")], np.ones((len(spots), 1))
    write_tenx_h5(tmp_path / "filtered_feature_bc_matrix.h5", spots, genes, counts)
    (tmp_path / "spatial").mkdir()
    rows = zip(spots, *(table[name] for name in ("array_row", "array_col", "y", "x")), strict=True)
    lines = [f"{spot},1,{r},{c},{y:.2f},{x:.2f}\n" for spot, r, c, y, x in rows]
    (tmp_path / "spatial" / "tissue_positions_list.csv").write_text("".join(lines))
    result, understood = understand_section(SectionInput("d", "s", {"rna": tmp_path}))
    data = result.in_memory()
    facts = data.uns["spatialweave"]
    assert (facts["platform"], facts["layout"]) == (platform, layout)
    found = [value for _modality, item, value, _source in understood.rows if item == "notice"]
    assert len(found) == notices and all(f"'{layout}' is used" in notice for notice in found)


def test_a_gene_and_a_protein_of_one_name_keep_it(tmp_path: Path, tissue, write_tenx_h5: Callable) -> None:
    features = [("CD8A", "Gene Expression"), ("CD4", "Gene Expression"), ("CD8A", "Antibody Capture")]
    path = write_tenx_h5(tmp_path / "m.h5", tissue.spots, features, np.hstack([tissue.rna[:, :2], tissue.adt[:, :1]]))
    frame = pd.DataFrame({"barcode": tissue.spots, "x": tissue.coordinates[:, 0], "y": tissue.coordinates[:, 1]})
    frame.to_csv(tmp_path / "xy.csv", index=False)
    result, understood = understand_section(SectionInput("d", "s", multi=path, spatial=tmp_path / "xy.csv"))
    data = result.in_memory()
    assert data.mod["rna"].var_names.tolist() == ["CD8A", "CD4"]
    assert data.mod["adt"].var_names.tolist() == ["CD8A"]
    np.testing.assert_array_equal(data.mod["adt"].X.toarray(), tissue.adt[:, :1])
    assert understood.line().endswith("notices: none")


def test_columns_that_no_file_can_hold_are_left_out() -> None:
    frame = pd.DataFrame([[1, 2, 3, 4]], index=["a"], columns=["", ".", "_index", "volume"])
    assert list(plain_frame(frame, frame.index).columns) == ["volume"]
