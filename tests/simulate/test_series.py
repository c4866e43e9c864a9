"""Simulated series: coordinates against transforms worked by hand, cuts, thinning, labels, fresh counts, refusals."""

from __future__ import annotations

from dataclasses import replace

import anndata
import numpy as np
import pytest
from scipy.spatial import cKDTree

from spatialweave import simulate
from spatialweave.errors import InputError
from spatialweave.simulate import (
    SERIES,
    CountModel,
    SectionSeries,
    SimulatedSection,
    Tissue,
    between,
    domains_at,
    simulate_series,
    slide_transform,
)
from spatialweave.simulate.series import bending, spot_coordinates

RNA = CountModel(60, mean=4.0, dispersion=2.0)
ADT = CountModel(20, mean=10.0, dispersion=3.0)
TISSUE = Tissue(14, 20, "blocks", 5, 1.0, {"rna": RNA, "adt": ADT})


def one(section: SimulatedSection, tissue: Tissue = TISSUE, seed: int = 0, outline: str = "whole") -> anndata.AnnData:
    """The first modality of a series of one section."""
    return next(iter(simulate_series(SectionSeries(tissue, (section,), outline), seed)[section.name].values()))


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """A homogeneous matrix on points, one point at a time."""
    return np.array([(matrix @ [x, y, 1.0])[:2] for x, y in points])


def test_an_untouched_section_is_the_grid_of_the_tissue() -> None:
    data = one(SimulatedSection("s"))
    row, col = np.divmod(np.arange(14 * 20), 20)
    assert np.array_equal(data.obsm["spatial_true"], np.column_stack([col, row]))
    assert np.array_equal(data.obsm["spatial"], data.obsm["spatial_true"])
    assert data.obsm["spatial_true"].dtype == np.float64
    alone = simulate.simulate(TISSUE, seed=0)["rna"]
    assert data.obs["label"].tolist() == alone.obs["label"].tolist()
    assert data.obs_names.tolist() == alone.obs_names.tolist()


def test_a_quarter_turn_and_a_mirror_image_are_those_worked_by_hand() -> None:
    # The centre is (9.5, 6.5). A quarter turn from x towards y sends (x, y) to (9.5 - (y - 6.5), 6.5 + (x - 9.5)).
    turned = one(SimulatedSection("s", rotation=90.0, shift=(3.0, -1.0)))
    x, y = turned.obsm["spatial_true"].T
    assert np.allclose(turned.obsm["spatial"], np.column_stack([16 - y + 3, x - 3 - 1]), atol=1e-12)
    # Mirrored first: (x, y) becomes (19 - x, y), then (16 - y, 19 - x - 3).
    face_down = one(SimulatedSection("s", rotation=90.0, reflect=True))
    x, y = face_down.obsm["spatial_true"].T
    assert np.allclose(face_down.obsm["spatial"], np.column_stack([16 - y, 16 - x]), atol=1e-12)
    # Mirrored in x about 9.5, then doubled about the centre.
    mirrored = one(SimulatedSection("s", reflect=True, scale=2.0))
    x, y = mirrored.obsm["spatial_true"].T
    assert np.allclose(mirrored.obsm["spatial"], np.column_stack([28.5 - 2 * x, 2 * y - 6.5]), atol=1e-12)


@pytest.mark.parametrize("lattice", ["tissue", "slide"])
def test_the_known_transform_of_the_true_coordinates_gives_those_of_the_slide(lattice: str) -> None:
    section = SimulatedSection(
        "s", 37.0, (5.0, -2.0), 3.0, True, cut=0.2, spacing=1.3, lattice=lattice, offset=(0.2, 0.4)
    )
    data = one(section)
    assert np.allclose(
        apply(slide_transform(TISSUE, section), data.obsm["spatial_true"]), data.obsm["spatial"], atol=1e-10
    )
    first = SimulatedSection("first", -20.0, (1.0, 2.0))
    onto = apply(between(TISSUE, first, section), data.obsm["spatial"])
    assert np.allclose(onto, apply(slide_transform(TISSUE, first), data.obsm["spatial_true"]), atol=1e-10)


@pytest.mark.parametrize("reflect", [False, True])
def test_a_lattice_on_the_slide_is_straight_there_and_covers_the_tissue(reflect: bool) -> None:
    section = SimulatedSection("s", rotation=30.0, reflect=reflect, scale=50.0, lattice="slide")
    data = one(section)
    steps = data.obsm["spatial"] / 50.0
    steps -= steps[0]
    assert np.allclose(steps, np.round(steps), atol=1e-9)
    assert abs(data.n_obs - 14 * 20) < 20
    # No point of the tissue is farther from a spot than the middle of four of them is, and no spot is outside.
    inner = np.random.default_rng(0).uniform([0.5, 0.5], [18.5, 12.5], (500, 2))
    assert cKDTree(data.obsm["spatial_true"]).query(inner)[0].max() <= np.sqrt(0.5) + 1e-9
    assert (data.obsm["spatial_true"] >= -0.5).all() and (data.obsm["spatial_true"] <= [19.5, 13.5]).all()


@pytest.mark.parametrize(("spacing", "offset", "first"), [(2.0, (0.0, 0.0), 0.5), (0.5, (0.0, 0.0), -0.25)])
def test_another_spacing_samples_the_same_tissue(spacing: float, offset: tuple, first: float) -> None:
    data = one(SimulatedSection("s", spacing=spacing, offset=offset))
    columns, rows = (np.unique(axis) for axis in data.obsm["spatial_true"].T)
    assert np.array_equal(columns, first + spacing * np.arange(20 / spacing))
    assert np.array_equal(rows, first + spacing * np.arange(14 / spacing))
    assert data.obs_names.is_unique and data.n_obs == len(columns) * len(rows)


def test_labels_follow_the_tissue_at_the_true_coordinates() -> None:
    # Where the four spots of an untouched grid around a point have the same domain, the point is in that domain.
    tissue = replace(TISSUE, rows=40, cols=40)
    grid = one(SimulatedSection("grid"), tissue)
    section = SimulatedSection("s", 50.0, (4.0, 4.0), bend=2.0, spacing=0.8, lattice="slide", cut=0.1)
    data = one(section, tissue)
    _, near = cKDTree(grid.obsm["spatial_true"]).query(data.obsm["spatial_true"], k=4)
    around = grid.obs["label"].to_numpy()[near]
    uniform = (around == around[:, :1]).all(axis=1)
    assert uniform.mean() > 0.7
    assert (around[uniform, 0] == data.obs["label"].to_numpy()[uniform]).all()


def test_domains_do_not_depend_on_the_grid_that_samples_them() -> None:
    fine, coarse = replace(TISSUE, rows=56, cols=80), TISSUE
    points_fine = np.random.default_rng(1).uniform(-0.5, [79.5, 55.5], (1000, 2))
    assert np.array_equal(domains_at(fine, points_fine), domains_at(coarse, (points_fine + 0.5) / 4 - 0.5))


@pytest.mark.parametrize("cut", [0.0, 0.15, 0.5])
@pytest.mark.parametrize("angle", [0.0, 90.0, 200.0])
def test_the_cut_removes_its_fraction_along_one_edge(cut: float, angle: float) -> None:
    data = one(SimulatedSection("s", cut=cut, cut_angle=angle))
    # On one line there is at most a whole row or column of spots.
    assert abs((280 - data.n_obs) - cut * 280) <= 20
    towards = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    row, col = np.divmod(np.arange(280), 20)
    everything = np.column_stack([col, row]).astype(float)
    gone = cKDTree(data.obsm["spatial_true"]).query(everything)[0] > 1e-9
    assert gone.sum() == 280 - data.n_obs
    if cut:
        assert (everything[gone] @ towards).min() > (data.obsm["spatial_true"] @ towards).max() - 1e-9


def test_a_drawn_cut_depends_on_seed_and_section() -> None:
    kept = [
        spot_coordinates(SectionSeries(TISSUE, ()), SimulatedSection(name, cut=0.3), seed)[1]
        for name, seed in (("a", 0), ("a", 1), ("b", 0))
    ]
    sets = [{tuple(point) for point in part} for part in kept]
    assert sets[0] != sets[1] and sets[0] != sets[2]
    assert all(abs(len(part) - 0.7 * 280) <= 20 for part in sets)


def test_thinning_keeps_its_fraction_of_each_count() -> None:
    whole, thin = (one(SimulatedSection("s", thin=fraction)).X.toarray() for fraction in (1.0, 0.3))
    # The draws before thinning are those of the unthinned section: every count is a binomial of it.
    assert (thin <= whole).all() and (thin == np.round(thin)).all()
    n = whole.sum()
    assert abs(thin.sum() - 0.3 * n) < 4 * np.sqrt(n * 0.3 * 0.7)
    # The variance is binomial too, n p (1 - p) about n p: not that of scaled counts.
    seen = whole > 0
    squares = (thin - 0.3 * whole)[seen] ** 2 / (0.21 * whole[seen])
    assert squares.mean() == pytest.approx(1.0, abs=0.05)


def test_bending_is_smooth_bounded_and_holds_no_affine_part() -> None:
    section = SimulatedSection("s", bend=1.4)
    data = one(section)
    true, moved = data.obsm["spatial_true"], data.obsm["spatial"] - data.obsm["spatial_true"]
    lengths = np.linalg.norm(moved, axis=1)
    assert 0.5 * 1.4 < lengths.max() <= 1.4
    design = np.column_stack([np.ones(len(true)), true])
    assert np.abs(np.linalg.lstsq(design, moved, rcond=None)[0]).max() < 1e-10
    # Not folded: the map's Jacobian, by central differences, keeps its sign.
    step = 1e-5
    columns = [
        (bending(TISSUE, section, 0, true + step * axis) - bending(TISSUE, section, 0, true - step * axis)) / (2 * step)
        for axis in np.eye(2)
    ]
    assert (np.linalg.det(np.stack(columns, axis=2) + np.eye(2)) > 0).all()


def test_sections_share_the_tissue_but_not_their_counts() -> None:
    flat = replace(TISSUE, rows=40, cols=40, signal=0.0, depth_sd=0.0)
    series = simulate_series(SectionSeries(flat, (SimulatedSection("a"), SimulatedSection("b"))), seed=4)
    a, b = (series[name]["rna"].X.toarray() for name in "ab")
    # The same rates of the features, nothing else: residuals about a feature's mean do not correlate.
    assert np.corrcoef(a.mean(axis=0), b.mean(axis=0))[0, 1] > 0.99
    residuals = [(part - part.mean(axis=0)).ravel() for part in (a, b)]
    assert abs(np.corrcoef(*residuals)[0, 1]) < 4 / np.sqrt(a.size)


def test_a_batch_effect_is_a_log_normal_factor_on_each_feature() -> None:
    rna = CountModel(2000, mean=50.0, dispersion=1e6, marker_fraction=0.0)
    flat = replace(TISSUE, signal=0.0, depth_sd=0.0, modalities={"rna": rna})
    series = simulate_series(
        SectionSeries(flat, (SimulatedSection("a"), SimulatedSection("b", batch_sd=0.4), SimulatedSection("c"))), seed=0
    )
    logs = {name: np.log(np.asarray(part["rna"].X.mean(axis=0)).ravel()) for name, part in series.items()}
    assert (logs["b"] - logs["a"]).std() == pytest.approx(0.4, rel=0.06)
    assert (logs["c"] - logs["a"]).std() < 0.03


def test_the_same_seed_gives_the_same_series_and_sections_depend_on_no_other() -> None:
    spec = SERIES["series_test"]
    everything, again, other = (simulate_series(spec, seed) for seed in (3, 3, 4))
    alone = simulate_series(replace(spec, sections=spec.sections[1:2]), 3)
    for name in ("rna", "adt"):
        a, b, c, d = (result["section2"][name] for result in (everything, again, alone, other))
        for same in (b, c):
            assert (a.X != same.X).nnz == 0
            assert np.array_equal(a.obsm["spatial"], same.obsm["spatial"])
            assert a.obs.equals(same.obs)
        assert a.shape == d.shape and (a.X != d.X).nnz > 0


def test_missing_spots_and_modalities_are_kept_out_section_by_section() -> None:
    tissue = replace(TISSUE, missing={"adt": 0.25})
    sections = (SimulatedSection("a"), SimulatedSection("b"), SimulatedSection("c", modalities=("adt",)))
    series = simulate_series(SectionSeries(tissue, sections), seed=0)
    assert [list(part) for part in series.values()] == [["rna", "adt"], ["rna", "adt"], ["adt"]]
    assert series["a"]["adt"].n_obs == series["b"]["adt"].n_obs == 210
    assert set(series["a"]["adt"].obs_names) != set(series["b"]["adt"].obs_names)
    # A spot of a section with one modality is measured, or it would be no spot.
    assert series["c"]["adt"].n_obs == 280


@pytest.mark.parametrize("preset", ["pair", "crossmodal"])
def test_no_other_turn_or_mirror_image_passes_for_the_truth(preset: str) -> None:
    spec = SERIES[preset]
    _, true = spot_coordinates(spec, SimulatedSection("s"), 0)
    domains = domains_at(spec.tissue, true)
    tree = cKDTree(true)
    for angle in range(0, 360, 15):
        for reflect in (False, True):
            if not reflect and angle == 0:
                continue
            moved = apply(slide_transform(spec.tissue, SimulatedSection("s", rotation=angle, reflect=reflect)), true)
            distance, near = tree.query(moved)
            covered = distance <= np.sqrt(0.5)
            assert (covered & (domains[near] == domains)).mean() < 0.75
            if preset == "crossmodal":
                assert covered.mean() < 0.95


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"rotation": float("nan")}, "s rotation"),
        ({"rotation": 400.0}, "s rotation"),
        ({"shift": (0.0, float("inf"))}, "s shift"),
        ({"scale": 0.0}, "s scale"),
        ({"bend": 1.5}, "s bend"),
        ({"cut": 0.95}, "s cut"),
        ({"cut": -0.1}, "s cut"),
        ({"cut_angle": float("nan")}, "s cut_angle"),
        ({"thin": 0.0}, "s thin"),
        ({"thin": 1.1}, "s thin"),
        ({"batch_sd": -1.0}, "s batch_sd"),
        ({"spacing": 0.0}, "s spacing"),
        ({"offset": (float("nan"), 0.0)}, "s offset"),
        ({"lattice": "hexagonal"}, "s lattice"),
        ({"modalities": ()}, "s modalities"),
        ({"modalities": ("atac",)}, "s modalities"),
        ({"name": "a/b"}, "sections"),
        ({"spacing": 9.0}, "s"),
    ],
)
def test_a_section_that_makes_no_sense_is_refused(change: dict, where: str) -> None:
    with pytest.raises(InputError) as error:
        one(replace(SimulatedSection("s"), **change))
    assert error.value.where == where


@pytest.mark.parametrize(
    ("spec", "where"),
    [
        (SectionSeries(TISSUE, ()), "sections"),
        (SectionSeries(TISSUE, (SimulatedSection("s"), SimulatedSection("s"))), "sections"),
        (SectionSeries(TISSUE, (SimulatedSection("s"),), "round"), "outline"),
        (SectionSeries(replace(TISSUE, rows=2), (SimulatedSection("s"),)), "rows"),
    ],
)
def test_a_series_that_makes_no_sense_is_refused(spec: SectionSeries, where: str) -> None:
    with pytest.raises(InputError) as error:
        simulate_series(spec, seed=0)
    assert error.value.where == where
