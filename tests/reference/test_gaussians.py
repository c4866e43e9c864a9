"""The frozen mixture and the distances from it, against scikit-learn and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.mixture import GaussianMixture

from spatialweave.reference.gaussians import gaussians, weighted_gaussians
from spatialweave.reference.likeness import held_out_distances, held_out_groups, nearer, quantiles


@pytest.fixture
def spots() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    domains = rng.integers(0, 3, 900)
    means = np.array([[0.0, 0, 0], [4, 0, 1], [0, 5, -1]])
    return means[domains] + rng.normal(size=(900, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0.3], [0, 0, 0.5]]), domains


def test_probabilities_are_those_of_scikit_learn(spots):
    values, _ = spots
    model = GaussianMixture(3, covariance_type="tied", reg_covar=0, random_state=0).fit(values)
    found = weighted_gaussians(values, model.predict_proba(values))
    np.testing.assert_allclose(found.probabilities(values), model.predict_proba(values), atol=1e-3)
    assert (found.probabilities(values).argmax(axis=1) == model.predict(values)).mean() > 0.999


def test_distances_are_those_of_scipy(spots):
    values, domains = spots
    found = gaussians(values, domains, 3)
    inverse = np.linalg.inv(found.covariance)
    expected = [min(mahalanobis(x, mean, inverse) for mean in found.means) / 3**0.5 for x in values[:20]]
    np.testing.assert_allclose(found.distance(values[:20]), expected, rtol=1e-6)


def test_a_domain_without_spots_is_never_found(spots):
    values, domains = spots
    found = gaussians(values, domains, 5)
    assert set(found.probabilities(values).argmax(axis=1)) == {0, 1, 2}


def test_fractions_of_held_out_spots_are_uniform(spots):
    values, domains = spots
    groups = np.arange(900) % 3
    distances = held_out_distances(values, domains, 3, groups)
    fractions = nearer(distances, quantiles(distances))
    assert np.abs(np.quantile(fractions, [0.1, 0.5, 0.9]) - [0.1, 0.5, 0.9]).max() < 0.01
    # As of spots that had no part in anything: one in twenty above 0.95, give or take 3 standard deviations.
    rng = np.random.default_rng(6)
    new = rng.permutation(values) + rng.normal(size=values.shape) * 1e-3
    assert abs((nearer(gaussians(values, domains, 3).distance(new), quantiles(distances)) > 0.95).mean() - 0.05) < 0.022
    far = gaussians(values, domains, 3).distance(values + 30)
    assert (nearer(far, quantiles(distances)) == 1).all()


def test_equal_distances_are_not_nearer_than_each_other():
    assert nearer(np.array([0.0, 1.0, np.nan]), quantiles(np.zeros(50))).tolist() == [0.0, 1.0, 0.0]


def test_groups_are_donors_sections_or_blocks_of_one():
    nobody = np.full(3, "")
    assert held_out_groups(np.array(["a", "b", "a"]), nobody, np.zeros((3, 2))).tolist() == [0, 1, 0]
    # Two sections of one donor go together, but not those whose donor is unknown.
    sections, donors = np.array(["a", "b", "c", "d", "e"]), np.array(["P2", "P1", "P2", "", ""])
    groups = held_out_groups(sections, donors, np.zeros((5, 2)))
    assert groups[0] == groups[2] and len(set(groups.tolist())) == 4
    # Of a single donor, sections are the next best.
    assert held_out_groups(sections, np.full(5, "P1"), np.zeros((5, 2))).tolist() == [0, 1, 2, 3, 4]
    assert held_out_groups(sections, np.array([*["P1"] * 4, ""]), np.zeros((5, 2))).tolist() == [0, 1, 2, 3, 4]
    line = np.column_stack([np.zeros(100), np.arange(100.0)])
    for donor in ("", "P1"):
        groups = held_out_groups(np.full(100, "a"), np.full(100, donor), line)
        assert np.bincount(groups).tolist() == [20] * 5 and (np.diff(groups) >= 0).all()


def test_spots_of_a_new_donor_are_as_unlike_as_those_of_the_reference():
    """Three donors of three sections each, who differ more than the sections of one do."""
    rng = np.random.default_rng(0)
    means = rng.normal(0, 3, (5, 10))

    def section(donor: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        domains = rng.integers(0, 5, 200)
        return means[domains] + donor + rng.normal(0, 0.1, 10) + rng.normal(size=(200, 10)), domains

    unlike: dict[str, list[float]] = {"by section": [], "by donor": []}
    for _ in range(10):
        made = [section(donor) for donor in rng.normal(0, 0.5, (3, 10)) for _ in range(3)]
        values, domains = (np.concatenate(part) for part in zip(*made, strict=True))
        sections, donors = np.repeat(list("abcdefghi"), 200), np.repeat(["P1", "P2", "P3"], 600)
        reference, new = gaussians(values, domains, 5), section(rng.normal(0, 0.5, 10))[0]
        for name, known in (("by section", np.full(1800, "")), ("by donor", donors)):
            groups = held_out_groups(sections, known, values[:, :2])
            of_reference = quantiles(held_out_distances(values, domains, 5, groups))
            unlike[name].append(float((nearer(reference.distance(new), of_reference) > 0.95).mean()))
    assert np.mean(unlike["by section"]) > 0.1 and np.mean(unlike["by donor"]) < 0.08
