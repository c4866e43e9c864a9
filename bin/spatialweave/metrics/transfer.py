"""Agreement of domains and labels across sections. NaN where a metric is undefined."""

from __future__ import annotations

import numpy as np
from sklearn import metrics

from spatialweave.graphs.features import nearest_in
from spatialweave.graphs.spatial import TIE_PRECISION
from spatialweave.io.dataset import Dataset
from spatialweave.io.layout import spacing
from spatialweave.matching.spot_pairs import nearest_pairs
from spatialweave.sampling import random_subset

TRANSFER_NEIGHBOURS = 15
TRANSFER_SPOTS = 5000
"""Largest number of spots, over all sections, whose labels are predicted from the other sections."""


def ari_by_section(domains: np.ndarray, labels: np.ndarray, sections: np.ndarray) -> dict[str, float]:
    """Return the adjusted Rand index of each section's labelled spots, in the order of first appearance.

    Sections with fewer than two different labels are left out, because there the index can only be 0 or 1.
    """
    found = {}
    for section in dict.fromkeys(sections.tolist()):
        own = (sections == section) & (labels != "")
        if len(np.unique(labels[own])) > 1:
            found[str(section)] = float(metrics.adjusted_rand_score(labels[own], domains[own]))
    return found


def label_transfer(embedding: np.ndarray, sections: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Return the accuracy of labels predicted from another section, mean over ordered pairs of sections.

    The prediction for a spot is the most frequent label among its 15 nearest labelled spots (all, if there are fewer)
    of the other section in the embedding (Euclidean). Ties go to the first label in alphabetical order. Spots without a
    label, and spots whose label the other section lacks, are left out. At most :data:`TRANSFER_SPOTS` random spots are
    predicted, so that all pairs together take time linear in spots.
    """
    known = np.flatnonzero(labels != "")
    embedding, sections, labels = embedding[known], sections[known], labels[known]
    names, codes = np.unique(labels, return_inverse=True)
    anchors = random_subset(len(labels), TRANSFER_SPOTS, seed)
    accuracies = []
    for source in np.unique(sections):
        reference = sections == source
        queries = anchors[~reference[anchors] & np.isin(codes[anchors], codes[reference])]
        if len(queries):
            near, _ = nearest_in(embedding[queries], embedding[reference], TRANSFER_NEIGHBOURS)
            right = _commonest(codes[reference][near], len(names)) == codes[queries]
            accuracies += [right[sections[queries] == target].mean() for target in np.unique(sections[queries])]
    return float(np.mean(accuracies)) if accuracies else float("nan")


def _commonest(codes: np.ndarray, n_codes: int) -> np.ndarray:
    """Return the most frequent code of each row; ties go to the lowest."""
    cells = np.arange(len(codes))[:, None] * n_codes + codes
    return np.bincount(cells.ravel(), minlength=len(codes) * n_codes).reshape(len(codes), -1).argmax(axis=1)


def domain_section_ami(domains: np.ndarray, sections: np.ndarray) -> float:
    """Return the adjusted mutual information of domains and sections: 1 = the domains are the sections, 0 = chance."""
    return float(metrics.adjusted_mutual_info_score(sections, domains))


def section_agreement(dataset: Dataset, domains: np.ndarray) -> float:
    """Return Cohen's kappa between the domains of corresponding spots, mean over pairs of consecutive sections.

    Two spots correspond if one is the other's nearest in its section, in aligned coordinates, and not farther than the
    larger of the sections' spot spacings. Kappa (Educ Psychol Meas 20:37, 1960) is the fraction with equal domains,
    corrected for chance. Unlike the Rand index, it is low if each section has its own domains. -1 to 1.

    Parameters
    ----------
    dataset
        The dataset, with aligned coordinates; the result is NaN without them.
    domains
        One per spot.
    """
    aligned = dataset.aligned
    if aligned is None:
        return float("nan")
    rows, found = dataset.section_rows(), []
    for first, second in dataset.section_pairs():
        a, b = rows[first], rows[second]
        limit = max(spacing(aligned[a]), spacing(aligned[b])) * (1.0 + TIE_PRECISION)
        ahead_a, ahead_b = nearest_pairs(aligned[a], aligned[b], limit)
        back_b, back_a = nearest_pairs(aligned[b], aligned[a], limit)
        in_a, in_b = domains[a][np.append(ahead_a, back_a)], domains[b][np.append(ahead_b, back_b)]
        # With the same single domain on both sides kappa is not defined.
        if len(np.union1d(in_a, in_b)) > 1:
            found.append(metrics.cohen_kappa_score(in_a, in_b))
    return float(np.mean(found)) if found else float("nan")
