"""Whether domains and labels mean the same in every section. NaN where a metric is undefined."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from sklearn import metrics

from spatialweave.graphs.features import nearest_in
from spatialweave.graphs.spatial import TIE_PRECISION, spacing
from spatialweave.metrics.alignment import nearest_pairs
from spatialweave.metrics.neighbours import choose_anchors

TRANSFER_NEIGHBOURS = 15
TRANSFER_SPOTS = 5000
"""Spots, of all sections together, whose labels are guessed from the other sections; all, where there are no more."""


def ari_by_section(domains: np.ndarray, labels: np.ndarray, sections: np.ndarray) -> dict[str, float]:
    """Adjusted Rand index of each section's labelled spots, by section, in the order of first appearance.

    Sections with fewer than two different labels have none: there the index says nothing but 0 or 1.
    """
    found = {}
    for section in dict.fromkeys(sections.tolist()):
        own = (sections == section) & (labels != "")
        if len(np.unique(labels[own])) > 1:
            found[str(section)] = float(metrics.adjusted_rand_score(labels[own], domains[own]))
    return found


def label_transfer(embedding: np.ndarray, sections: np.ndarray, labels: np.ndarray, seed: int) -> float:
    """Accuracy of labels guessed from another section, mean over ordered pairs of sections.

    A spot takes the commonest label among its 15 nearest labelled spots (all, where there are fewer) of the other
    section in the embedding, Euclidean, ties to the label first in alphabetical order. Spots without a label, and
    those whose label the other section lacks, are not asked. At most :data:`TRANSFER_SPOTS` random spots are, so that
    all pairs together take time linear in spots.
    """
    known = np.flatnonzero(labels != "")
    embedding, sections, labels = embedding[known], sections[known], labels[known]
    names, codes = np.unique(labels, return_inverse=True)
    asked = choose_anchors(len(labels), TRANSFER_SPOTS, seed)
    accuracies = []
    for source in np.unique(sections):
        reference = sections == source
        queries = asked[~reference[asked] & np.isin(codes[asked], codes[reference])]
        if len(queries):
            near, _ = nearest_in(embedding[queries], embedding[reference], TRANSFER_NEIGHBOURS)
            right = _commonest(codes[reference][near], len(names)) == codes[queries]
            accuracies += [right[sections[queries] == target].mean() for target in np.unique(sections[queries])]
    return float(np.mean(accuracies)) if accuracies else float("nan")


def _commonest(codes: np.ndarray, n_codes: int) -> np.ndarray:
    """The commonest code of each row, the lowest of several."""
    cells = np.arange(len(codes))[:, None] * n_codes + codes
    return np.asarray(np.bincount(cells.ravel(), minlength=len(codes) * n_codes).reshape(len(codes), -1).argmax(axis=1))


def domain_section_ami(domains: np.ndarray, sections: np.ndarray) -> float:
    """Adjusted mutual information of domains and sections: 1 = the domains are the sections, 0 = chance."""
    return float(metrics.adjusted_mutual_info_score(sections, domains))


def section_agreement(domains: np.ndarray, aligned: np.ndarray, sections: np.ndarray) -> float:
    """Cohen's kappa between the domains of spots that lie on each other, mean over pairs of consecutive sections.

    Spots of two sections lie on each other when one is the nearest of the other's section and not farther than the
    larger of the sections' spot spacings. Kappa (Educ Psychol Meas 20:37, 1960) is the share with equal domains,
    corrected for chance; unlike the Rand index it is low when each section has domains of its own. -1 to 1.

    Parameters
    ----------
    aligned
        Spots x 2, coordinates of all sections in one frame.
    sections
        One name per spot, in the order of the stack.
    """
    found = []
    for first, second in pairwise(dict.fromkeys(sections.tolist())):
        a, b = np.flatnonzero(sections == first), np.flatnonzero(sections == second)
        limit = max(spacing(aligned[a]), spacing(aligned[b])) * (1.0 + TIE_PRECISION)
        ahead_a, ahead_b = nearest_pairs(aligned[a], aligned[b], limit)
        back_b, back_a = nearest_pairs(aligned[b], aligned[a], limit)
        in_a, in_b = domains[a][np.append(ahead_a, back_a)], domains[b][np.append(ahead_b, back_b)]
        # One and the same domain on both sides leaves nothing beyond chance.
        if len(np.union1d(in_a, in_b)) > 1:
            found.append(metrics.cohen_kappa_score(in_a, in_b))
    return float(np.mean(found)) if found else float("nan")
