"""Neighbourhoods of domains under conditions, on strips of tissue."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.cohort.abundance import sizes_of
from spatialweave.cohort.neighbourhoods import contacts, differential_neighbourhoods, enrichment
from spatialweave.cohort.samples import read_samples

HEIGHT = 30


def strip(order: list[int], rng: np.random.Generator) -> tuple[np.ndarray, sparse.csr_matrix]:
    """Domains as vertical bands in this order, 5 to 7 columns each, on a square grid."""
    columns = np.repeat(order, rng.integers(5, 8, len(order)))
    domains = np.tile(columns, HEIGHT)
    index = np.arange(len(domains)).reshape(HEIGHT, len(columns))
    pairs = np.concatenate(
        [np.stack([index[:, :-1].ravel(), index[:, 1:].ravel()]), np.stack([index[:-1].ravel(), index[1:].ravel()])],
        axis=1,
    )
    edges = sparse.coo_matrix((np.ones(pairs.shape[1]), pairs), shape=(len(domains),) * 2)
    return domains, (edges + edges.T).tocsr()


def cohort(orders: list[list[int]], seed: int = 0):
    rng = np.random.default_rng(seed)
    strips = [strip(order, rng) for order in orders]
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
    rows = pd.DataFrame(differential_neighbourhoods(samples, domains, sizes_of(samples, domains), graph))
    rows = rows.set_index(["domain", "neighbour"])
    assert rows.loc[(4, 1), "difference"] > 3 and rows.loc[(4, 3), "difference"] < -3
    assert (rows.loc[[(4, 1), (4, 3)], "p_adjusted"] < 0.001).all()
    # Domain 2 lies between 1 and 3 in both.
    assert (rows.loc[[(2, 1), (2, 3)], "p_adjusted"] > 0.05).all()


def test_abundance_alone_is_no_change_of_neighbourhood() -> None:
    """Every spot has a random domain; under b one domain is three times as common."""
    rng = np.random.default_rng(1)
    samples, domains, graph = cohort([[0, 1, 2, 3]] * 8)
    weights = np.where(samples.of_spot[:, None] < 4, [1, 1, 1, 1], [1, 1, 3, 1])
    drawn = (weights.cumsum(axis=1) < rng.random(len(domains))[:, None] * weights.sum(axis=1, keepdims=True)).sum(
        axis=1
    )
    domains = pd.Series(drawn + 1)
    rows = pd.DataFrame(differential_neighbourhoods(samples, domains, sizes_of(samples, domains), graph))
    assert len(rows) == 12 and (rows["p_adjusted"] > 0.05).all()
    np.testing.assert_allclose(rows[["enrichment", "enrichment_reference"]], 0, atol=0.2)


def test_samples_with_few_spots_of_a_domain_say_nothing() -> None:
    touching = np.array([[[0, 40], [40, 0]], [[0, 12], [12, 0]]])
    found = enrichment(touching, np.array([[50, 60], [50, 9]]))
    # All contacts go to the only other domain.
    assert found[0, 0, 1] == pytest.approx(0) and np.isnan(found[1]).all()
