"""The run to show first."""

from __future__ import annotations

import numpy as np

from spatialweave.results.first_run import best_run

from ..comparison.made import make_metrics


def available(*runs: tuple[str, int]) -> dict[tuple[str, int], np.ndarray]:
    """Runs with the same domains."""
    return {run: np.array([1, 1, 2, 2]) for run in runs}


def test_best_run_takes_the_best_method_by_mean() -> None:
    table = make_metrics([("a", 1, "ari", 0.9), ("a", 2, "ari", 0.1), ("b", 1, "ari", 0.6), ("b", 2, "ari", 0.7)])
    best = best_run(table, available(("a", 1), ("a", 2), ("b", 1), ("b", 2)))
    assert best is not None
    assert (best.method, best.seed, best.by_labels) == ("b", 1, True)
    assert "0.650" in best.why


def test_labels_do_not_choose_the_seed() -> None:
    table = make_metrics([("a", seed, "ari", value) for seed, value in ((1, 0.9), (2, 0.2), (3, 0.3))])
    # Seeds 2 and 3 are alike but for one spot, seed 1, the one nearest to the labels, is like neither.
    domains = {
        ("a", 1): np.array([1, 1, 2, 2, 3, 3]),
        ("a", 2): np.array([1, 2, 1, 2, 1, 2]),
        ("a", 3): np.array([1, 2, 1, 2, 1, 1]),
    }
    best = best_run(table, domains)
    assert best is not None
    assert best.seed != 1
    assert "agrees most with the others" in best.why


def test_an_only_method_is_not_compared() -> None:
    best = best_run(make_metrics([("a", 1, "silhouette", 0.2)]), available(("a", 1)))
    assert best is not None and best.why == "the only method"


def test_without_labels_the_first_method_that_was_given_is_shown() -> None:
    """Smoothness is no reason: b is smoother by every metric, and a was given first."""
    table = make_metrics([(m, s, "pas", v) for m, v in (("a", 0.5), ("b", 0.2)) for s in (1, 2, 3)])
    # Seeds 1 and 3 of a each differ from seed 2 at one spot, and from each other at two.
    domains = {
        ("a", 1): np.array([1, 1, 2, 2, 3, 2]),
        ("a", 2): np.array([1, 1, 2, 2, 3, 3]),
        ("a", 3): np.array([1, 2, 2, 2, 3, 3]),
    } | available(("b", 1))
    best = best_run(table, domains, ["a", "b"])
    assert best is not None and (best.method, best.seed, best.by_labels) == ("a", 2, False)
    assert best.why.startswith("the first method in --methods, controls aside, since without labels nothing shows")
    assert best.why.endswith("the seed that agrees most with the others")
    best = best_run(table, domains, ["b", "a"])
    assert best is not None and best.method == "b"
    # A control that was given first is shown only where there is nothing else.
    best = best_run(table, domains | available(("noise", 1)), ["noise", "b", "a"])
    assert best is not None and best.method == "b"


def test_a_control_is_shown_first_only_where_there_is_nothing_else() -> None:
    values = [("pca_smooth", 0.9), ("coordinates", 0.8), ("a", 0.2)]
    for metric in ("ari", "silhouette"):
        table = make_metrics([(method, 1, metric, value) for method, value in values])
        best = best_run(table, available(*((method, 1) for method, _ in values), ("weave", 1)))
        assert best is not None and best.method == "a"
        best = best_run(table, available(("pca_smooth", 1), ("coordinates", 1)), ["pca_smooth", "coordinates"])
        assert best is not None and best.method == "pca_smooth"


def test_best_run_needs_domains() -> None:
    table = make_metrics([("a", 1, "ari", 0.9), ("b", 1, "ari", 0.5)])
    best = best_run(table, available(("b", 1)))
    assert best is not None
    assert best.method == "b"
    assert best_run(table, {}) is None
    without = best_run(table.iloc[:0], available(("z", 3)))
    assert without is not None
    assert (without.method, without.seed) == ("z", 3)


def test_of_equal_seeds_the_first_is_shown() -> None:
    best = best_run(make_metrics([("a", 3, "ari", 0.5), ("a", 2, "ari", 0.5)]), available(("a", 3), ("a", 2)))
    assert best is not None
    assert (best.method, best.seed) == ("a", 2)
