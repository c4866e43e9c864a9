"""p values of markers that hold although the domains come from the same data: some spots find them, the others test.

Domains that are found in the data differ in it, also where they mean nothing, so a test on the same spots finds markers
in noise. Splitting the counts of each spot in two (count splitting: Neufeld et al., Biostatistics 25:270, 2024) makes
the halves independent for Poisson counts only; what varies between spots beyond that is in both halves. So spots are
split here: the control finds domains in a third of them, and every other spot is in the domain of the spots of that
third around it. It has had no part in them, whatever was measured and however it is distributed.
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from spatialweave.domains.initial_partitions import kmeans_partition
from spatialweave.domains.matching import match_classes, overlap_table
from spatialweave.graphs.matrices import symmetrise
from spatialweave.graphs.smoothing import CONTROL_ROUNDS, smoothed
from spatialweave.graphs.spatial import knn, section_rows
from spatialweave.io.dataset import Modality
from spatialweave.io.notices import InputWarning

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset

FINDING = 1 / 3
"""Fraction of the spots that find domains. Domains are smooth: a third finds them nearly as well as a half does, and
more spots are left to test. Of a quarter, a third and a half it finds the most markers on simulated tissues."""

N_NEIGHBOURS = 8
"""Nearest finding spots: to average over, and to say in which domain a testing spot is."""

FOUND_AGAIN = 0.5
"""Jaccard index from which a domain counts as found again, as in the verdict; its split p values are left out below."""


@dataclass(frozen=True)
class SplitSpots:
    """Domains of the testing spots, found in the others.

    Attributes
    ----------
    codes
        int64, one per spot: the domain under the numbers of the run (from 0), or the number of the run's domains where
        it matches none of them; -1: a spot that finds.
    found_again
        One per domain of the run: its Jaccard index with the matched one, over the testing spots; 0 where none matches.
    """

    codes: np.ndarray
    found_again: np.ndarray


def split_spots(dataset: Dataset, codes: np.ndarray, n_domains: int, seed: int) -> SplitSpots:
    """Find as many domains as the run has in a random third of each section, and give the other spots these domains.

    Domains are matched to those of the run one to one. This permutes them and changes none, so the p values of a
    feature in all domains together stay what they are.

    Parameters
    ----------
    codes
        Domains of the run (from 0).
    """
    sections = dataset.obs["section"].astype(str).to_numpy()
    finding = _finding(sections, seed)
    domains = _found(dataset, finding, n_domains, seed)
    around = _around(dataset.coordinates, sections, finding, domains, n_domains)
    testing = ~finding
    overlap = overlap_table(codes[testing], n_domains, around[testing], n_domains)
    matched = match_classes(overlap)
    found_again = np.zeros(n_domains)
    for found, own in enumerate(matched):
        if own >= 0:
            both = overlap[own, found]
            found_again[own] = both / (overlap[own].sum() + overlap[:, found].sum() - both)
    result = np.full(len(codes), -1, dtype=np.int64)
    # Spots of domains that match none of the run still belong to the rest that every domain is tested against.
    result[testing] = np.where(matched[around[testing]] >= 0, matched[around[testing]], n_domains)
    return SplitSpots(result, found_again)


def _finding(sections: np.ndarray, seed: int) -> np.ndarray:
    """A random third of the spots of each section (bool)."""
    rng = np.random.default_rng([seed, *b"split"])
    chosen = np.zeros(len(sections), dtype=bool)
    for _, rows in section_rows(sections):
        chosen[rng.permutation(rows)[: math.ceil(FINDING * len(rows))]] = True
    return chosen


def _found(dataset: Dataset, finding: np.ndarray, n_domains: int, seed: int) -> np.ndarray:
    """The control's domains (from 0) of the finding spots, in their order."""
    rows = np.flatnonzero(finding)
    sections = dataset.obs["section"].astype(str).to_numpy()[rows]
    with warnings.catch_warnings():
        # GRAPH has already warned of sections that are smaller than this.
        warnings.simplefilter("ignore", InputWarning)
        graph = symmetrise(knn(dataset.coordinates[rows], sections, N_NEIGHBOURS))
    measured = [modality for modality in dataset.modalities if modality.present[rows].any()]
    modalities = [Modality(one.name, one.latent[rows], one.present[rows]) for one in measured]
    embedding = smoothed(modalities, graph, CONTROL_ROUNDS).astype(np.float64)
    return kmeans_partition(embedding, min(n_domains, len(rows)), seed)


def _around(
    coordinates: np.ndarray, sections: np.ndarray, finding: np.ndarray, domains: np.ndarray, n_domains: int
) -> np.ndarray:
    """The most frequent domain among the nearest finding spots, for every testing spot; else -1."""
    of_spot = np.full(len(sections), -1, dtype=np.int64)
    of_spot[finding] = domains
    around = np.full(len(sections), -1, dtype=np.int64)
    for _, rows in section_rows(sections):
        known, asked = rows[finding[rows]], rows[~finding[rows]]
        if not len(asked):
            continue
        k = min(N_NEIGHBOURS, len(known))
        _, nearest = cKDTree(coordinates[known]).query(coordinates[asked], k=np.arange(1, k + 1))
        votes = np.zeros((len(asked), n_domains), dtype=np.int64)
        for neighbour in nearest.T:
            votes[np.arange(len(asked)), of_spot[known[neighbour]]] += 1
        around[asked] = votes.argmax(axis=1)
    return around
