"""Fields of view, libraries and sections of one file are never laid over each other."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.groups import Groups
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
    with pytest.warns(InputWarning, match=r"holds 2 sections side by side \(A 1, B1\), used as one section; to split"):
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
    with pytest.raises(InputError, match=r"2 libraries \(A 1, B1\), and no column gives the library of a spot"):
        read({"rna": h5ad(tmp_path / "b.h5ad", SPOTS, {}, {"spatial": LOCAL}, uns=uns)})


def test_a_section_that_a_column_selects_is_one_whatever_libraries_the_file_has(tmp_path: Path) -> None:
    uns = {"spatial": {"A 1": {"images": {}}, "B1": {"images": {}}}}
    for column, values in (("slot", LIBRARY), ("treated", np.repeat(["no", "yes"], 20))):
        path = h5ad(tmp_path / f"{column}.h5ad", SPOTS, {column: values}, {"spatial": LOCAL}, uns=uns)
        with warnings.catch_warnings():
            warnings.simplefilter("error", InputWarning)
            assert read({"rna": path}, str(values[-1]), section_column=column).n_obs == 20


def sequences(number: int, seed: int = 0) -> list[str]:
    """Barcodes of 16 bases."""
    return ["".join(row) for row in np.random.default_rng(seed).choice(list("ACGT"), (number, 16))]


BARCODES = sequences(100)
TWICE = [f"{name}-{well}" for well in (1, 2) for name in BARCODES]
HALVES = np.repeat(["A", "B"], 100)
SQUARE = grid(10, 10, 100.0)
OVER = np.vstack([SQUARE, SQUARE + 30.0])
APART = np.vstack([SQUARE, SQUARE + np.array([2000.0, 0.0])])
KIND = np.arange(200) % 3
"""Of cells, all over the tissue."""


def silently(files: dict[str, Path], **more: Any) -> int:
    """The number of spots of a section that is read without a word."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        return int(read(files, **more).n_obs)


@pytest.mark.parametrize(
    "column",
    ["orig.ident", "brain_section_label", "Bregma", "puck", "sampleID", "Sample.ID", "capture_area", "donor", "image"],
)
def test_columns_named_like_sections_tell_them_apart_whatever_the_barcodes(tmp_path: Path, column: str) -> None:
    values = np.repeat([-1.5, 2.0], 100) if column == "Bregma" else HALVES
    one, other = ("-1.5", "2") if column == "Bregma" else "AB"
    spots = sequences(200)
    path = h5ad(tmp_path / "over.h5ad", spots, {column: values}, {"spatial": OVER})
    said = rf"column '{column}': holds 2 sections \({one}, {other}\).*section_column {column}, and {one}, {other} in"
    with pytest.raises(InputError, match=said):
        read({"rna": path})
    assert read({"rna": path}, other, section_column=column).obs_names.tolist() == spots[100:]


def test_barcodes_of_two_wells_are_two_sections(tmp_path: Path) -> None:
    path = h5ad(tmp_path / "over.h5ad", TWICE, {}, {"spatial": OVER})
    with pytest.raises(
        InputError, match=r"names of the spots: holds 2 groups \(...-1, ...-2\).*have 100 barcodes in common.*add a col"
    ):
        read({"rna": path})
    with pytest.warns(InputWarning, match="they are used as one section, as section_column none says"):
        assert read({"rna": path}, section_column="none").n_obs == 200
    assert silently({"rna": h5ad(tmp_path / "apart.h5ad", TWICE, {}, {"spatial": APART})}) == 200


def test_bins_of_two_slides_are_two_sections(tmp_path: Path) -> None:
    bins = [f"{slide}_s_008um_{i // 10:05d}_{i % 10:05d}-1" for slide in ("young", "old") for i in range(100)]
    with pytest.raises(InputError, match=r"names of the spots: holds 2 groups \(old_...-1, young_...-1\)"):
        read({"rna": h5ad(tmp_path / "over.h5ad", bins, {}, {"spatial": OVER})})


@pytest.mark.parametrize("names", ["spots", "column"])
def test_a_column_by_which_barcodes_are_repeated_is_that_of_sections(tmp_path: Path, names: str) -> None:
    """Of the columns, kinds of cells and rows have the same barcodes in several groups, too, but not as sections do."""
    obs = {"kind": KIND.astype(str), "row": np.arange(200) // 10, "treated": np.repeat(["no", "yes"], 100)}
    spots = TWICE
    if names == "column":
        spots, obs["barcode"] = [str(i) for i in range(200)], [name[:16] for name in TWICE]
    path = h5ad(tmp_path / "over.h5ad", spots, obs, {"spatial": OVER})
    with pytest.raises(InputError, match=r"column 'treated': holds 2 groups \(no, yes\).*have 100 barcodes in common"):
        read({"rna": path})
    assert read({"rna": path}, "yes", section_column="treated").obs_names.tolist() == spots[100:]


def test_points_that_groups_have_in_common_tell_sections_apart(tmp_path: Path) -> None:
    spots, points = [f"cell{i}" for i in range(200)], np.vstack([SQUARE, SQUARE])
    path = h5ad(tmp_path / "over.h5ad", spots, {"kind": KIND, "time": HALVES}, {"spatial": points})
    with pytest.raises(InputError, match=r"column 'time': holds 2 groups \(A, B\).*have 100 points in common"):
        read({"rna": path})
    # Cells that were put at the points of spots.
    kinds = np.random.default_rng(0).integers(0, 3, 200)
    path = h5ad(tmp_path / "cells.h5ad", spots, {"kind": kinds.astype(str)}, {"spatial": points})
    with pytest.warns(InputWarning, match="100 spots are at the same point"):
        assert read({"rna": path}).n_obs == 200


def test_kinds_and_lanes_all_over_one_tissue_are_no_sections(tmp_path: Path) -> None:
    """Some barcodes of two wells are the same by chance."""
    xy = grid(10, 20)
    spots = [f"{name}-{1 + i % 2}" for i, name in enumerate(sequences(190, seed=1))] + TWICE[:5] + TWICE[100:105]
    obs = {"kind": KIND.astype(str), "lane": np.arange(200) % 2, "domain": (xy[:, 0] > 50).astype(str)}
    assert silently({"rna": h5ad(tmp_path / "one.h5ad", spots, obs, {"spatial": xy})}) == 200


def test_batches_are_sections_or_lanes_of_one(tmp_path: Path) -> None:
    spots, lanes = sequences(200), np.random.default_rng(0).choice(["lane1", "lane2"], 200)
    path = h5ad(tmp_path / "lanes.h5ad", spots, {"Batch": lanes}, {"spatial": grid(10, 20)})
    with pytest.warns(
        InputWarning, match=r"column 'Batch': holds 2 batches all over the tissue \(lane1, lane2\), used"
    ):
        assert read({"rna": path}).n_obs == 200
    refused = {
        "repeated": (TWICE, OVER),
        # As anndata joins objects.
        "in the names": ([f"{name}-{batch}" for name, batch in zip(spots, HALVES, strict=True)], OVER),
        "not over the same area": (spots, np.vstack([SQUARE, SQUARE + 250.0])),
        "smaller, inside": (spots, np.vstack([SQUARE, 300.0 + 0.3 * SQUARE])),
    }
    for name, (names, xy) in refused.items():
        path = h5ad(tmp_path / f"{name}.h5ad", names, {"batch": HALVES}, {"spatial": xy})
        with pytest.raises(InputError, match=r"column 'batch': holds 2 .* \(A, B\).*section_column batch"):
            read({"rna": path})


@pytest.mark.parametrize("place", ["obs", "obsm", "table"])
def test_planes_are_sections_and_depths_of_cells_are_not(tmp_path: Path, place: str) -> None:
    spots = [f"cell{i}" for i in range(200)]
    for name, z in (("planes", np.repeat([0.0, 100.0], 100)), ("depths", np.random.default_rng(0).normal(size=200))):
        columns = {"x": OVER[:, 0], "y": OVER[:, 1], "z": z}
        table = tmp_path / f"{name}.csv"
        pd.DataFrame({"cell": spots, **columns}).to_csv(table, index=False)
        obsm = {"spatial": np.column_stack([OVER, z])} if place == "obsm" else {}
        path = h5ad(tmp_path / f"{name}.h5ad", spots, columns if place == "obs" else {}, obsm)
        more: dict[str, Any] = {"spatial": table} if place == "table" else {}
        if name == "depths":
            assert read({"rna": path}, **more).n_obs == 200
            continue
        with pytest.raises(InputError, match=r"column 'z': holds 2 planes \(0(.0)?, 100(.0)?\).*section_column z, and"):
            read({"rna": path}, **more)
        part = read({"rna": path}, "100.0" if place == "table" else "100", section_column="z", **more)
        assert part.obs_names.tolist() == spots[100:]
        np.testing.assert_array_equal(part.obsm["spatial"], OVER[100:])


@pytest.mark.parametrize("angle", [0.0, 0.3, 0.785])
def test_neighbouring_fields_of_a_rotated_slide_do_not_lie_over_each_other(angle: float) -> None:
    """Cells in 6 x 6 fields whose margins overlap by a twentieth, one field with three cells in a corner."""
    rng = np.random.default_rng(0)
    corners = np.repeat(grid(6, 6, 100.0), 50, axis=0)
    points = corners + rng.uniform(-2.5, 102.5, corners.shape)
    fields = np.repeat(np.arange(36).astype(str), 50)
    points, fields = np.vstack([points, rng.uniform(0, 3, (3, 2))]), np.append(fields, ["36"] * 3)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert not any(Groups(points @ turn, fields).overlapping())
    local = points - np.vstack([corners, np.zeros((3, 2))])
    assert any(Groups(local @ turn, fields).overlapping())


LOCAL_CELLS = np.vstack([np.random.default_rng(field).uniform(0, 2000, (50, 2)) for field in range(4)])
"""Positions inside each of four fields or sections."""

QUARTERS = np.repeat(["r0", "r1", "r2", "r3"], 50)
CELLS = [f"cell{i}" for i in range(200)]


@pytest.mark.parametrize("column", ["FOV_ID", "fov_id", "Field of View", "tile", "fov name"])
def test_names_of_fields(tmp_path: Path, column: str) -> None:
    path = h5ad(tmp_path / "c.h5ad", CELLS, {column: pd.Categorical(QUARTERS)}, {"spatial": LOCAL_CELLS})
    with pytest.raises(InputError, match=f"column '{column}': holds 4 fields of view"):
        read({"rna": path})


@pytest.mark.parametrize(
    "column",
    [
        *("unique_region", "core_id", "TMA core", "acquisition_id", "Animal_ID", "mouse", "embryo", "section_num"),
        *("section number", "slideID", "filename", "File Name", "dataset_id", "chip", "subject", "library_key"),
        *("img_id", "ImageNumber", "Puck_name", "brain", "well"),
    ],
)
def test_names_of_sections(tmp_path: Path, column: str) -> None:
    path = h5ad(tmp_path / "c.h5ad", CELLS, {column: pd.Categorical(QUARTERS)}, {"spatial": LOCAL_CELLS})
    with pytest.raises(InputError, match=f"column '{column}': holds 4 sections"):
        read({"rna": path})
    assert read({"rna": path}, "r2", section_column=column).obs_names.tolist() == CELLS[100:150]


@pytest.mark.parametrize("column", ["region", "treatment", "position", "stage", "what_it_is"])
def test_other_columns_whose_groups_cover_the_same_box_are_said(tmp_path: Path, column: str) -> None:
    path = h5ad(tmp_path / "c.h5ad", CELLS, {column: pd.Categorical(QUARTERS)}, {"spatial": LOCAL_CELLS})
    with pytest.warns(InputWarning, match=rf"column '{column}' \(r0, r1, r2, r3\) cover the same area.*{column}"):
        assert read({"rna": path}).n_obs == 200


def test_kinds_of_cells_of_one_section_are_not_taken_for_sections(tmp_path: Path) -> None:
    """Cells do not lie over each other, whatever their kind: here none is nearer than 5 to another."""
    rng = np.random.default_rng(0)
    cells = grid(15, 15, 10.0) + rng.uniform(-2.5, 2.5, (225, 2))
    kinds = rng.choice(["T", "B", "stroma"], 225)
    names = [f"c{i}" for i in range(225)]
    assert silently({"rna": h5ad(tmp_path / "one.h5ad", names, {"kind": kinds}, {"spatial": cells})}) == 225
    # The same number of cells of three sections.
    three = np.vstack([grid(15, 5, 10.0) * [3, 1] + rng.uniform(-2.5, 2.5, (75, 2)) for _section in range(3)])
    of_section = np.repeat(["a", "b", "c"], 75)
    with pytest.warns(InputWarning, match=r"column 'kind' \(a, b, c\) cover the same area"):
        read({"rna": h5ad(tmp_path / "three.h5ad", names, {"kind": of_section}, {"spatial": three})})


def test_positions_on_the_slide_by_spatialdata_io(tmp_path: Path) -> None:
    path = h5ad(tmp_path / "c.h5ad", SPOTS, {"fov": FOV}, {"spatial": LOCAL, "global": ON_SLIDE})
    with pytest.warns(InputWarning, match=r"used, from .*obsm\['global'\]"):
        np.testing.assert_array_equal(read({"rna": path}).obsm["spatial"], ON_SLIDE)
