"""Wilcoxon rank-sum test of every feature in every domain against all other spots, from the stored values only.

Results are the same as those of scanpy's ``rank_genes_groups(method="wilcoxon", tie_correct=True)``. Zeros share one
rank, so only the values above 0 are sorted. Time and memory are linear in their number, while scanpy makes chunks of
features dense and ranks all spots.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

FEWEST = 3
"""Domains are not tested if they, or all others together, have fewer spots: the normal approximation fails for them."""


@dataclass(frozen=True)
class RankSums:
    """Rank sums and summaries of features (domains x features each, unless stated).

    Attributes
    ----------
    sizes
        int64, one per domain: number of spots used.
    excess
        Rank sum of the domain minus its expectation if the domain has no effect.
    variance
        Variance of the rank sum, corrected for ties.
    mean, mean_rest
        Mean value inside and outside.
    fraction, fraction_rest
        Fraction of the spots inside and outside with a value above 0.
    """

    sizes: np.ndarray
    excess: np.ndarray
    variance: np.ndarray
    mean: np.ndarray
    mean_rest: np.ndarray
    fraction: np.ndarray
    fraction_rest: np.ndarray

    @property
    def n_spots(self) -> int:
        """Number of spots used."""
        return int(self.sizes.sum())

    @property
    def testable(self) -> np.ndarray:
        """Which domains have enough spots inside and outside (bool)."""
        return (self.sizes >= FEWEST) & (self.n_spots - self.sizes >= FEWEST)

    @property
    def scores(self) -> np.ndarray:
        """Standard normal if the domain has no effect, above 0 if values are higher in it; NaN: not tested."""
        return scores_of(self.excess, self.variance, self.testable)

    @property
    def auc(self) -> np.ndarray:
        """Probability that a spot of the domain exceeds one outside (U / pairs, ties count half); NaN: not tested."""
        pairs = (self.sizes * (self.n_spots - self.sizes))[:, None]
        auc = 0.5 + self.excess / np.maximum(pairs, 1)
        auc[~self.testable] = np.nan
        return auc


@dataclass(frozen=True)
class Comparison:
    """Domains compared with all other spots within one or several sections (domains x features, unless stated).

    Attributes
    ----------
    sizes
        int64, one per domain: number of spots used.
    testable
        Which domains have enough spots inside and outside in some section (bool).
    scores
        Combined scores of the sections (:func:`stratified_scores`).
    auc, mean, mean_rest, fraction, fraction_rest
        As in :class:`RankSums`, for the sections in which the domain can be tested, weighted by the domain's spots in
        each. So the domain is compared with the rest as if the rest were spread over the sections as the domain is.
    """

    sizes: np.ndarray
    testable: np.ndarray
    scores: np.ndarray
    auc: np.ndarray
    mean: np.ndarray
    mean_rest: np.ndarray
    fraction: np.ndarray
    fraction_rest: np.ndarray


def rank_sums(values: sparse.csc_matrix, codes: np.ndarray, n_domains: int) -> RankSums:
    """Rank the values of every feature over all spots that have a domain.

    Parameters
    ----------
    values
        Spots x features; values of 0 or more.
    codes
        Domain of every spot, from 0; -1 if the spot is left out.
    """
    matrix = sparse.csc_matrix(values)
    sizes = np.bincount(codes[codes >= 0], minlength=n_domains)
    n_spots, n_features = int(sizes.sum()), matrix.shape[1]
    ranks, squares = np.zeros((n_domains, n_features)), np.zeros(n_features)
    totals, detected = np.zeros((n_domains, n_features)), np.zeros((n_domains, n_features))
    for feature in range(n_features):
        column = slice(matrix.indptr[feature], matrix.indptr[feature + 1])
        data, inside = matrix.data[column], codes[matrix.indices[column]]
        # Spots are left out here, because a matrix without them would be a copy.
        taken = (data > 0) & (inside >= 0)
        data, inside = data[taken], inside[taken]
        order = np.argsort(data)
        data, inside = data[order], inside[order]
        zeros = n_spots - len(data)
        starts = np.flatnonzero(np.diff(data, prepend=-1.0))
        lengths = np.diff(starts, append=len(data))
        shared = np.repeat(zeros + starts + (lengths + 1) / 2, lengths)
        detected[:, feature] = np.bincount(inside, minlength=n_domains)
        totals[:, feature] = np.bincount(inside, data, minlength=n_domains)
        ranks[:, feature] = np.bincount(inside, shared, minlength=n_domains)
        ranks[:, feature] += (sizes - detected[:, feature]) * (zeros + 1) / 2
        # The sum of t^3 - t over groups of t equal values.
        squares[feature] = (lengths.astype(np.float64) ** 3 - lengths).sum() + float(zeros) ** 3 - zeros
    rest = n_spots - sizes
    ties = 1.0 - squares / max(float(n_spots) ** 3 - n_spots, 1.0)
    inside_size, rest_size = np.maximum(sizes, 1)[:, None], np.maximum(rest, 1)[:, None]
    return RankSums(
        sizes,
        ranks - (sizes * (n_spots + 1) / 2)[:, None],
        np.maximum(ties, 0.0) * (sizes * rest * (n_spots + 1) / 12.0)[:, None],
        totals / inside_size,
        (totals.sum(axis=0) - totals) / rest_size,
        detected / inside_size,
        (detected.sum(axis=0) - detected) / rest_size,
    )


def scores_of(excess: np.ndarray, variance: np.ndarray, testable: np.ndarray) -> np.ndarray:
    """Return the excess in standard deviations; 0 if there is no variance, NaN if a domain is not tested."""
    # Rounding leaves a variance of about 1e-16 of its size where all values are equal.
    varies = variance > 1e-9
    scores = np.divide(excess, np.sqrt(np.where(varies, variance, 1.0)), out=np.zeros_like(excess), where=varies)
    scores[~testable] = np.nan
    return scores


def stratified_scores(parts: list[RankSums]) -> np.ndarray:
    """Return scores over several sections, each ranked separately, so that differences between sections do not count.

    Rank sums are weighted by 1 / (spots of the section + 1), the optimal choice if the effect is the same in all
    sections (van Elteren, Bull Inst Int Stat 37:351, 1960). With one section the scores are that section's.
    """
    weights = [1.0 / (part.n_spots + 1) for part in parts]
    used = [part.testable[:, None] for part in parts]
    excess = sum(w * np.where(u, part.excess, 0.0) for w, u, part in zip(weights, used, parts, strict=True))
    variance = sum(w**2 * np.where(u, part.variance, 0.0) for w, u, part in zip(weights, used, parts, strict=True))
    # In units of one spot's rank, so that the bound on the variance is the same for every number of spots.
    unit = min(weights)
    testable = np.any([part.testable for part in parts], axis=0)
    return scores_of(np.asarray(excess) / unit, np.asarray(variance) / unit**2, testable)


def compared(parts: list[RankSums]) -> Comparison:
    """Compare the domains with all other spots, section by section."""
    sizes = np.array([part.sizes for part in parts])
    tested = np.array([part.testable for part in parts])
    testable = np.asarray(tested.any(axis=0))
    # A domain that cannot be tested in any section is described by all of its spots.
    weights = np.where(testable, sizes * tested, sizes).astype(np.float64)
    weights /= np.maximum(weights.sum(axis=0), 1.0)

    def mean(name: str) -> np.ndarray:
        # The term is NaN where a section is not tested, but then its weight is 0.
        terms = (w[:, None] * getattr(part, name) for w, part in zip(weights, parts, strict=True))
        return np.asarray(sum(np.where(w[:, None] > 0, term, 0.0) for w, term in zip(weights, terms, strict=True)))

    auc = mean("auc")
    auc[~testable] = np.nan
    names = ("mean", "mean_rest", "fraction", "fraction_rest")
    return Comparison(sizes.sum(axis=0), testable, stratified_scores(parts), auc, *map(mean, names))


def two_sided(scores: np.ndarray) -> np.ndarray:
    """Return the p values of standard normal scores; NaN stays NaN.

    Beyond a score of 37 they are smaller than any number of double precision; the smallest (2e-308) stands for them.
    """
    from scipy.special import ndtr

    return np.asarray(np.maximum(2.0 * ndtr(-np.abs(scores)), np.finfo(np.float64).tiny))
