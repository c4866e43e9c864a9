"""P values of markers although the domains come from the same data: some spots find the domains, the others test.

Domains that are found in the data differ in it even if they mean nothing, so a test on the same spots finds markers in
noise. Splitting the counts of each spot in two (count splitting: Neufeld et al., Biostatistics 25:270, 2024) makes the
halves independent for Poisson counts only; further variation between spots is in both halves. So spots are split here:
a third of them determines the positions of the domains, and every other spot gets the domain of the finding spots
around it. The values of the tested spot have no influence on where it is, for any measurement and any distribution.

The domains of the run itself do not determine positions independently in this sense: methods average over neighbours,
so the domain of a finding spot depends on the testing spots beside it. Only the profiles of the domains are taken from
the run: a linear discriminant that is fitted in other blocks of the tissue, and applied to the latents of finding
spots, averaged over finding spots. These profiles come from all spots, as does the choice of the domains that are found
again, so p values are not exactly uniform in noise: 5 to 7% are below 0.05 (docs/characterise.md).
"""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from spatialweave.blocks.cross_prediction import FOLD_OF_BLOCK, N_FOLDS
from spatialweave.blocks.ratios import block_numbers
from spatialweave.domains.matching import jaccard, overlap_table
from spatialweave.graphs.matrices import symmetrise
from spatialweave.graphs.smoothing import CONTROL_ROUNDS, smoothed
from spatialweave.graphs.spatial import knn, rows_by_group
from spatialweave.io.dataset import Modality
from spatialweave.io.notices import InputWarning
from spatialweave.threads import one_thread

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset

FINDING = 1 / 3
"""Fraction of the spots that find domains. Domains are smooth: a third finds them nearly as well as a half, and leaves
more spots for testing. Among a quarter, a third and a half it finds the most markers on simulated tissues."""

N_NEIGHBOURS = 8
"""Number of nearest finding spots: to average over, and to determine the domain of a testing spot."""


@dataclass(frozen=True)
class SplitSpots:
    """Domains of the testing spots, found in the other spots.

    Attributes
    ----------
    codes
        int64, one per spot: the domain under the numbers of the run (from 0); -1 for finding spots.
    found_again
        One per domain of the run: its Jaccard index with the domain of that number here, over the testing spots.
    """

    codes: np.ndarray
    found_again: np.ndarray


def split_spots(dataset: Dataset, codes: np.ndarray, n_domains: int, seed: int) -> SplitSpots:
    """Find the domains of a run in a random third of each section, and give the other spots these domains.

    Parameters
    ----------
    codes
        Domains of the run (from 0).
    """
    sections = dataset.section_of_spot
    finding = _finding(sections, seed)
    domains = _found(dataset, finding, codes)
    around = _around(dataset.coordinates, sections, finding, domains, n_domains)
    return SplitSpots(around, np.diag(jaccard(overlap_table(codes, n_domains, around, n_domains))))


def _finding(sections: np.ndarray, seed: int) -> np.ndarray:
    """Return a random third of the spots of each section (bool)."""
    rng = np.random.default_rng([seed, *b"split"])
    chosen = np.zeros(len(sections), dtype=bool)
    for _, rows in rows_by_group(sections):
        chosen[rng.permutation(rows)[: math.ceil(FINDING * len(rows))]] = True
    return chosen


def _found(dataset: Dataset, finding: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Return the domains of the finding spots, in their order, by the discriminant of other blocks of the tissue."""
    rows = np.flatnonzero(finding)
    sections, coordinates = dataset.section_of_spot[rows], dataset.coordinates[rows]
    with warnings.catch_warnings():
        # GRAPH has already warned of sections that are smaller than this.
        warnings.simplefilter("ignore", InputWarning)
        graph = symmetrise(knn(coordinates, sections, N_NEIGHBOURS))
    measured = [modality for modality in dataset.modalities if modality.present[rows].any()]
    modalities = [Modality(one.name, one.latent[rows], one.present[rows]) for one in measured]
    values = smoothed(modalities, graph, CONTROL_ROUNDS).astype(np.float64)
    folds = np.empty(len(rows), dtype=np.int64)
    for _, own in rows_by_group(sections):
        folds[own] = FOLD_OF_BLOCK[block_numbers(coordinates[own], coordinates[own])]
    domains = np.empty(len(rows), dtype=np.int64)
    for fold in range(N_FOLDS):
        others = folds != fold
        if not others.all():
            domains[~others] = _discriminated(values[others], codes[rows[others]], values[~others])
    return domains


def _discriminated(values: np.ndarray, codes: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Classify `asked` by a linear discriminant with a shrunken covariance (Ledoit and Wolf, 2004)."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    classes = np.unique(codes)
    if len(classes) < 2:
        return np.full(len(asked), classes[0] if len(classes) else 0, dtype=np.int64)
    with one_thread():
        fitted = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(values, codes)
        return np.asarray(fitted.predict(asked), dtype=np.int64)


def _around(
    coordinates: np.ndarray, sections: np.ndarray, finding: np.ndarray, domains: np.ndarray, n_domains: int
) -> np.ndarray:
    """Return the most frequent domain among the nearest finding spots for every testing spot, and -1 for the others."""
    of_spot = np.full(len(sections), -1, dtype=np.int64)
    of_spot[finding] = domains
    around = np.full(len(sections), -1, dtype=np.int64)
    for _, rows in rows_by_group(sections):
        finders, asked = rows[finding[rows]], rows[~finding[rows]]
        if not len(asked):
            continue
        k = min(N_NEIGHBOURS, len(finders))
        _, nearest = cKDTree(coordinates[finders]).query(coordinates[asked], k=np.arange(1, k + 1))
        votes = np.zeros((len(asked), n_domains), dtype=np.int64)
        for neighbour in nearest.T:
            votes[np.arange(len(asked)), of_spot[finders[neighbour]]] += 1
        around[asked] = votes.argmax(axis=1)
    return around
