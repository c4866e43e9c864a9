"""The choice between where a section lies and other places: by hand, and held-out blocks by what a search can see."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.alignment import transforms
from spatialweave.alignment.choice import Judge, Place, choose, lies_on, two_halves
from spatialweave.alignment.prepared_section import UnpreparedSection, prepare
from spatialweave.alignment.registration_score import RegistrationScore
from spatialweave.blocks.ratios import N_BLOCKS, BlockRatios, block_numbers

GRID = np.stack(np.meshgrid(np.arange(30.0), np.arange(30.0)), -1).reshape(-1, 2)
NEAR, FAR = transforms.rigid(0.0, (1.0, 0.0)), transforms.rigid(0.0, (9.0, 0.0))


def judge_of(noise: float = 0.3) -> Judge:
    """Two sections of one tissue, registered."""
    tissue = np.column_stack([GRID[:, 0] > 14, GRID[:, 1] > 9, np.hypot(*(GRID - 12).T) < 6])
    present, rng = np.ones(len(GRID), dtype=bool), np.random.default_rng(0)
    sections = [
        UnpreparedSection(GRID, {"rna": (tissue + noise * rng.normal(size=tissue.shape), present)}, 0.5) for _ in "ab"
    ]
    return Judge(RegistrationScore(*prepare(sections), GRID))


JUDGE = judge_of()


def mean_of(values: np.ndarray | float) -> BlockRatios:
    return BlockRatios(np.broadcast_to(values, (1, N_BLOCKS)), np.ones((1, N_BLOCKS)), np.ones(1))


def place(
    matrix: np.ndarray, evidence: np.ndarray | float, coverage: float = 1.0, outline: float = 0.8, common: float = 1.0
) -> Place:
    return Place(matrix, "evidence", mean_of(evidence), mean_of(coverage), mean_of(outline), common)


LYING = place(np.eye(3), 0.5)


def chosen(*others: Place, lying: Place = LYING, rivals: tuple[Place, ...] = (), by_features: bool = True):
    return choose([lying, *others], rivals, JUDGE, by_features)


def test_a_place_that_is_surely_better_is_taken_and_one_that_is_not_is_left():
    better = place(NEAR, 0.6)
    assert chosen(better).place is better and chosen(better).over_identity == 1.0
    # The same mean, from two blocks of twenty-five.
    by_chance = place(NEAR, np.where(np.arange(N_BLOCKS) % 13 == 3, 0.5 + 2.5 - 0.575, 0.45))
    assert by_chance.evidence.value > 0.6
    assert chosen(by_chance).place is LYING and chosen(by_chance).over_identity is None


def test_tissue_moved_off_the_other_has_to_be_outweighed():
    """A tenth more evidence (0.05 of 0.55) does not pay for a coverage of 0.85."""
    off = place(NEAR, 0.55, coverage=0.85)
    assert chosen(off).place is LYING
    assert chosen(place(NEAR, 0.55, coverage=1.0)).place is not LYING
    assert chosen(place(NEAR, 0.80, coverage=0.85)).place is not LYING


def test_outlines_alone_do_not_move_a_section_a_little():
    """Serial sections are cut differently. They do move it far, and where there are no features."""
    assert chosen(place(NEAR, 0.5, outline=1.0)).place is LYING
    assert chosen(place(FAR, 0.5, outline=1.0)).place is not LYING
    assert chosen(place(NEAR, 0.0, outline=1.0), lying=place(np.eye(3), 0.0), by_features=False).place is not LYING


def test_outlines_that_do_not_coincide_are_no_objection():
    """As where a slide's frame cuts through the tissue: it coincides where the sections lie."""
    framed = place(np.eye(3), 0.2, outline=1.0)
    right = place(FAR, 0.6, coverage=0.8, outline=0.3)
    assert chosen(right, lying=framed).place is right


def test_without_common_spots_the_section_is_moved():
    apart = place(np.eye(3), 0.0, coverage=0.0, outline=0.0, common=0.0)
    weak = place(FAR, np.where(np.arange(N_BLOCKS) % 2, 0.3, -0.2), outline=0.1)
    assert chosen(weak, lying=apart).place is weak
    assert not lies_on(0.2, [0.9, 0.1]) and lies_on(0.3, [0.9, 0.1]) and lies_on(0.0, [])


def test_a_rival_that_is_about_as_good_unsettles_the_choice():
    alternating = np.where(np.arange(N_BLOCKS) % 2, 0.9, 0.1)
    unsure = chosen(rivals=(place(FAR, alternating),))
    assert unsure.place is LYING and not unsure.settled and 0.2 < unsure.confidence < 0.95
    sure = chosen(rivals=(place(FAR, 0.2),))
    assert sure.settled and sure.confidence == 1.0
    # A rival at about the same place is no other answer.
    assert chosen(rivals=(place(NEAR, alternating),)).settled


def test_halves_are_disjoint_and_cover_the_section():
    every = two_halves(np.ones(N_BLOCKS, dtype=bool))
    assert (every[0] ^ every[1]).all()
    chess = every[0].reshape(5, 5)
    assert (chess[:, 1:] != chess[:, :-1]).all() and (chess[1:] != chess[:-1]).all()
    diagonal = np.eye(5, dtype=bool).ravel()
    assert [int((half & diagonal).sum()) for half in two_halves(diagonal)] == [2, 3]
    points = [set(map(tuple, half.moving.points)) for half in JUDGE.halves]
    assert not points[0] & points[1] and len(points[0] | points[1]) == len(GRID)


@pytest.mark.parametrize("searched", [0, 1])
def test_a_half_s_search_does_not_see_the_other_half(searched):
    """Spoiling one half changes no score of the other; and what a half found is scored in the other one."""
    spoilt, seen = judge_of(), JUDGE.halves[searched].moving.points
    held_out = ~np.isin(block_numbers(GRID, GRID), block_numbers(seen, GRID))
    assert 300 < held_out.sum() == len(GRID) - len(seen)
    spoilt.scores.moving.components["rna"].values[held_out] = 1e3
    rebuilt = Judge(spoilt.scores)
    before, after = (one.halves[searched].cross_prediction(NEAR, 1.0, 900) for one in (JUDGE, rebuilt))
    assert after == before
    other_before, other_after = (one.halves[1 - searched].cross_prediction(NEAR, 1.0, 900) for one in (JUDGE, rebuilt))
    assert other_after != other_before


def test_what_each_half_found_is_scored_in_the_other():
    far_by_first = JUDGE.place(np.eye(3), "evidence", by_features=[FAR, np.eye(3)])
    at_rest, far = JUDGE.place(np.eye(3), "identity"), JUDGE.place(FAR, "evidence")
    second = np.unique(block_numbers(JUDGE.halves[1].moving.points, GRID))
    inside = np.isin(np.arange(N_BLOCKS), second)
    numerators = far_by_first.evidence.numerators
    np.testing.assert_array_equal(numerators[:, inside], far.evidence.numerators[:, inside])
    np.testing.assert_array_equal(numerators[:, ~inside], at_rest.evidence.numerators[:, ~inside])
