"""Mixing of sections against values worked out by hand, scipy, scikit-learn and scib-metrics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from scipy.stats import chisquare
from sklearn.metrics import silhouette_samples
from sklearn.neighbors import kneighbors_graph

from spatialweave.graphs import nearest
from spatialweave.metrics import mixing
from spatialweave.metrics.neighbours import nearest_others

from .three_sections import three_sections


def test_values_of_scib_metrics():
    """What scib-metrics 0.5.10 gives for these spots from their 90 (LISI) and 50 (kBET) nearest other spots."""
    values, sections, labels = three_sections()
    effective = mixing.effective_sections(values, sections, seed=0)
    assert effective == pytest.approx(2.311203, abs=2e-5)
    assert mixing.ilisi(effective, 3) == pytest.approx(0.6556015, abs=1e-5)
    assert mixing.kbet(values, sections, seed=0) == pytest.approx(0.7816666666666666)
    assert mixing.batch_silhouette(values, sections, labels, seed=0) == pytest.approx(0.9345001, abs=1e-6)


def test_lisi_by_hand():
    """Equal distances weigh the same: of four neighbours three are in one section, one in the other."""
    distances = np.full((3, 4), 2.0)
    codes = np.array([[0, 0, 0, 1], [0, 0, 0, 0], [0, 1, 2, 3]])
    assert mixing.lisi(distances, codes, 2.0) == pytest.approx([1 / (9 / 16 + 1 / 16), 1.0, 4.0])
    # Two neighbours with weights p and 1 - p, entropy log 1.5; the nearer one weighs more.
    p = brentq(lambda p: -p * np.log(p) - (1 - p) * np.log(1 - p) - np.log(1.5), 0.5, 1 - 1e-9)
    found = mixing.lisi(np.array([[1.0, 3.0], [0.1, 0.3]]), np.array([[0, 1], [1, 0]]), 1.5)
    assert found == pytest.approx(1 / (p**2 + (1 - p) ** 2))


def test_lisi_by_definition():
    values, sections, _ = three_sections()
    codes = np.unique(sections, return_inverse=True)[1]
    rows = [3, 250, 480, 599]
    neighbours, distances = nearest_others(values, np.array(rows), 90)
    found = mixing.lisi(distances, codes[neighbours], 30.0)
    for position, row in enumerate(rows):
        everyone = cdist(values[[row]], values)[0]
        order = np.argsort(everyone)[1:91]

        def weights(beta: float, near: np.ndarray = everyone[order]) -> np.ndarray:
            raw = np.exp(-beta * near)
            return raw / raw.sum()

        beta = brentq(lambda beta: -(weights(beta) @ np.log(weights(beta))) - np.log(30), 1e-3, 50)
        fractions = np.bincount(codes[order], weights(beta))
        assert found[position] == pytest.approx(1 / (fractions**2).sum(), rel=1e-9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 999), st.floats(1e-4, 1e4), st.integers(2, 5), st.integers(1, 40))
def test_lisi_bounds_and_units(seed, unit, n_sections, n_neighbours):
    rng = np.random.default_rng(seed)
    distances = np.sort(rng.exponential(size=(5, n_neighbours)), axis=1)
    codes = rng.integers(0, n_sections, (5, n_neighbours))
    found = mixing.lisi(distances, codes, max(n_neighbours / 3, 1.0))
    assert ((found >= 1 - 1e-9) & (found <= n_sections + 1e-9)).all()
    assert mixing.lisi(unit * distances, codes, max(n_neighbours / 3, 1.0)) == pytest.approx(found, rel=1e-6)


def test_perfect_mixing_and_none():
    rng = np.random.default_rng(1)
    values, sections = rng.normal(size=(900, 3)), rng.choice(["a", "b", "c"], 900)
    mixed = mixing.effective_sections(values, sections, seed=0)
    # Thirty neighbours in effect hold three equal sections about 10 times each, give or take.
    assert mixed == pytest.approx(1 / (1 / 3 + (2 / 3) / 30), abs=0.12) and mixing.ilisi(mixed, 3) == pytest.approx(
        (mixed - 1) / 2
    )
    # A true null hypothesis is kept in 95% of the tests; neighbourhoods overlap, which widens the range.
    assert mixing.kbet(values, sections, seed=0) == pytest.approx(0.95, abs=0.04)
    labels = rng.choice(["x", "y"], 900)
    assert mixing.batch_silhouette(values, sections, labels, seed=0) > 0.95
    apart = values + 100 * np.unique(sections, return_inverse=True)[1][:, None]
    assert mixing.effective_sections(apart, sections, seed=0) == pytest.approx(1.0)
    assert mixing.kbet(apart, sections, seed=0) == 0.0
    assert mixing.batch_silhouette(apart, sections, labels, seed=0) < 0.05
    # Of three separate sections, each holds about a third of a label's spots.
    largest = [max(np.bincount(np.unique(sections[labels == x], return_inverse=True)[1])) for x in ("x", "y")]
    sizes = [(labels == x).sum() for x in ("x", "y")]
    expected = np.mean(np.divide(largest, sizes))
    assert mixing.graph_connectivity(apart, labels, seed=0) == pytest.approx(expected)


@pytest.mark.parametrize("size", [6, 9, 14])
def test_kbet_is_not_defined_for_sections_smaller_than_a_neighbourhood(size):
    """Of two separate sections of nine spots, the ten nearest are eight of the same and two of the other."""
    values = np.random.default_rng(0).normal(size=(2 * size, 2)) + np.repeat([[0], [1000]], size, axis=0)
    sections = np.repeat(["a", "b"], size)
    assert np.isnan(mixing.kbet(values, sections, seed=0))
    assert np.isnan(mixing.kbet_per_label(values, sections, np.full(2 * size, "x"), seed=0))


def test_kbet_rejects_the_smallest_separate_sections_that_it_takes():
    values = np.random.default_rng(0).normal(size=(30, 2)) + np.repeat([[0], [1000]], 15, axis=0)
    assert mixing.kbet(values, np.repeat(["a", "b"], 15), seed=0) == 0.0


def test_kbet_equals_scipy():
    values, sections, _ = three_sections()
    codes, sizes = np.unique(sections, return_inverse=True, return_counts=True)[1:]
    near = np.argsort(cdist(values, values), axis=1)[:, 1:51]  # a quarter of 200
    kept = [
        chisquare(np.bincount(codes[row], minlength=3), 50 * sizes / 600).pvalue >= mixing.SIGNIFICANCE for row in near
    ]
    assert mixing.kbet(values, sections, seed=0) == pytest.approx(np.mean(kept))


def test_kbet_per_label_forgives_composition():
    """Label x is nearly all of section a, y nearly all of b; each label's spots mix perfectly."""
    rng = np.random.default_rng(0)
    sections = np.repeat(["a", "b", "a", "b"], [360, 40, 40, 360])
    labels = np.repeat(["x", "y"], 400)
    values = rng.normal(size=(800, 2)) + 50 * (labels == "y")[:, None]
    assert mixing.kbet(values, sections, seed=0) == 0.0
    both = [mixing.kbet(values[labels == x], sections[labels == x], seed=0) for x in ("x", "y")]
    found = mixing.kbet_per_label(values, sections, labels, seed=0)
    assert found == pytest.approx(np.mean(both)) and found > 0.85
    # Neither a label in one section nor one of too few spots nor spots without a label count.
    extra = np.concatenate([values, values[:30]])
    more = np.concatenate([labels, np.repeat(["only a", "few", ""], [15, 10, 5])])
    where = np.concatenate([sections, np.repeat("a", 15), np.tile(["a", "b"], 5), np.tile(["b"], 5)])
    assert mixing.kbet_per_label(extra, where, more, seed=0) == pytest.approx(found)


def test_graph_connectivity_by_hand():
    """Label x: 20 spots here and 10 far away; y: 18 together among unlabelled ones; no one's 15 nearest are far."""
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.random((20, 2)), 100 + rng.random((18, 2)), 200 + rng.random((30, 2))])
    labels = np.array(["x"] * 20 + ["x"] * 10 + [""] * 8 + ["y"] * 18 + [""] * 12)
    assert mixing.graph_connectivity(values, labels, seed=0) == pytest.approx((20 / 30 + 1) / 2)


def test_graph_connectivity_equals_scipy():
    rng = np.random.default_rng(3)
    values, labels = rng.normal(size=(300, 12)), rng.choice(list("abcdefghijkl"), 300)
    near = kneighbors_graph(values, 15)
    both = ((near + near.T) > 0).tocsr()
    truth = []
    for label in np.unique(labels):
        own = labels == label
        truth.append(np.bincount(connected_components(both[own][:, own])[1]).max() / own.sum())
    assert 0.3 < np.mean(truth) < 0.99
    assert mixing.graph_connectivity(values, labels, seed=0) == pytest.approx(np.mean(truth))


def test_batch_silhouette_equals_scikit_learn():
    values, sections, labels = three_sections()
    labels[::7] = ""
    labels[:5], sections[:5] = "alone", "a"
    truth = [
        np.mean(1 - np.abs(silhouette_samples(values[labels == x], sections[labels == x])))
        for x in ("0", "1", "2", "3")
    ]
    assert mixing.batch_silhouette(values, sections, labels, seed=0) == pytest.approx(np.mean(truth))


def test_samples_represent_all(monkeypatch):
    values, sections, labels = three_sections()
    full = mixing.kbet(values, sections, 0), mixing.batch_silhouette(values, sections, labels, 0)
    median = mixing.effective_sections(values, sections, 0)
    monkeypatch.setattr(mixing, "ANCHORS", 300)
    monkeypatch.setattr(mixing, "SILHOUETTE_SPOTS", 100)
    some = mixing.kbet(values, sections, 1), mixing.batch_silhouette(values, sections, labels, 1)
    assert some != full and some == pytest.approx(full, abs=0.06)
    assert mixing.effective_sections(values, sections, 1) == pytest.approx(median, abs=0.12)
    again = mixing.kbet(values, sections, 1), mixing.batch_silhouette(values, sections, labels, 1)
    assert some == again


def test_connectivity_of_a_sample(monkeypatch):
    """Two thirds of label x here, one third far away: so in a sample, too."""
    rng = np.random.default_rng(0)
    far = np.repeat([0.0, 100.0], [800, 400])
    values, labels = rng.random((1200, 2)) + far[:, None], np.repeat("x", 1200)
    assert mixing.graph_connectivity(values, labels, seed=0) == pytest.approx(2 / 3)
    monkeypatch.setattr(mixing, "CONNECTIVITY_SPOTS", 400)
    some = mixing.graph_connectivity(values, labels, seed=0)
    assert some == pytest.approx(2 / 3, abs=0.06) and some != pytest.approx(2 / 3, abs=1e-6)
    assert some == mixing.graph_connectivity(values, labels, seed=0)


def test_approximate_neighbours_give_the_same_values(monkeypatch):
    rng = np.random.default_rng(0)
    values, sections = rng.normal(size=(20_000, 8)), rng.choice(["a", "b"], 20_000, p=[0.7, 0.3])
    exact = mixing.effective_sections(values, sections, 0), mixing.kbet(values, sections, 0)
    monkeypatch.setattr(nearest, "EXACT_LIMIT", 10_000)
    rough = mixing.effective_sections(values, sections, 0), mixing.kbet(values, sections, 0)
    assert rough == pytest.approx(exact, abs=0.02)


def test_many_spots_at_one_point():
    values, sections = np.zeros((400, 3)), np.tile(["a", "b"], 200)
    assert 1.0 <= mixing.effective_sections(values, sections, 0) <= 2.0
    assert 0.0 <= mixing.kbet(values, sections, 0) <= 1.0
    neighbours, _ = nearest_others(values, np.arange(400), 10)
    assert (neighbours != np.arange(400)[:, None]).all()
