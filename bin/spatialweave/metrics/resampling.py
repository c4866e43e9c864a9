"""How much agreement with the labels would vary over other spots of the same tissue: a bootstrap over spatial blocks.

Neighbouring spots have the same label and are wrong together. Resampling single spots would treat them as independent
evidence and give intervals that are too narrow. So compact blocks of spots are resampled (Künsch, Ann Stat 17:1217,
1989, for series; Lahiri, Resampling Methods for Dependent Data, 2003, for planes). Agreement depends only on the table
of labels by domains, and the table of a resample is the sum of those of its blocks. So time is linear in spots for any
number of resamples.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

N_BLOCKS = 16
"""Number of blocks: few and large, so that intervals also hold if errors are in patches (docs/metrics.md has the
simulation). The t distribution with N_BLOCKS - 1 degrees of freedom accounts for the uncertain spread of so few."""

N_RESAMPLES = 1000

MOST_CELLS = 2_000_000
"""Largest number of cells of the tables of resamples in memory at a time."""


def spatial_blocks(coordinates: np.ndarray, sections: np.ndarray) -> np.ndarray:
    """Divide spots into :data:`N_BLOCKS` compact blocks of nearly equal size; return the block of every spot, from 0.

    No block is in two sections. Sections get blocks in proportion to their spots, at least one. A section is halved
    repeatedly, at a quantile of the coordinate in which it is wider. If there are fewer spots than blocks, each is a
    block.
    """
    n_spots = len(coordinates)
    blocks = np.empty(n_spots, dtype=np.int64)
    found = 0
    for section in dict.fromkeys(sections.tolist()):
        rows = np.flatnonzero(sections == section)
        parts = [(rows, min(len(rows), max(1, round(N_BLOCKS * len(rows) / n_spots))))]
        while parts:
            inside, number = parts.pop()
            if number == 1:
                blocks[inside] = found
                found += 1
                continue
            values = coordinates[inside]
            along = values[:, int(np.argmax(np.ptp(values, axis=0)))]
            order, first = np.argsort(along, kind="stable"), number // 2
            cut = round(len(inside) * first / number)
            parts += [(inside[order[:cut]], first), (inside[order[cut:]], number - first)]
    return blocks


def resampled_blocks(n_blocks: int, seed: int, n_resamples: int = N_RESAMPLES) -> np.ndarray:
    """Draw how often each block is in each resample (resamples x blocks): as many as there are, with replacement."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_blocks, np.full(n_blocks, 1.0 / n_blocks), size=n_resamples).astype(np.float64)


def block_tables(labels: np.ndarray, domains: np.ndarray, blocks: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Count labels by domains in every block, flat (blocks x cells), and return the counts with their shape.

    Returns
    -------
    A dense array of the counts, blocks x (labels * domains), and (labels, domains).
    """
    names, rows = np.unique(labels, return_inverse=True)
    numbers, columns = np.unique(domains, return_inverse=True)
    shape = (len(names), len(numbers))
    cells = rows * shape[1] + columns
    ones = np.ones(len(cells))
    counts = sparse.coo_matrix((ones, (blocks, cells)), shape=(int(blocks.max()) + 1, shape[0] * shape[1]))
    return np.asarray(counts.toarray()), shape


def pairwise(tables: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the pair metrics of every table of labels by domains (tables x labels x domains)."""

    def pairs(counts: np.ndarray) -> np.ndarray:
        return np.asarray((counts * (counts - 1)).sum(axis=-1) / 2)

    together = pairs(tables.reshape(len(tables), -1))
    labels, domains = pairs(tables.sum(axis=2)), pairs(tables.sum(axis=1))
    total = tables.sum(axis=(1, 2))
    chance = labels * domains / (total * (total - 1) / 2)
    largest = (labels + domains) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            # Both partitions have one part, or only parts of one spot, so they are the same.
            "ari": np.where(largest == chance, 1.0, (together - chance) / (largest - chance)),
            "fowlkes_mallows": together / np.sqrt(labels * domains),
            "jaccard": together / (labels + domains - together),
        }


def information(tables: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the information metrics of every table of labels by domains (tables x labels x domains)."""

    def entropy(counts: np.ndarray) -> np.ndarray:
        fractions = counts / counts.sum(axis=-1, keepdims=True)
        logs = np.log(fractions, out=np.zeros_like(fractions), where=fractions > 0)
        return np.asarray(-(fractions * logs).sum(axis=-1))

    def part(shared: np.ndarray, whole: np.ndarray) -> np.ndarray:
        return np.where(whole > 0, shared / np.where(whole > 0, whole, 1.0), 1.0)

    labels, domains = entropy(tables.sum(axis=2)), entropy(tables.sum(axis=1))
    shared = labels + domains - entropy(tables.reshape(len(tables), -1))
    of_both = part(shared, (labels + domains) / 2)
    return {
        "nmi": of_both,
        "v_measure": of_both,
        "homogeneity": part(shared, labels),
        "completeness": part(shared, domains),
        "mutual_information": shared,
    }


RESAMPLED = ("ari", "fowlkes_mallows", "jaccard", "nmi", "v_measure", "homogeneity", "completeness",
             "mutual_information")  # fmt: skip
"""Metrics of labels that are resampled, by their name in metrics.csv. `ami` is not: its expectation takes as long for
every resample as for the whole tissue."""

UNBOUNDED = ("mutual_information",)
"""Resampled metrics that can be above 1."""


def resampled_agreement(
    labels: np.ndarray, domains: np.ndarray, blocks: np.ndarray, drawn: np.ndarray
) -> dict[str, np.ndarray]:
    """Compute the metrics of :data:`RESAMPLED` in every resample.

    Parameters
    ----------
    labels, domains, blocks
        One per spot; spots without a label are left out by the caller.
    drawn
        How often each block is in each resample (:func:`resampled_blocks`); the same for all compared runs.
    """
    counts, shape = block_tables(labels, domains, blocks)
    found = []
    for some in np.array_split(drawn, min(len(drawn), 1 + len(drawn) * counts.shape[1] // MOST_CELLS)):
        tables = (some @ counts).reshape(len(some), *shape)
        found.append(pairwise(tables) | information(tables))
    return {name: np.concatenate([one[name] for one in found]) for name in RESAMPLED}
