"""Coordinates from tables and from the files' own slots."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.spatial import cKDTree

from spatialweave.errors import InputError
from spatialweave.io.coordinates import in_obs, in_obsm, likely_axes, read_coordinates
from spatialweave.io.notices import InputWarning
from spatialweave.io.section import SectionInput, read_section

numbers = st.floats(-1e9, 1e9, allow_nan=False)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    points=st.lists(st.tuples(numbers, numbers), min_size=1, max_size=10),
    order=st.permutations(["barcode", "x", "y", "batch"]),
    case=st.sampled_from([str.lower, str.upper, str.title]),
    kind=st.sampled_from(["csv", "tsv", "csv.gz", "parquet"]),
    bom=st.booleans(),
)
def test_any_table_of_coordinates(tmp_path: Path, points, order, case, kind, bom) -> None:
    columns = {
        "barcode": [f"b{i}" for i in range(len(points))],
        "x": [p[0] for p in points],
        "y": [p[1] for p in points],
        "batch": ["some, text"] * len(points),
    }
    table = pd.DataFrame({case(name): columns[name] for name in order})
    path = tmp_path / f"xy.{kind}"
    if kind == "parquet":
        table.to_parquet(path)
    else:
        separator = "\t" if kind == "tsv" else ","
        text = table.to_csv(sep=separator, index=False).encode("utf-8-sig" if bom else "utf-8")
        path.write_bytes(gzip.compress(text) if kind.endswith("gz") else text)
    found = read_coordinates(path)
    assert found.names.tolist() == columns["barcode"]
    np.testing.assert_array_equal(found.values, np.array(points, dtype=np.float64))


def test_unnamed_first_column_is_the_barcode_and_z_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "xy.csv").write_text(",x,y,z\na,1,2,3\nb,4,5,6\n")
    with pytest.warns(InputWarning, match="z is left out"):
        found = read_coordinates(tmp_path / "xy.csv")
    assert found.names.tolist() == ["a", "b"]
    assert found.values.tolist() == [[1, 2], [4, 5]]


@pytest.mark.parametrize(
    ("content", "unit"),
    [
        # Single Cell Portal, with a row of types; R, which calls an unnamed column X; Slide-seq, without a header.
        ("NAME,X,Y\nTYPE,numeric,numeric\na,1,2\nb,4,5\n", "unknown"),
        ("X,imagerow,imagecol\na,2,1\nb,5,4\n", "pixel"),
        ("a,1,2\nb,4,5\n", "unknown"),
        ("barcode,row,col\na,2,1\nb,5,4\n", "unknown"),
        ("barcode,pixel_x,pixel_y\na,1,2\nb,4,5\n", "pixel"),
        ("barcode,Pixel X,Pixel Y\na,1,2\nb,4,5\n", "pixel"),
    ],
)
def test_other_layouts_of_coordinates(tmp_path: Path, content: str, unit: str) -> None:
    (tmp_path / "xy.csv").write_text(content)
    found = read_coordinates(tmp_path / "xy.csv")
    assert found.names.tolist() == ["a", "b"]
    assert found.values.tolist() == [[1, 2], [4, 5]]
    assert found.unit == unit


def test_a_spot_may_be_called_type(tmp_path: Path) -> None:
    (tmp_path / "xy.csv").write_text("NAME,x,y\nTYPE,1,2\nb,4,5\n")
    assert read_coordinates(tmp_path / "xy.csv").names.tolist() == ["TYPE", "b"]


def test_columns_without_names_are_no_first_spot(tmp_path: Path) -> None:
    (tmp_path / "xy.csv").write_text(",0,1\na,1,2\n")
    with pytest.raises(InputError, match="has no column 'x'"):
        read_coordinates(tmp_path / "xy.csv")


def test_a_column_spelled_as_it_is_looked_for_wins_over_other_cases(tmp_path: Path) -> None:
    (tmp_path / "xy.csv").write_text("BARCODE,Barcode,barcode,X,x,y\na,b,c,1,2,3\n")
    found = read_coordinates(tmp_path / "xy.csv")
    assert found.names.tolist() == ["c"]
    assert found.values.tolist() == [[2, 3]]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"x": [1, 2], "y": [3, 4]}, [[1, 3], [2, 4]]),
        ({"Y": [3, 4], "X": [1, 2]}, [[1, 3], [2, 4]]),
        ({"pxl_row_in_fullres": [3, 4], "pxl_col_in_fullres": [1, 2], "x": [9, 9], "y": [9, 9]}, [[1, 3], [2, 4]]),
        ({"x_centroid": [1.5, 2], "y_centroid": [3, 4]}, [[1.5, 3], [2, 4]]),
        ({"array_row": [3, 4], "array_col": [2, 2]}, [[2, 3], [2, 4]]),
    ],
)
def test_columns_of_obs(columns: dict[str, list[float]], expected: list[list[float]]) -> None:
    found = in_obs(pd.DataFrame(columns, index=["a", "b"]), "f")
    assert found is not None
    assert found.values.tolist() == expected


VISIUM = [(row, column) for row in range(12) for column in range(row % 2, 24, 2)]
"""Array rows and columns of a Visium slide: odd rows are shifted by half a spot, and columns count half spots."""


def visium_neighbours(row: int, column: int) -> set[tuple[int, int]]:
    """The spots that touch a Visium spot: two in its row, two in each of the rows beside it."""
    beside = {(row, column - 2), (row, column + 2)}
    return beside | {(row + step, column + half) for step in (-1, 1) for half in (-1, 1)}


def positions_from_obs(tmp_path: Path, obs: pd.DataFrame) -> np.ndarray:
    found = in_obs(obs, "f")
    assert found is not None and found.unit == "array"
    return found.values


def positions_from_a_table(tmp_path: Path, obs: pd.DataFrame) -> np.ndarray:
    obs.rename_axis("barcode").to_csv(tmp_path / "xy.csv")
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        found = read_coordinates(tmp_path / "xy.csv")
    assert found.names.tolist() == obs.index.tolist() and found.unit == "array"
    return found.values


@pytest.mark.parametrize("positions", [positions_from_obs, positions_from_a_table])
def test_visium_array_positions_become_the_lattice_of_the_slide(positions: Callable, tmp_path: Path) -> None:
    obs = pd.DataFrame(VISIUM, columns=["array_row", "array_col"], index=[f"b{i}" for i in range(len(VISIUM))])
    xy = positions(tmp_path, obs)
    for spot, (row, column) in enumerate(VISIUM):
        distances = np.linalg.norm(xy - xy[spot], axis=1)
        touching = {VISIUM[other] for other in np.flatnonzero(np.isclose(distances, 1.0))}
        assert touching == visium_neighbours(row, column) & set(VISIUM)
        assert np.sort(distances[distances > 1.1])[0] == pytest.approx(np.sqrt(3))


def test_visium_array_positions_have_the_neighbours_of_the_pixels(shared_data: Path) -> None:
    data = anndata.read_h5ad(shared_data / "dlpfc_visium" / "151507_rna.h5ad", backed="r")
    array = in_obs(data.obs[["array_row", "array_col"]], "f")
    assert array is not None
    pixels = np.asarray(data.obsm["spatial"], dtype=np.float64)
    pairs = [
        cKDTree(xy).query_pairs(1.3 * np.median(cKDTree(xy).query(xy, k=2)[0][:, 1])) for xy in (array.values, pixels)
    ]
    assert pairs[0] == pairs[1] and len(pairs[0]) > 10_000


def test_array_positions_that_are_no_hexagonal_lattice_stay() -> None:
    square = pd.DataFrame([(r, c) for r in range(4) for c in range(5)], columns=["array_row", "array_col"])
    # A checkerboard of even columns only: every sum of a row and a column is even, but no row is shifted.
    even = pd.DataFrame([(r, c) for r in (0, 2) for c in (0, 2, 4)], columns=["array_row", "array_col"])
    for obs in (square, even):
        found = in_obs(obs, "f")
        assert found is not None
        np.testing.assert_array_equal(found.values, obs[["array_col", "array_row"]])


def test_one_axis_alone_is_no_coordinates() -> None:
    obs = pd.DataFrame({"x": [1, 2], "array_row": [0, 1], "array_col": [2, 4]}, index=["a", "b"])
    assert in_obs(obs[["x"]], "f") is None
    found = in_obs(obs, "f")
    assert found is not None and found.values.tolist() == [[2, 0], [4, 1]]


@pytest.mark.parametrize(
    ("x", "y", "unit"),
    [
        ("x_coords", "y_coords", "unknown"),
        ("x_microns", "y_microns", "micrometre"),
        ("x_mm", "y_mm", "millimetre"),
        ("x_slide", "y_slide", "unknown"),
        ("global_x", "global_y", "micrometre"),
        ("cell_centroid_x", "cell_centroid_y", "unknown"),
        ("Location_X", "Location_Y", "unknown"),
        ("posX", "posY", "unknown"),
        ("SPATIAL_1", "SPATIAL_2", "unknown"),
    ],
)
def test_columns_of_obs_by_other_programs(x: str, y: str, unit: str) -> None:
    found = in_obs(pd.DataFrame({y: [3.0, 4], x: [1.0, 2]}, index=["a", "b"]), "f")
    assert found is not None and found.values.tolist() == [[1, 3], [2, 4]] and found.unit == unit


@pytest.mark.parametrize(
    ("columns", "likely"),
    [
        (("umap_x", "umap_y", "nx", "ny"), ("nx", "ny")),
        (("y_fullres", "x_fullres"), ("x_fullres", "y_fullres")),
        (("adj.x.final", "adj.y.final"), ("adj.x.final", "adj.y.final")),
        (("index", "indey_", "tsne_x", "tsne_y", "max"), None),
    ],
)
def test_columns_that_may_hold_coordinates_are_named(columns: tuple[str, ...], likely: tuple[str, str] | None) -> None:
    obs = pd.DataFrame({name: [1.5, 2.5] for name in columns}, index=["a", "b"])
    assert in_obs(obs, "f") is None
    assert likely_axes(obs) == likely


@pytest.mark.parametrize("shape", [(3, 2), (2, 4), (2, 1), (2,), (2, 2, 1)])
def test_coordinates_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"obsm\['spatial'\]: has the shape"):
        in_obsm({"spatial": np.zeros(shape)}, pd.Index(["a", "b"]), "f")


@pytest.mark.parametrize(
    "key", ["Spatial", "coords", "coordinates", "spatial_coordinates", "spatialCoords", "X_xy_loc"]
)
def test_other_names_of_obsm_are_searched_last(key: str) -> None:
    given = {key: np.array([[1.0, 2]]), "X_pca": np.zeros((1, 2))}
    found, usual = (in_obsm(obsm, pd.Index(["a"]), "f") for obsm in (given, given | {"spatial": np.array([[3.0, 4]])}))
    assert found is not None and usual is not None
    assert (found.values.tolist(), usual.values.tolist()) == ([[1, 2]], [[3, 4]])


def test_third_dimension_in_obsm_is_left_out_with_a_warning() -> None:
    with pytest.warns(InputWarning, match="three-dimensional"):
        found = in_obsm({"X_spatial": np.array([[1.0, 2, 3]])}, pd.Index(["a"]), "f")
    assert found is not None
    assert found.values.tolist() == [[1, 2]]
    assert in_obsm({"X_pca": np.zeros((1, 2))}, pd.Index(["a"]), "f") is None


def write(path: Path, spots: list[str], xy: np.ndarray | None, **obs: list[object]) -> Path:
    counts = np.full((len(spots), 2), 1 + ord(path.stem[0]), dtype=np.float32)
    data = anndata.AnnData(sparse.csr_matrix(counts), obs=pd.DataFrame(obs, index=spots))
    if xy is not None:
        data.obsm["spatial"] = xy
    data.write_h5ad(path)
    return path


def test_modalities_complete_each_others_coordinates_and_must_agree(tmp_path: Path) -> None:
    spots = [f"b{i}" for i in range(6)]
    xy = np.arange(12.0).reshape(6, 2)
    a = write(tmp_path / "a.h5ad", spots[:4], xy[:4])
    b = write(tmp_path / "b.h5ad", spots[2:], xy[2:])
    result = read_section(SectionInput("d", "s", {"rna": a, "adt": b}))
    assert result.obs_names.tolist() == spots
    np.testing.assert_array_equal(result.obsm["spatial"], xy)
    moved = write(tmp_path / "c.h5ad", spots[2:], xy[2:] + 1)
    with pytest.raises(InputError, match=r"spot 'b2' is at \[5.0, 6.0\], in another modality at \[4.0, 5.0\]"):
        read_section(SectionInput("d", "s", {"rna": a, "adt": moved}))


def test_a_given_table_wins_with_a_warning(tmp_path: Path) -> None:
    a = write(tmp_path / "a.h5ad", ["p", "q"], np.zeros((2, 2)))
    (tmp_path / "xy.csv").write_text("barcode,x,y\nq,3,4\np,1,2\nelsewhere,9,9\n")
    with pytest.warns(InputWarning, match="its coordinates are used"):
        result = read_section(SectionInput("d", "s", {"rna": a}, spatial=tmp_path / "xy.csv"))
    assert result.obsm["spatial"].tolist() == [[1, 2], [3, 4]]


def slide(n_rows: int, n_columns: int, first_row: int = 0, first_column: int = 0) -> np.ndarray:
    """Array row and column of the spots in a part of a hexagonal slide, whose corner is on it."""
    row, column = np.divmod(np.arange(n_rows * n_columns), n_columns)
    row, column = first_row + row, first_column + 2 * column
    return np.column_stack([row, column + (row + column) % 2])


def placed(path: Path, values: np.ndarray, platform: str | None) -> np.ndarray:
    """Coordinates of a section whose file has these in obsm."""
    file = write(path, [f"b{i}" for i in range(len(values))], values.astype(float))
    return np.asarray(read_section(SectionInput("d", "s", {"rna": file}, platform=platform)).obsm["spatial"])


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("n_rows", "n_columns", "corner"), [(20, 50, (10, 2)), (10, 8, (3, 101)), (110, 70, (7, 1))])
def test_array_rows_and_columns_of_a_slide_become_places(
    tmp_path: Path, turned: bool, n_rows: int, n_columns: int, corner: tuple[int, int]
) -> None:
    array = slide(n_rows, n_columns, *corner)
    with pytest.warns(InputWarning, match="holds array rows and columns"):
        found = placed(tmp_path / "a.h5ad", array[:, ::-1] if turned else array, "spots")
    # Six neighbours at one spacing, from the geometry of the slide.
    np.testing.assert_allclose(found, np.column_stack([array[:, 1] / 2, array[:, 0] * np.sqrt(0.75)]))
    farthest = cKDTree(found).query(found, k=7)[0].max(axis=1)
    assert (farthest < 1.1).sum() >= (n_rows - 2) * (n_columns - 2)


@pytest.mark.parametrize(
    ("values", "platform"),
    [
        # Rows and columns cannot be told apart.
        (slide(20, 20), "visium"),
        # No slide is named.
        (slide(20, 50), None),
        # Another lattice that is no slide's; pixels.
        (2 * slide(20, 50), "visium"),
        (slide(20, 50) + 0.5, "visium"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*looks? like")
def test_other_coordinates_stay(tmp_path: Path, values: np.ndarray, platform: str | None) -> None:
    np.testing.assert_array_equal(placed(tmp_path / "a.h5ad", values, platform), values)
