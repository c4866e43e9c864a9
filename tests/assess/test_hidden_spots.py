"""What domains predict at hidden spots: by hand, and against plain loops."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.assess.hidden_spots import SHRINKAGE, BlockSums, Explained, HiddenSpots, voted
from spatialweave.blocks.cross_prediction import FOLD_OF_BLOCK
from spatialweave.errors import InputError
from spatialweave.graphs.spatial import knn
from spatialweave.io.result_tables import ALL

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
    (1 - 1/2)^2 is left. If every block counts three times, the mean is 30 / (30 + 10), and (1/4)^2 is left.
    """
    assert SHRINKAGE == 10 and FOLD_OF_BLOCK[0] != FOLD_OF_BLOCK[1]
    domains = np.tile(np.repeat([0, 1], 10), 2)
    values = np.where(domains == 0, 1.0, -1.0)[:, None]
    sums = BlockSums.of(domains, values, np.repeat([0, 1], 20), 1)
    times = np.array([[1.0], [3.0]]) * np.ones(25)
    assert sums.explained(times)[:, 0] == pytest.approx([0.75, 1 - 1 / 16])
    assert sums.explained(times, refit=False)[:, 0] == pytest.approx([0.75, 0.75])
    assert Explained((sums,)).value == pytest.approx(0.75)


def test_explained_equals_plain_loops() -> None:
    """In two sections, each predicted from itself; blocks count as often as drawn."""
    rng = np.random.default_rng(3)
    n_spots, n_domains = 600, 4
    domains, blocks = rng.integers(n_domains, size=n_spots), rng.integers(50, size=n_spots)
    values = rng.normal(size=(n_spots, 3)) + domains[:, None] + 5 * (blocks >= 25)[:, None]
    times = rng.integers(3, size=50)
    explained, total = np.zeros(2), 0.0
    for block in range(50):
        others = (FOLD_OF_BLOCK[blocks % 25] != FOLD_OF_BLOCK[block % 25]) & (blocks // 25 == block // 25)
        repeated = np.repeat(np.flatnonzero(others), times[blocks[others]])
        mean = values[repeated].mean(axis=0)
        for spot in np.flatnonzero(blocks == block):
            same = values[repeated][domains[repeated] == domains[spot]]
            own = (same.sum(axis=0) + SHRINKAGE * mean) / (len(same) + SHRINKAGE)
            square = float(((values[spot] - mean) ** 2).sum())
            total += times[block] * square
            explained[block // 25] += times[block] * (square - float(((values[spot] - own) ** 2).sum()))
    found = BlockSums.of(domains, values, blocks, 2).explained(times[None].astype(float))
    assert found[0] == pytest.approx(explained / total)


def test_differences_between_sections_count_for_nothing() -> None:
    """A domain per section, each of noise about a mean of its own."""
    points, sections = np.tile(grid(12, 12), (2, 1)), np.repeat(["a", "b"], 144)
    shift = 10.0 * np.repeat([0, 1], 144)[:, None]
    hidden = HiddenSpots.of(dataset(points, sections, rna=shift + np.random.default_rng(0).normal(size=(288, 2))))
    assert hidden.explained(np.repeat([0, 1], 144))[ALL].value == pytest.approx(0.0, abs=1e-9)


def test_domains_of_single_spots_explain_nothing_and_true_ones_do() -> None:
    """Noise that is alike at scattered spots is explained by their domains, but not once the spots are hidden."""
    points = grid(20, 20)
    scattered = np.random.default_rng(0).integers(4, size=len(points))
    by_spot = HiddenSpots.of(dataset(points, rna=noisy(scattered, 3.0, 1)))
    assert Explained((BlockSums.of(scattered, by_spot.modalities["rna"][0], by_spot.blocks, 1),)).value > 0.6
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


def test_spots_left_out_play_no_part() -> None:
    points = grid(15, 15)
    true, used = quadrants(points), np.random.default_rng(5).random(225) < 0.5
    values = noisy(true, 2.0, 2)
    whole = HiddenSpots.of(dataset(points, rna=values))
    found = whole.explained(true, used)["rna"]
    seen = voted(true, whole.neighbours)[used]
    by_hand = BlockSums.of(seen, whole.modalities["rna"][0][used], whole.blocks[used], 1)
    assert found.value == pytest.approx(Explained((by_hand,)).value)
    whole.modalities["rna"][0][~used] = 1e6
    assert whole.explained(true, used)["rna"].value == found.value


@pytest.mark.parametrize("n_spots", [2, 5, 9])
def test_a_handful_of_spots_is_no_error(n_spots: int) -> None:
    points = np.random.default_rng(1).normal(size=(n_spots, 2))
    hidden = HiddenSpots.of(dataset(points, rna=np.random.default_rng(2).normal(size=(n_spots, 2))))
    assert np.isfinite(hidden.explained(np.arange(n_spots) % 2)[ALL].value)
