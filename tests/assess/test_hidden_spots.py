"""What domains predict at hidden spots: by hand, and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.alignment.cross_prediction import FOLD_OF_BLOCK
from spatialweave.assess.hidden_spots import ALL, SHRINKAGE, HiddenSpots, explained_by_means, voted
from spatialweave.errors import InputError
from spatialweave.graphs.spatial import knn

from .tissue import dataset, grid, noisy, quadrants


def test_neighbours_vote_by_hand() -> None:
    """On a line of five, with two neighbours each, the spot itself has no vote, and ties go to the lower domain."""
    points = np.column_stack([np.arange(5.0), np.zeros(5)])
    neighbours = knn(points, np.full(5, "a"), 2)
    # Neighbours: 0: 1, 2; 1: 0, 2; 2: 1, 3; 3: 2, 4; 4: 3, 2.
    assert voted(np.array([1, 0, 1, 0, 0]), neighbours).tolist() == [0, 1, 0, 0, 0]
    assert voted(np.array([1, 1, 0, 1, 1]), neighbours).tolist() == [0, 0, 1, 0, 0]


def test_explained_by_hand() -> None:
    """Two blocks in folds 0 and 1, each with 10 spots of value 1 in domain 0 and 10 of value -1 in domain 1.

    The other block has mean 0 and a domain mean of 10 / (10 + 10) = 1/2, drawn half way to 0: of a spot's square of 1,
    (1 - 1/2)^2 is left.
    """
    assert SHRINKAGE == 10
    domains = np.tile(np.repeat([0, 1], 10), 2)
    values = np.where(domains == 0, 1.0, -1.0)[:, None]
    found = explained_by_means(domains, values, np.repeat([0, 1], 20), np.array([0, 1]))
    assert found.numerators[0] == pytest.approx([15.0, 15.0])
    assert found.denominators[0] == pytest.approx([20.0, 20.0])
    assert found.value == pytest.approx(0.75)


def test_explained_equals_plain_loops() -> None:
    rng = np.random.default_rng(3)
    n_spots, n_domains = 400, 4
    domains, blocks = rng.integers(n_domains, size=n_spots), rng.integers(25, size=n_spots)
    values = rng.normal(size=(n_spots, 3)) + domains[:, None]
    found = explained_by_means(domains, values, blocks, FOLD_OF_BLOCK)
    for block in range(25):
        others = FOLD_OF_BLOCK[blocks] != FOLD_OF_BLOCK[block]
        mean = values[others].mean(axis=0)
        explained = total = 0.0
        for spot in np.flatnonzero(blocks == block):
            same = values[others & (domains == domains[spot])]
            own = (same.sum(axis=0) + SHRINKAGE * mean) / (len(same) + SHRINKAGE)
            total += float(((values[spot] - mean) ** 2).sum())
            explained += float(((values[spot] - mean) ** 2).sum() - ((values[spot] - own) ** 2).sum())
        assert found.numerators[0, block] == pytest.approx(explained)
        assert found.denominators[0, block] == pytest.approx(total)


def test_domains_of_single_spots_explain_nothing_and_true_ones_do() -> None:
    """Noise that is alike at scattered spots is explained by their domains, but not once the spots are hidden."""
    points = grid(20, 20)
    scattered = np.random.default_rng(0).integers(4, size=len(points))
    by_spot = HiddenSpots.of(dataset(points, rna=noisy(scattered, 3.0, 1)))
    assert explained_by_means(scattered, *by_spot.modalities["rna"][:1], by_spot.blocks, by_spot.folds).value > 0.6
    assert by_spot.explained(scattered)["rna"].value < 0.01
    true = quadrants(points)
    by_place = HiddenSpots.of(dataset(points, rna=noisy(true, 3.0, 1)))
    assert by_place.explained(true)["rna"].value > 0.6


def test_numbering_is_irrelevant_and_spots_without_a_modality_are_left_out() -> None:
    points = grid(15, 15)
    true = quadrants(points)
    values = noisy(true, 2.0, 2)
    absent = np.random.default_rng(5).random(len(points)) < 0.3
    hidden = HiddenSpots.of(dataset(points, rna=values, adt=np.where(absent[:, None], np.nan, values)))
    found = hidden.explained(true)
    assert hidden.explained(np.array([2, 0, 3, 1])[true])["rna"].value == pytest.approx(found["rna"].value)
    assert found[ALL].value == pytest.approx((found["rna"].value + found["adt"].value) / 2)
    # Whatever stands at spots without the modality plays no part.
    other = np.where(absent[:, None], np.nan, values)
    changed = dataset(points, adt=other)
    changed.modalities[0].latent[absent] = 1e6
    assert HiddenSpots.of(changed).explained(true)["adt"].value == found["adt"].value


def test_sections_have_blocks_of_their_own_and_constant_modalities_are_left_out() -> None:
    points = np.tile(grid(10, 10), (2, 1))
    sections = np.repeat(["a", "b"], 100)
    true = quadrants(points)
    hidden = HiddenSpots.of(dataset(points, sections, rna=noisy(true, 2.0, 0), adt=np.ones((200, 3))))
    assert list(hidden.modalities) == ["rna"]
    assert set(hidden.blocks[:100]) == set(range(25)) and set(hidden.blocks[100:]) == set(range(25, 50))
    with pytest.raises(InputError, match="constant"):
        HiddenSpots.of(dataset(points, sections, adt=np.ones((200, 3))))


@pytest.mark.parametrize("n_spots", [2, 5, 9])
def test_a_handful_of_spots_is_no_error(n_spots: int) -> None:
    points = np.random.default_rng(1).normal(size=(n_spots, 2))
    hidden = HiddenSpots.of(dataset(points, rna=np.random.default_rng(2).normal(size=(n_spots, 2))))
    assert np.isfinite(hidden.explained(np.arange(n_spots) % 2)[ALL].value)
