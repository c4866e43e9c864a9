"""Fields of view, libraries and sections of one file are never laid over each other."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.fields import overlap
from spatialweave.io.notices import InputWarning

from .inputs import grid, h5ad, read

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

LOCAL = np.tile(grid(4, 5), (2, 1))
"""Positions inside each of two fields of view."""

ON_SLIDE = LOCAL + np.repeat([[0.0, 0.0], [60.0, 0.0]], 20, axis=0)

SPOTS = [f"{i % 20}_{1 + i // 20}" for i in range(40)]
FOV = np.repeat([1, 2], 20)


def test_positions_on_the_slide_are_taken_from_obsm(tmp_path: Path) -> None:
    path = h5ad(tmp_path / "c.h5ad", SPOTS, {"fov": FOV}, {"spatial": LOCAL, "spatial_fov": ON_SLIDE})
    with pytest.warns(InputWarning, match=r"lie over each other.*used, from .*obsm\['spatial_fov'\]"):
        result = read({"rna": path})
    np.testing.assert_array_equal(result.obsm["spatial"], ON_SLIDE)


def test_positions_on_the_slide_are_taken_from_obs(tmp_path: Path) -> None:
    obs = {"fov": FOV, "CenterX_global_px": ON_SLIDE[:, 0], "CenterY_global_px": ON_SLIDE[:, 1]}
    with pytest.warns(InputWarning, match="CenterX_global_px"):
        result = read({"rna": h5ad(tmp_path / "c.h5ad", SPOTS, obs, {"spatial": LOCAL})})
    np.testing.assert_array_equal(result.obsm["spatial"], ON_SLIDE)


def test_positions_that_are_on_the_slide_already_stay(tmp_path: Path) -> None:
    shifted = ON_SLIDE + 1000
    path = h5ad(tmp_path / "c.h5ad", SPOTS, {"fov": FOV}, {"spatial": ON_SLIDE, "spatial_fov": shifted})
    np.testing.assert_array_equal(read({"rna": path}).obsm["spatial"], ON_SLIDE)


def test_unreadable_positions_on_the_slide_do_not_refuse_the_file(tmp_path: Path) -> None:
    obsm = {"spatial": ON_SLIDE, "spatial_fov": ON_SLIDE[:, :1]}
    path = h5ad(tmp_path / "c.h5ad", SPOTS, {"fov": FOV}, obsm)
    with pytest.warns(InputWarning, match=r"obsm\['spatial_fov'\].*these positions are left out"):
        np.testing.assert_array_equal(read({"rna": path}).obsm["spatial"], ON_SLIDE)


@pytest.mark.parametrize("given", ["file", "table"])
def test_fields_without_positions_on_the_slide_are_refused(tmp_path: Path, given: str) -> None:
    obs, obsm, more = {"fov": FOV}, {"spatial": LOCAL}, {}
    if given == "table":
        table = pd.DataFrame({"cell_id": SPOTS, "x": LOCAL[:, 0], "y": LOCAL[:, 1], "fov": FOV})
        table.to_csv(tmp_path / "cells.csv", index=False)
        obs, obsm, more = {}, {}, {"spatial": tmp_path / "cells.csv"}
    with pytest.raises(InputError, match=r"column 'fov': holds 2 fields of view \(1, 2\).*CenterX_global_px"):
        read({"rna": h5ad(tmp_path / "c.h5ad", SPOTS, obs, obsm)}, **more)


def test_centres_of_cells_in_micrometres_are_on_the_slide_whatever_the_fields(tmp_path: Path) -> None:
    """MERSCOPE's columns center_x and center_y."""
    obs = {"fov": np.arange(40) % 3, "center_x": ON_SLIDE[:, 0], "center_y": ON_SLIDE[:, 1]}
    np.testing.assert_array_equal(read({"rna": h5ad(tmp_path / "c.h5ad", SPOTS, obs)}).obsm["spatial"], ON_SLIDE)


LIBRARY = np.repeat(["A 1", "B1"], 20)


def test_two_libraries_are_refused_and_read_one_by_one(tmp_path: Path) -> None:
    rna = h5ad(tmp_path / "rna.h5ad", SPOTS, {"library_id": LIBRARY}, {"spatial": LOCAL})
    adt = h5ad(tmp_path / "adt.h5ad", SPOTS[::-1], seed=1)
    with pytest.raises(InputError, match=r"holds 2 sections \(A 1, B1\).*section_column library_id"):
        read({"rna": rna, "adt": adt})
    for section, rows in (("A_1", slice(0, 20)), ("B1", slice(20, 40))):
        result = read({"rna": rna, "adt": adt}, section, section_column="library_id")
        assert result.obs_names.tolist() == SPOTS[rows]
        np.testing.assert_array_equal(result.obsm["spatial"], LOCAL[rows])
        np.testing.assert_array_equal(result.mod["rna"].X.toarray()[:, 0], 1 + np.arange(40)[rows])
        # Spots of a file without the column are known by their names; here it lists them backwards.
        adt_counts = result.mod["adt"][SPOTS[rows]].X.toarray()[:, 0]
        np.testing.assert_array_equal(adt_counts, 40 - np.arange(40)[rows])


def test_libraries_side_by_side_are_said(tmp_path: Path) -> None:
    path = h5ad(tmp_path / "rna.h5ad", SPOTS, {"library_id": LIBRARY}, {"spatial": ON_SLIDE})
    with pytest.warns(InputWarning, match=r"holds 2 sections side by side \(A 1, B1\), taken for one; section_column"):
        assert read({"rna": path}).n_obs == 40


def test_barcodes_that_two_sections_share_are_no_obstacle_to_one_of_them(tmp_path: Path) -> None:
    spots = [name.split("_")[0] for name in SPOTS]
    path = h5ad(tmp_path / "rna.h5ad", spots, {"sample": LIBRARY}, {"spatial": LOCAL})
    assert read({"rna": path}, "B1", section_column="sample").mod["rna"].X.toarray()[0, 0] == 21


def test_sections_and_columns_that_are_not_there(tmp_path: Path) -> None:
    path = h5ad(tmp_path / "rna.h5ad", SPOTS, {"library_id": LIBRARY}, {"spatial": LOCAL})
    with pytest.raises(InputError, match="no spot is of section 'C'; expected one of A_1, B1 as the section"):
        read({"rna": path}, "C", section_column="library_id")
    with pytest.raises(InputError, match=r"no column 'libraryid'.*one of its columns \('library_id'"):
        read({"rna": path}, "B1", section_column="libraryid")


def test_libraries_known_by_their_images_only(tmp_path: Path) -> None:
    """scanpy and squidpy keep one entry of uns['spatial'] per library, whatever the column is called."""
    uns = {"spatial": {"A 1": {"images": {}}, "B1": {"images": {}}}}
    with pytest.raises(InputError, match="column 'slot': holds 2 sections"):
        read({"rna": h5ad(tmp_path / "a.h5ad", SPOTS, {"slot": LIBRARY}, {"spatial": LOCAL}, uns=uns)})
    with pytest.raises(InputError, match=r"2 libraries \(A 1, B1\), and no column says which spot is of which"):
        read({"rna": h5ad(tmp_path / "b.h5ad", SPOTS, {}, {"spatial": LOCAL}, uns=uns)})


def test_a_section_that_a_column_selects_is_one_whatever_libraries_the_file_has(tmp_path: Path) -> None:
    uns = {"spatial": {"A 1": {"images": {}}, "B1": {"images": {}}}}
    for column, values in (("slot", LIBRARY), ("treated", np.repeat(["no", "yes"], 20))):
        path = h5ad(tmp_path / f"{column}.h5ad", SPOTS, {column: values}, {"spatial": LOCAL}, uns=uns)
        with warnings.catch_warnings():
            warnings.simplefilter("error", InputWarning)
            assert read({"rna": path}, str(values[-1]), section_column=column).n_obs == 20


@pytest.mark.parametrize("angle", [0.0, 0.3, 0.785])
def test_neighbouring_fields_of_a_rotated_slide_do_not_lie_over_each_other(angle: float) -> None:
    """Cells in 6 x 6 fields whose margins overlap by a twentieth, one field with three cells in a corner."""
    rng = np.random.default_rng(0)
    corners = np.repeat(grid(6, 6, 100.0), 50, axis=0)
    points = corners + rng.uniform(-2.5, 102.5, corners.shape)
    fields = np.repeat(np.arange(36).astype(str), 50)
    points, fields = np.vstack([points, rng.uniform(0, 3, (3, 2))]), np.append(fields, ["36"] * 3)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert overlap(points @ turn, fields) is None
    local = points - np.vstack([corners, np.zeros((3, 2))])
    assert overlap(local @ turn, fields) is not None
