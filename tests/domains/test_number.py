"""The number of domains: criteria against their definitions, and the rule by hand and on clouds of points."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from spatialweave.domains import number
from spatialweave.domains.mixture import tied_mixture
from spatialweave.errors import InputError
from spatialweave.io.result_tables import PARTITIONS

Clouds = Callable[..., tuple[np.ndarray, np.ndarray]]


def table(stability: dict[str, dict[int, float]], seed: int = 1) -> pd.DataFrame:
    rows = [(m, seed, k, number.STABILITY, v) for m, own in stability.items() for k, v in own.items()]
    return pd.DataFrame(rows, columns=["method", "seed", "n_domains", "criterion", "value"])


def by_criterion(rows: list[tuple[int, str, float]], name: str) -> dict[int, float]:
    return {k: value for k, criterion, value in rows if criterion == name}


@pytest.mark.parametrize("k", [2, 3, 5, 8])
def test_clouds_are_counted(clouds: Clouds, k: int) -> None:
    rows = number.scan(clouds(600, 6, k, 6.0, seed=k)[0], range(2, 13), seed=0).criteria
    found = number.choose(table({"smart": by_criterion(rows, number.STABILITY)}))
    assert found.number == k
    assert not found.at_the_end


def test_criteria_are_what_they_are_called(clouds: Clouds) -> None:
    values = clouds(300, 4, 3, 5.0)[0]
    rows = number.scan(values, range(2, 6), seed=0).criteria
    assert {criterion for _, criterion, _ in rows} == set(number.CRITERIA) - {number.BETWEEN}
    assert all(-1 <= v <= 1 for v in by_criterion(rows, "silhouette").values())
    # The number that is right agrees with itself cut once more less than with itself.
    adjacent = by_criterion(rows, "adjacent")
    assert set(adjacent) == {2, 3, 4} and all(0 < v < 1 for v in adjacent.values())
    for k in range(2, 6):
        fit = tied_mixture(values, k, 0, n_random=number.N_RANDOM)
        assert by_criterion(rows, "bic")[k] == pytest.approx(fit.bic)
        assert by_criterion(rows, "icl")[k] == pytest.approx(fit.icl)


def test_tiny_domains_and_too_few_groups_are_no_error(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> None:
    """The random spots of the silhouette may all be of one domain; four of three groups are not stable but absent."""
    monkeypatch.setattr(number, "SHAPED", 20)
    values = clouds(1000, 3, 1, 1.0)[0]
    values[:2] += 100.0
    rows = number.scan(values, [2], seed=0).criteria
    assert by_criterion(rows, "silhouette") == {} and by_criterion(rows, number.STABILITY)
    three = np.repeat(np.eye(3), 40, axis=0)
    found = number.scan(three, range(2, 7), seed=0).criteria
    assert set(by_criterion(found, number.STABILITY)) == {2, 3}


def test_stability_is_the_agreement_of_halves(clouds: Clouds) -> None:
    values = clouds(200, 3, 4, 2.0)[0]
    rng = np.random.default_rng(5)
    expected = []
    for _ in range(number.DIVISIONS):
        order = rng.permutation(200)
        parts = [KMeans(4, n_init=number.N_INIT, random_state=5).fit(values[h]) for h in (order[:100], order[100:])]
        expected.append(adjusted_rand_score(*(part.predict(values) for part in parts)))
    rows = number.scan(values, [4], seed=5).criteria
    assert by_criterion(rows, number.STABILITY)[4] == pytest.approx(np.mean(expected))


def test_held_out_likelihood_is_highest_at_the_number_of_clouds(clouds: Clouds) -> None:
    rows = number.scan(clouds(600, 4, 4, 5.0)[0], range(2, 9), seed=0).criteria
    held_out = by_criterion(rows, "held_out")
    assert max(held_out, key=lambda k: held_out[k]) == 4


def test_methods_agree_on_the_spots_that_both_have() -> None:
    """By hand: two runs of a method that find the same, one of another that mixes half of it."""
    partitions = {("a", 1): [1, 1, 2, 2], ("a", 2): [2, 2, 1, 1], ("b", 1): [1, 2, 1, 2]}
    rows = [("d", *run, 2, spot, domain) for run, own in partitions.items() for spot, domain in enumerate(own)]
    # Another number that one method has only; rows in any order.
    rows += [("d", "a", 1, 3, spot, 1) for spot in range(4)]
    table = PARTITIONS.frame(rows).sample(frac=1, random_state=0)
    found = {(method, seed, k): value for _, method, seed, k, _, value in number.between_methods(table)}
    assert found == pytest.approx({("a", 1, 2): -0.5, ("a", 2, 2): -0.5, ("b", 1, 2): -0.5})


def test_partitions_of_all_seeds_are_of_the_same_spots(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number, "SPOTS", 300)
    monkeypatch.setattr(number, "COMPARED", 50)
    values, truth = clouds(1000, 4, 3, 6.0)
    first, second = (number.scan(values, [3, 4], seed) for seed in (0, 1))
    assert first.spots.tolist() == second.spots.tolist() and len(set(first.spots)) == 50
    assert adjusted_rand_score(truth[first.spots], first.partitions[3]) == 1.0
    rows = list(first.partition_rows("d", "a", 0))
    assert len(rows) == 100 and rows[0] == ("d", "a", 0, 3, int(first.spots[0]), int(first.partitions[3][0]))


def test_many_spots_are_sampled_and_few_limit_the_range(clouds: Clouds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number, "SPOTS", 200)
    rows = number.scan(clouds(3000, 4, 3, 6.0)[0], range(2, 7), seed=0).criteria
    assert number.choose(table({"a": by_criterion(rows, number.STABILITY)})).number == 3
    assert set(by_criterion(number.scan(np.arange(9.0)[:, None], range(2, 9), 0).criteria, number.STABILITY)) == {
        2,
        3,
        4,
    }
    # Two distinct rows have no third domain.
    two = number.scan(np.repeat(np.eye(2), 20, axis=0), range(2, 9), 0).criteria
    assert max(k for k, _, _ in two) == 3
    assert number.scan(np.zeros((3, 2)), range(2, 9), 0).criteria == []


def test_the_rule_by_hand() -> None:
    # Means: 2 0.9, 3 0.95, 4 0.94, 5 0.7, 6 0.8. 4 is the largest within 0.02 of the best; 2 beats 6.
    found = number.choose(
        table({"a": {2: 1.0, 3: 1.0, 4: 0.98, 5: 0.6, 6: 0.8}, "b": {2: 0.8, 3: 0.9, 4: 0.9, 5: 0.8, 6: 0.8}})
    )
    assert (found.number, found.runner_up, found.at_the_end) == (4, 2, False)
    assert found.stability == pytest.approx({2: 0.9, 3: 0.95, 4: 0.94, 5: 0.7, 6: 0.8})


def test_seeds_of_a_method_count_once() -> None:
    rows = pd.concat([table({"a": {2: 0.5, 3: 0.9}}, seed) for seed in (1, 2, 3)])
    found = number.choose(pd.concat([rows, table({"b": {2: 1.0, 3: 0.5}})]))
    assert found.stability == pytest.approx({2: 0.75, 3: 0.7})
    assert found.number == 2 and found.runner_up is None


def test_a_collapsed_run_does_not_limit_the_numbers(clouds: Clouds) -> None:
    """Six clouds, and a run whose embedding has three distinct rows: it took part in none of the means."""
    values, _ = clouds(200, 8, 6, 6.0)
    rng = np.random.default_rng(0)
    runs = {"a": values, "b": values + rng.normal(0, 0.5, values.shape), "c": np.eye(3)[rng.integers(0, 3, 200)]}
    found = {
        method: by_criterion(number.scan(own, range(3, 9), seed=1).criteria, number.STABILITY)
        for method, own in runs.items()
    }
    assert set(found["c"]) == {3}
    chosen = number.choose(table(found))
    assert (chosen.number, chosen.left_out, chosen.at_the_end) == (6, ["c.seed1"], False)
    assert chosen.stability == number.choose(table({m: own for m, own in found.items() if m != "c"})).stability
    # Beside a single method it is left out as well, and of several seeds the collapsed one alone.
    assert number.choose(table({"a": found["a"], "c": found["c"]})).left_out == ["c.seed1"]
    seeds = pd.concat([table({"a": found["a"]}, 1), table({"a": found["c"]}, 2)])
    assert number.choose(seeds).left_out == ["a.seed2"]


def test_a_run_below_the_smallest_number_is_left_out(clouds: Clouds) -> None:
    """Two distinct rows, where three domains are the fewest: criteria of the mixture, but no stability at all."""
    rng = np.random.default_rng(0)
    runs = {1: clouds(200, 8, 6, 6.0)[0], 2: clouds(200, 8, 6, 6.0, seed=9)[0], 3: np.eye(2)[rng.integers(0, 2, 200)]}
    rows = {seed: number.scan(own, range(3, 9), seed).criteria for seed, own in runs.items()}
    assert {criterion for _, criterion, _ in rows[3]} >= {"bic", "icl"} and not by_criterion(rows[3], number.STABILITY)
    columns = ["method", "seed", "n_domains", "criterion", "value"]
    every = pd.DataFrame([("a", seed, *row) for seed, own in rows.items() for row in own], columns=columns)
    healthy = number.choose(every[every["seed"] < 3])
    found = number.choose(every)
    assert found.left_out == ["a.seed3"] and healthy.left_out == []
    assert (found.number, found.stability) == (healthy.number, healthy.stability)


def test_numbers_that_few_methods_reach_are_left_out() -> None:
    """Four domains were tried for one of three methods: the two others are not collapsed."""
    found = number.choose(table({"a": {2: 0.5, 3: 0.9}, "b": {2: 0.5, 3: 0.9}, "c": {2: 0.5, 3: 0.9, 4: 1.0}}))
    assert set(found.stability) == {2, 3} and found.left_out == []


@pytest.mark.parametrize(
    ("stability", "expected"),
    [
        ({2: 0.5, 3: 0.9}, True),
        # Three are the fewest that are tried unless others are asked for; two may fit better.
        ({3: 0.9, 4: 0.5}, True),
        ({4: 0.9, 5: 0.5}, True),
        ({2: 0.9, 3: 0.5}, False),
        ({4: 0.1, 5: 0.9, 6: 0.5}, False),
    ],
)
def test_a_choice_at_the_end_says_so(stability: dict[int, float], expected: bool) -> None:
    assert number.choose(table({"a": stability})).at_the_end is expected


def test_nothing_to_choose_from_is_refused() -> None:
    with pytest.raises(InputError, match="there are too few spots to choose it"):
        number.choose(table({"a": {}}))
