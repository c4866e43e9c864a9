"""Agreement of domains with labels; docs/metrics.md contains all definitions and sources.

The functions take domains and labels of the same spots (any values) and do not depend on their numbering.
"""

from __future__ import annotations

import numpy as np
from sklearn import metrics
from sklearn.metrics.cluster import pair_confusion_matrix


def agreement(domains: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Compute all metrics with labels, by name, over the spots whose label is not "".

    ``labelled_spots`` and ``unlabelled_spots`` are the numbers of spots with and without a label. The result is empty
    without any label; with one labelled spot it has only these counts.
    """
    labelled = labels != ""
    n_labelled = int(labelled.sum())
    if n_labelled == 0:
        return {}
    scores = {"labelled_spots": float(n_labelled), "unlabelled_spots": float(len(labels) - n_labelled)}
    if n_labelled == 1:
        return scores
    truth, guess = labels[labelled], domains[labelled]
    homogeneity, completeness, v_measure = metrics.homogeneity_completeness_v_measure(truth, guess)
    return scores | {
        "ari": float(metrics.adjusted_rand_score(truth, guess)),
        "ami": float(metrics.adjusted_mutual_info_score(truth, guess)),
        "nmi": float(metrics.normalized_mutual_info_score(truth, guess)),
        "homogeneity": float(homogeneity),
        "completeness": float(completeness),
        "v_measure": float(v_measure),
        "mutual_information": float(metrics.mutual_info_score(truth, guess)),
        "fowlkes_mallows": float(metrics.fowlkes_mallows_score(truth, guess)),
        "jaccard": jaccard(truth, guess),
    }


def jaccard(labels: np.ndarray, domains: np.ndarray) -> float:
    """Return pairs of spots together in both partitions over pairs together in at least one; NaN if there are none."""
    (_, only_domains), (only_labels, both) = pair_confusion_matrix(labels, domains).tolist()
    either = both + only_domains + only_labels
    return both / either if either else float("nan")
