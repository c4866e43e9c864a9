"""Neighbourhoods of domains under conditions, on strips of tissue."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
from scipy import sparse

from spatialweave.cohort.abundance import sizes_of
from spatialweave.cohort.neighbourhoods import borders, contacts, differential_neighbourhoods
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
    assert rows.loc[(4, 1), "log2_odds_ratio"] > 6 and rows.loc[(4, 3), "log2_odds_ratio"] < -6
    assert rows.loc[(4, 1), ["border", "border_reference"]].tolist() == [1, 0]
    assert (rows.loc[[(4, 1), (4, 3)], "p_adjusted"] < 0.001).all()
    # Domain 2 lies between 1 and 3 in both: half of its border is with each, everywhere.
    assert (2, 1) not in rows.index and (2, 3) not in rows.index


def test_a_domain_that_grows_is_no_change_of_neighbourhood() -> None:
    """Under b the second band is twice as wide; who touches whom is the same."""
    samples, domains, graph = cohort([[0, 1, 2, 0]] * 4 + [[0, 1, 1, 2, 0]] * 4)
    rows = pd.DataFrame(differential_neighbourhoods(samples, domains, sizes_of(samples, domains), graph))
    assert len(rows) == 0


def test_chance_changes_of_a_mixed_border_are_not_called() -> None:
    """Every spot has a random domain."""
    rng = np.random.default_rng(1)
    samples, domains, graph = cohort([[0, 1, 2, 3]] * 8)
    domains = pd.Series(rng.integers(1, 5, len(domains)))
    rows = pd.DataFrame(differential_neighbourhoods(samples, domains, sizes_of(samples, domains), graph))
    assert len(rows) == 12 and (rows["p_adjusted"] > 0.05).all()
    np.testing.assert_allclose(rows[["border", "border_reference"]], 1 / 3, atol=0.05)


def test_samples_with_few_spots_of_a_domain_say_nothing() -> None:
    touching = np.array([[[0, 40, 10], [40, 0, 0], [10, 0, 0]]] * 2)
    found = borders(touching, np.array([[50, 60, 70], [50, 9, 70]]))
    np.testing.assert_allclose(found[0], [[np.nan, 0.8, 0.2], [1, np.nan, 0], [1, 0, np.nan]])
    np.testing.assert_allclose(found[1], [[np.nan, np.nan, 0.2], [np.nan] * 3, [1, np.nan, np.nan]])
