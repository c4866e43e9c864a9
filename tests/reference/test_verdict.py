"""Verdicts on sections: what cannot be told says nothing against them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from spatialweave.graphs.matrices import symmetrise
from spatialweave.graphs.spatial import knn
from spatialweave.reference.evidence import SharedVariation, shared_variation
from spatialweave.reference.verdict import SectionLikeness, section_likeness

NAN = float("nan")
N_FEATURES = 150
STRENGTH = {"rna": 1.0, "atac": 0.1}
"""Standard deviation of a feature's means over domains, in those of its noise."""


def verdict(explained: dict[str, float], unlikeness: np.ndarray | None = None) -> SectionLikeness:
    """Of a reference with structure in two modalities."""
    spots = np.zeros(150) if unlikeness is None else unlikeness
    return section_likeness("s", spots, explained, {"rna": 0.9, "atac": 0.8}, dict.fromkeys(explained, 0.0))


def test_a_modality_that_cannot_be_told_is_left_out() -> None:
    found = verdict({"rna": 0.88, "atac": NAN})
    assert found.verdict == "like" and found.structure == pytest.approx({"rna": 0.88 / 0.9})
    assert "structure explained: rna 98%, atac undecided (too few spots" in found.sentence("atlas")
    assert [row[2] for row in found.rows() if row[3] == "structure"] == ["rna"]
    # The other one alone says that the section is foreign, or nothing does.
    assert verdict({"rna": 0.4, "atac": NAN}).verdict == "foreign"
    assert verdict({"rna": 0.88, "atac": 0.0}).verdict == "foreign"


@pytest.mark.parametrize("explained", [{"rna": NAN, "atac": NAN}, {"rna": NAN}])
def test_where_nothing_can_be_told_it_is_said(explained: dict[str, float]) -> None:
    found = verdict(explained)
    assert found.verdict == "undecided" and "TOO SMALL OR TOO NOISY to decide" in found.sentence("atlas")
    # What spots say by themselves stays.
    spots = np.repeat([1.0, 0.0], [30, 120])
    assert verdict(explained, spots).verdict == "partly unlike"
    assert verdict(explained, spots[::-1] + 0.995).verdict == "foreign"


def test_without_structure_in_the_reference_a_section_is_judged_by_its_spots() -> None:
    assert section_likeness("s", np.zeros(9), {"rna": NAN}, {"rna": NAN}, {"rna": 0.0}).verdict == "like"


def test_nothing_is_found_only_where_it_would_have_been() -> None:
    """100 spots whose products cancel out: a sum of 0 with a standard error of 10."""
    shared = np.tile([1.0, -1.0], 50)
    none = SharedVariation(shared, shared, shared)
    assert np.isnan(none.explained_fraction()) and np.isnan(none.explained_fraction(expected=0.79))
    assert none.explained_fraction(expected=0.81) == 0
    # Half of the spots, with an error of 7.
    assert np.isnan(none.explained_fraction(slice(50), expected=1.1)) and none.explained_fraction(slice(50), 1.2) == 0
    # The last spot has no neighbours.
    some = SharedVariation(np.append(np.tile([0.5, 1.5], 50), 0), np.full(101, 0.5), np.zeros(101))
    assert some.per_spot == 1 and some.explained_fraction() == pytest.approx(50.5 / 100)
    assert np.isnan(SharedVariation(np.zeros(3), np.zeros(3), np.zeros(3)).explained_fraction(expected=1.0))


def variation(name: str, side: int, seed: int, permuted: bool = False) -> SharedVariation:
    """Of a square of three bands, by the components of the bands' true means."""
    rng = np.random.default_rng(seed)
    means = np.random.default_rng(len(name)).standard_normal((3, N_FEATURES))
    directions = np.linalg.svd(means - means.mean(axis=0), full_matrices=False)[2][:2].T
    places = np.array([(row, column) for row in range(side) for column in range(side)], dtype=float)
    bands = (places[:, 0] * 3 // side).astype(int)
    values = means[bands] * STRENGTH[name] + rng.standard_normal((side**2, N_FEATURES))
    order = rng.permutation(side**2) if permuted else np.arange(side**2)
    sections = np.repeat("s", side**2)
    graph = symmetrise(knn(places, sections, 6))
    return shared_variation(sparse.csr_matrix(values[order]), directions, graph, sections)


@pytest.mark.parametrize("side", [8, 20])
def test_small_and_faint_sections_are_not_foreign(side: int) -> None:
    """Of the same tissue and noise as the reference; in ATAC it takes more spots to see anything."""
    reference = {name: variation(name, 40, 0) for name in STRENGTH}
    whole = {name: one.explained_fraction() for name, one in reference.items()}
    assert min(whole.values()) > 0.9

    def verdicts(names: tuple[str, ...], permuted: bool) -> list[str]:
        found = []
        for seed in range(1, 6):
            explained = {
                name: variation(name, side, seed, permuted).explained_fraction(expected=reference[name].per_spot)
                for name in names
            }
            found.append(section_likeness("s", np.zeros(side**2), explained, whole, dict.fromkeys(names, 0.0)).verdict)
        return found

    assert verdicts(("rna", "atac"), False) == ["like"] * 5
    assert verdicts(("rna", "atac"), True) == ["foreign"] * 5
    assert set(verdicts(("atac",), False)) <= {"like", "undecided"}
    assert "foreign" not in verdicts(("atac",), True)
