"""Shapes by geometry, neighbours by hand and by simulation, and what spots are by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial import cKDTree

from spatialweave.characterise.composition import composition
from spatialweave.characterise.neighbours import adjacency, quasi_independent
from spatialweave.characterise.shapes import Shapes, shapes, spot_areas
from spatialweave.characterise.structure import together
from spatialweave.graphs.matrices import symmetrise
from spatialweave.graphs.spatial import knn

SQUARE = np.stack(np.meshgrid(np.arange(60.0), np.arange(60.0)), -1).reshape(-1, 2)
HEXAGONAL = np.stack([SQUARE[:, 0] + 0.5 * (SQUARE[:, 1] % 2), SQUARE[:, 1] * np.sqrt(3) / 2], -1)
CELLS = np.random.default_rng(0).random((3600, 2)) * 60


def graph_of(points: np.ndarray, k: int) -> sparse.csr_matrix:
    return symmetrise(knn(points, np.full(len(points), "one"), k))


@pytest.mark.parametrize(
    ("points", "layout", "k"), [(SQUARE, "square", 4), (HEXAGONAL, "hexagonal", 6), (CELLS, "cells", 8)]
)
def test_a_disc(points: np.ndarray, layout: str, k: int) -> None:
    """A disc of radius 15 on any arrangement of spots, at any scale."""
    centre, radius = points.mean(axis=0), 15.0
    codes = (((points - centre) ** 2).sum(axis=1) < radius**2).astype(np.int64)
    found = shapes(points * 7, codes, 2, graph_of(points, k), layout)
    assert found.area[1] == pytest.approx(np.pi * (7 * radius) ** 2, rel=0.1)
    # Cells at random places: the count of crossings varies.
    assert found.border[1] == pytest.approx(2 * np.pi * 7 * radius, rel=0.2 if layout == "cells" else 0.1)
    assert found.border[0] == found.border[1]
    assert found.roundness[1] == pytest.approx(1.0, abs=0.02)
    assert found.pieces.tolist() == [1, 1] and found.spots[1] == codes.sum()


def test_pieces_and_a_long_band() -> None:
    """Two bands of 4 x 60 and 2 x 60 spots in one domain: the larger has two thirds of its spots."""
    codes = np.isin(SQUARE[:, 1], [10, 11, 12, 13, 30, 31]).astype(np.int64)
    found = shapes(SQUARE, codes, 3, graph_of(SQUARE, 4), "square")
    assert found.pieces.tolist() == [3, 2, 0] and found.largest_piece[1] == pytest.approx(2 / 3)
    # A rectangle a x b has a mean squared distance of (a^2 + b^2) / 12; the spots' discs are a little rounder.
    assert found.roundness[1] == pytest.approx(6 * 4 * 60 / (np.pi * (4**2 + 60**2)), rel=0.02)
    assert np.isnan(found.roundness[2]) and np.isnan(found.largest_piece[2]) and found.area[2] == 0


def test_sections_together_by_hand() -> None:
    """A domain that is one piece in each of eight sections; and one of two pieces, with a stray spot elsewhere."""
    nothing = np.full(2, np.nan)

    def one(spots: list[int], pieces: list[int], largest: list[float]) -> Shapes:
        return Shapes(np.array(spots), np.ones(2), np.ones(2), np.array(pieces), np.array(largest), nothing)

    parts = [one([30, 99], [1, 2], [1.0, 0.6]), one([10, 1], [1, 1], [1.0, 1.0])] + [
        one([20, 0], [1, 0], [1.0, np.nan])
    ] * 6
    found = together(parts)
    assert found.spots.tolist() == [160, 100] and found.area.tolist() == [8, 8]
    assert found.pieces.tolist() == pytest.approx([1, 1.99]) and found.largest_piece.tolist() == [1.0, 0.6]


def test_areas_of_cells_sum_to_the_tissue() -> None:
    assert spot_areas(CELLS, "cells").sum() == pytest.approx(3600, rel=0.1)
    assert spot_areas(CELLS[:1], "cells").tolist() == [0.0]


def test_contacts_of_four_bands_by_hand() -> None:
    """Bands of a lattice: the ends have one border, the others two, all of the same length.

    With x at the ends and y in the middle, x (x + 2 y) = 1 and y (y + 2 x) = 2, so 3 x^4 + 6 x^2 = 1.
    """
    codes = (SQUARE[:, 1] // 15).astype(np.int64)
    found = adjacency(graph_of(SQUARE, 4), codes, 4)
    edges = found.observed[0, 1]
    borders = np.array([[0, 1, 0, 0], [1, 0, 1, 0], [0, 1, 0, 1], [0, 0, 1, 0]])
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_array_equal(found.observed[off], edges * borders[off])
    x = np.sqrt((2 * np.sqrt(3) - 3) / 3)
    y = np.sqrt(1 + x**2)
    np.testing.assert_allclose(found.expected_fraction[0, 1:], [x * y, x * y, x * x])
    np.testing.assert_allclose(found.expected_fraction[1, [0, 2, 3]], np.array([x * y, y * y, x * y]) / 2)
    np.testing.assert_allclose(found.fraction[1, [0, 2, 3]], [0.5, 0.5, 0.0])
    np.testing.assert_allclose(found.ratio[0, 1:], [1 / (x * y), 0.0, 0.0])
    assert np.isnan(np.diag(found.fraction)).all() and np.isnan(np.diag(found.ratio)).all()


@pytest.mark.parametrize("leaving", [[1, 2, 2, 1], [5, 4, 3, 2, 0], [60, 60], [9, 5, 5, 1], [3, 3, 3]])
def test_expected_contacts_have_the_sums_of_the_observed_ones(leaving: list[float]) -> None:
    table = quasi_independent(np.array(leaving, dtype=float))
    np.testing.assert_allclose(table.sum(axis=1), leaving, rtol=1e-9)
    assert (table == table.T).all() and not np.diag(table).any() and (table >= 0).all()
    # The odds of two domains are the same with any two others.
    if len(leaving) > 3:
        assert table[0, 2] * table[1, 3] == pytest.approx(table[0, 3] * table[1, 2])


@pytest.mark.parametrize("leaving", [[1, 2, 1], [5, 3, 1, 1], [1, 100, 1, 1, 97]])
def test_domains_that_touch_one_domain_only(leaving: list[float]) -> None:
    """Everything touches the largest, so the others cannot touch each other."""
    expected = np.zeros((len(leaving), len(leaving)))
    largest = int(np.argmax(leaving))
    expected[largest] = expected[:, largest] = np.where(np.arange(len(leaving)) == largest, 0, leaving)
    np.testing.assert_allclose(quasi_independent(np.array(leaving, dtype=float)), expected, atol=1e-4)


def test_patches_that_lie_at_random_touch_as_often_as_expected() -> None:
    """Patches of about 36 spots with random domains, of which one has half; and two domains that seek each other."""
    rng = np.random.default_rng(0)
    graph, chance, near = graph_of(SQUARE, 4), [], []
    for _ in range(40):
        _, patch = cKDTree(rng.random((100, 2)) * 60).query(SQUARE)
        domains = rng.choice(4, 100, p=[0.5, 0.2, 0.15, 0.15])
        chance.append(adjacency(graph, domains[patch], 4))
        # The last domain lies around spots of the third only.
        codes = np.where(domains[patch] == 3, 0, domains[patch])
        reached = (graph @ (codes == 2).astype(float) > 0) & (codes == 0)
        near.append(adjacency(graph, np.where(reached, 3, codes), 4))
    mixed, apart = sum(chance[1:], chance[0]), sum(near[1:], near[0])
    off = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(mixed.ratio[off], 1.0, atol=0.1)
    assert min(apart.ratio[3, 2], apart.ratio[2, 3]) > 1.5 > 0.5 > apart.ratio[1, 3]


def test_domains_without_a_common_section_are_not_expected_to_touch() -> None:
    graph = graph_of(SQUARE[:60], 2)
    left = adjacency(graph, (np.arange(60) // 30), 4)
    right = adjacency(graph, np.where(np.arange(60) // 30, 0, 3), 4)
    both = left + right
    assert both.observed[0, 1] == both.observed[0, 3] == 1
    # Of the two edges that leave the first domain, one does in each section, where there is one other domain.
    assert both.fraction[0, [1, 3]].tolist() == [0.5, 0.5]
    np.testing.assert_allclose(both.expected_fraction[0, [1, 3]], 0.5)
    assert both.expected_fraction[1, 3] == 0 and np.isnan(both.ratio[1, 3])


def test_a_domain_without_neighbours_has_no_fractions() -> None:
    alone = adjacency(graph_of(SQUARE[:60], 2), np.zeros(60, dtype=np.int64), 2)
    assert alone.observed[0, 0] == graph_of(SQUARE[:60], 2).nnz / 2
    assert np.isnan(alone.fraction).all() and np.isnan(alone.ratio).all()


def test_composition_by_hand() -> None:
    columns = {"label": np.array(["a", "a", "b", "", ""]), "meta_donor": np.array(["1", "2", "1", "1", "1"])}
    rows = list(composition(columns, np.array([0, 0, 0, 0, 1]), 2))
    assert [tuple(row.values()) for row in rows] == [
        (1, "label", "a", 2, 0.66667), (1, "label", "b", 1, 0.33333),
        (1, "meta_donor", "1", 3, 0.75), (1, "meta_donor", "2", 1, 0.25), (2, "meta_donor", "1", 1, 1.0),
    ]  # fmt: skip
