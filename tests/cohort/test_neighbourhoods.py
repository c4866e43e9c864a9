"""Neighbourhoods of domains under conditions, on strips of tissue."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.ndimage import gaussian_filter

from spatialweave.cohort.abundance import sizes_of
from spatialweave.cohort.linear import mean_effect
from spatialweave.cohort.neighbourhoods import (
    borders,
    contacts,
    differential_neighbourhoods,
    log_odds,
    sampling_variance,
)
from spatialweave.cohort.samples import Remark, Samples, read_samples

HEIGHT = 30


def strip(order: list[int], rng: np.random.Generator) -> tuple[np.ndarray, sparse.csr_matrix]:
    """Domains as vertical bands in this order, 5 to 7 columns each, on a square grid."""
    columns = np.repeat(order, rng.integers(5, 8, len(order)))
    return np.tile(columns, HEIGHT), grid(HEIGHT, len(columns))


def grid(height: int, width: int) -> sparse.csr_matrix:
    """The graph of a square grid."""
    index = np.arange(height * width).reshape(height, width)
    pairs = np.concatenate(
        [np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()]), np.stack([index[:-1].ravel(), index[1:].ravel()])],
        axis=1,
    )
    edges = sparse.coo_matrix((np.ones(pairs.shape[1]), pairs), shape=(index.size,) * 2)
    return (edges + edges.T).tocsr()


def cohort(orders: list[list[int]], seed: int = 0):
    rng = np.random.default_rng(seed)
    return cohort_of([strip(order, rng) for order in orders])


def cohort_of(strips: list[tuple[np.ndarray, sparse.csr_matrix]]):
    """One section of each donor; the second half has the condition b."""
    sections = pd.Series(np.repeat([f"s{i}" for i in range(len(strips))], [len(domains) for domains, _graph in strips]))
    domains = pd.Series(np.concatenate([domains for domains, _graph in strips]) + 1)
    graph = sparse.block_diag([graph for _domains, graph in strips], format="csr")
    names = sections.unique()
    condition = {name: "a" if i < len(names) // 2 else "b" for i, name in enumerate(names)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_samples("x", sections, {name: name for name in names}, condition), domains, graph


def test_contacts_are_counted_in_each_sample() -> None:
    samples, domains, graph = cohort([[0, 1, 2], [2, 0, 1], [0, 1], [1, 2]])
    found = contacts(samples, domains.to_numpy() - 1, 3, graph)
    # Bands touch along their height.
    assert found[0, 0, 1] == found[0, 1, 0] == found[0, 1, 2] == HEIGHT and found[0, 0, 2] == 0
    assert found[1, 2, 0] == HEIGHT and found[1, 2, 1] == 0
    assert found.sum() == graph.nnz


def test_a_swap_of_neighbours_is_found() -> None:
    """Under b domain 4 lies beside 1 and no longer beside 3; what 1 and 2 share stays."""
    samples, domains, graph = cohort([[0, 1, 2, 3]] * 4 + [[3, 0, 1, 2]] * 4)
    rows = pd.DataFrame(differential_neighbourhoods(samples, domains, sizes_of(samples, domains), graph)[0])
    rows = rows.set_index(["domain", "neighbour"])
    assert rows.loc[(4, 1), "log2_odds_ratio"] > 6 and rows.loc[(4, 3), "log2_odds_ratio"] < -6
    assert rows.loc[(4, 1), ["border", "border_reference"]].tolist() == [1, 0]
    assert (rows.loc[[(4, 1), (4, 3)], "p_adjusted"] < 0.001).all()
    # Domain 2 lies between 1 and 3 in both: half of its border is with each, everywhere.
    assert (2, 1) not in rows.index and (2, 3) not in rows.index


def test_a_domain_that_grows_is_no_change_of_neighbourhood() -> None:
    """Under b the second band is twice as wide; who touches whom is the same."""
    samples, domains, graph = cohort([[0, 1, 2, 0]] * 4 + [[0, 1, 1, 2, 0]] * 4)
    rows = pd.DataFrame(differential_neighbourhoods(samples, domains, sizes_of(samples, domains), graph)[0])
    assert len(rows) == 0


def test_chance_changes_of_a_mixed_border_are_not_called() -> None:
    """Every spot has a random domain."""
    rng = np.random.default_rng(1)
    samples, domains, graph = cohort([[0, 1, 2, 3]] * 8)
    domains = pd.Series(rng.integers(1, 5, len(domains)))
    rows = pd.DataFrame(differential_neighbourhoods(samples, domains, sizes_of(samples, domains), graph)[0])
    assert len(rows) == 12 and (rows["p_adjusted"] > 0.05).all()
    np.testing.assert_allclose(rows[["border", "border_reference"]], 1 / 3, atol=0.05)


def test_samples_with_few_spots_of_a_domain_say_nothing() -> None:
    touching = np.array([[[0, 40, 10], [40, 0, 0], [10, 0, 0]]] * 2)
    found = borders(touching, np.array([[50, 60, 70], [50, 9, 70]]))
    np.testing.assert_allclose(found[0], [[np.nan, 0.8, 0.2], [1, np.nan, 0], [1, 0, np.nan]])
    np.testing.assert_allclose(found[1], [[np.nan, np.nan, 0.2], [np.nan] * 3, [1, np.nan, np.nan]])


def test_one_donor_is_no_evidence() -> None:
    """Only one donor of b has enough spots of domain 3, which lies at domain 1 there and nowhere else."""

    def tissue(spots: int, beside: bool) -> tuple[np.ndarray, sparse.csr_matrix]:
        domains = np.zeros((20, 10), dtype=int)
        domains[10:] = 1
        inside = [(row, column) for row in range(13, 19) for column in range(3, 6)][:spots]
        for row, column in [(10, 5), *inside[1:]] if beside else inside:
            domains[row, column] = 2
        return domains.ravel(), grid(20, 10)

    samples, domains, graph = cohort_of([tissue(12, False)] * 4 + [tissue(12, True)] + [tissue(8, False)] * 3)
    rows = pd.DataFrame(differential_neighbourhoods(samples, domains, sizes_of(samples, domains), graph)[0])
    assert set(zip(rows["domain"], rows["neighbour"], strict=True)) == {(1, 2), (2, 1)} and (rows["p"] > 0.3).all()


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.1, 0.5, 0.97])
@pytest.mark.parametrize("total", [100, 1000])
def test_the_sampling_variance_is_that_of_binomial_draws(fraction: float, total: int) -> None:
    smoothed = (fraction * total + 0.5) / (total + 1)
    drawn = log_odds(np.random.default_rng(0).binomial(total, smoothed, 20_000) / total)
    assert sampling_variance(np.array(fraction), np.array(total)) == pytest.approx(drawn.var(), rel=0.4)


def effects(rng: np.random.Generator, n: int, fractions: list[tuple[float, float]], contacts_each: int) -> np.ndarray:
    """The p values of n + n donors whose fractions are beta, (mean, a + b) under each condition, contacts binomial."""
    p = []
    design = np.column_stack([np.repeat([0.0, 1.0], n), np.ones(2 * n)])
    for _ in range(200):
        own = np.concatenate([rng.beta(mean * size, (1 - mean) * size, n) for mean, size in fractions])
        found = rng.binomial(contacts_each, own) / contacts_each
        p.append(mean_effect(log_odds(found), design, sampling_variance(found, np.full(2 * n, contacts_each))).p)
    return np.array(p)


@pytest.mark.parametrize("n", [2, 4])
@pytest.mark.parametrize("mean", [0.02, 0.3])
def test_borders_that_are_often_none_are_not_called(n: int, mean: float) -> None:
    """Of a rare neighbour most donors have no border at all."""
    p = effects(np.random.default_rng(0), n, [(mean, 3.0)] * 2, 100)
    # Of 200 draws, two standard errors above 5%.
    assert np.nanmean(p < 0.05) <= 0.08 and np.nanmin(p) > 1e-6


def test_equal_borders_of_two_donors_are_no_proof() -> None:
    """[0, 0] against [1, 1] leaves no residual."""
    found, total = np.array([0.0, 0, 1, 1]), np.full(4, 100)
    design = np.column_stack([[0.0, 0, 1, 1], np.ones(4)])
    effect = mean_effect(log_odds(found), design, sampling_variance(found, total))
    # By hand: the difference over its standard error, with two degrees of freedom, whose t has this tail.
    t = 2 * np.log2(1.01 / 0.01) / np.sqrt(sampling_variance(found, total)[0])
    assert effect.p == pytest.approx(1 - t / np.sqrt(t**2 + 2)) and 0.001 < effect.p < 0.01


def test_a_border_that_changes_is_found() -> None:
    """From a fifth to a half, with donors that differ, in 4 + 4 donors."""
    assert (effects(np.random.default_rng(0), 4, [(0.2, 30.0), (0.5, 30.0)], 100) < 0.05).mean() > 0.9


def test_tissues_of_one_kind_do_not_differ() -> None:
    """Domains are where the highest of five smooth random fields is; borders are few and in pieces."""
    rng = np.random.default_rng(0)
    graph, p = grid(24, 24), []
    for _ in range(10):
        shift = rng.normal(0, 0.4, (5, 1, 1))
        fields = gaussian_filter(rng.standard_normal((8, 5, 24, 24)), (0, 0, 3, 3), mode="nearest")
        highest = (fields / fields.std() + shift).argmax(axis=1).reshape(8, -1)
        samples, domains, whole = cohort_of([(one, graph) for one in highest])
        rows, _ = differential_neighbourhoods(samples, domains, sizes_of(samples, domains), whole)
        p += [row["p"] for row in rows]
    assert len(p) > 150 and np.mean(np.array(p) < 0.05) <= 0.06 and min(p) > 1e-6


def test_permuted_conditions_find_nothing() -> None:
    """0 findings in 19 of 20 permutations of the conditions of a cohort in which one domain is larger under b."""
    rng = np.random.default_rng(2)
    fields = gaussian_filter(rng.standard_normal((8, 5, 24, 24)), (0, 0, 3, 3), mode="nearest")
    fields[4:, 2] += fields.std()
    samples, domains, whole = cohort_of([(one, grid(24, 24)) for one in fields.argmax(axis=1).reshape(8, -1)])
    sizes, conditions, findings = sizes_of(samples, domains), samples.table["condition"].to_numpy(), 0
    for _ in range(20):
        shuffled = Samples(samples.table.assign(condition=rng.permutation(conditions)), samples.of_spot, "a")
        rows, _ = differential_neighbourhoods(shuffled, domains, sizes, whole)
        findings += any(row["p_adjusted"] < 0.05 for row in rows)
    assert findings <= 1


def test_what_is_not_tested_has_a_reason() -> None:
    samples, domains, graph = cohort([[0, 1, 2]] * 4)
    rows, untested = differential_neighbourhoods(samples, domains, sizes_of(samples, domains), graph)
    assert rows == []
    assert untested == [Remark("b", "the same neighbours, in the same fractions, in all donors", (1, 2, 3))]
    few = pd.Series(np.where(np.arange(len(domains)) % 100 == 0, 2, 1))
    rows, untested = differential_neighbourhoods(samples, few, sizes_of(samples, few), graph)
    assert rows == []
    assert untested == [Remark("b", "no neighbour with 10 spots of both in 2 donors of either condition", (1, 2))]
