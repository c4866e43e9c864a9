"""Markers of domains: every feature of a modality tested in every domain, over all sections and in each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatialweave.characterise.features import FeatureValues
from spatialweave.characterise.rank_sums import RankSums, rank_sums, stratified_scores, two_sided
from spatialweave.characterise.rounding import short
from spatialweave.characterise.split import FOUND_AGAIN, SplitSpots
from spatialweave.metrics.multiple_tests import adjusted

ALL = "all"
"""In place of a section's name: all sections together."""

KEPT = 200
"""Features per domain, section and modality in the table, those with the highest scores; all were tested."""

SIGNIFICANT = 0.05

SMALL = 1e-9
"""Added to both means of a fold change, as scanpy does."""


@dataclass(frozen=True)
class MarkerTests:
    """The tests of one modality in one section or in all (domains x features).

    Attributes
    ----------
    sums
        Of the domains of the run on all of its spots.
    log2_fold_change
        Of the means, transformed back.
    p, p_adjusted
        Of the same spots that the domains were found in.
    p_split, p_split_adjusted
        Of spots that had no part in finding them; NaN in domains that were not found again.
    """

    section: str
    modality: str
    features: list[str]
    sums: RankSums
    log2_fold_change: np.ndarray
    p: np.ndarray
    p_adjusted: np.ndarray
    p_split: np.ndarray
    p_split_adjusted: np.ndarray

    @property
    def is_marker(self) -> np.ndarray:
        """Which features are markers: higher in the domain, with an adjusted p of 0.05 at most.

        Taken from other spots where the domain was found again in these, else from the same.
        """
        honest = np.where(np.isfinite(self.p_split_adjusted), self.p_split_adjusted, self.p_adjusted)
        with np.errstate(invalid="ignore"):
            return np.asarray((self.sums.scores > 0) & (honest <= SIGNIFICANT))

    def ranked(self, domain: int) -> np.ndarray:
        """The features that are higher in a domain (from 0), highest score first."""
        scores = self.sums.scores[domain]
        order = np.argsort(-np.nan_to_num(scores), kind="stable")
        return np.asarray(order[np.nan_to_num(scores)[order] > 0])


def marker_tests(
    table: FeatureValues, sections: dict[str, np.ndarray], codes: np.ndarray, n_domains: int, split: SplitSpots
) -> list[MarkerTests]:
    """Test all features of a modality: over all sections, then, where there are several, in each.

    Over all sections the split p values are those of the sections combined (:func:`stratified_scores`), so that
    a difference between sections makes no marker.

    Parameters
    ----------
    sections
        Section -> the rows of its spots.
    codes
        Domain of every spot, from 0.
    """
    measured = np.where(table.present, codes, -1)
    tested = np.where(table.present, split.codes, -1)
    again = split.found_again >= FOUND_AGAIN
    single = len(sections) == 1
    split_parts: list[RankSums] = []
    results: list[MarkerTests] = []
    for name, rows in sections.items():
        elsewhere = np.ones(len(codes), dtype=bool)
        elsewhere[rows] = False
        split_parts.append(rank_sums(table.values, np.where(elsewhere, -1, tested), n_domains))
        if not single:
            own = rank_sums(table.values, np.where(elsewhere, -1, measured), n_domains)
            results.append(_tests(name, table, own, split_parts[-1].scores, again))
    pooled = rank_sums(table.values, measured, n_domains)
    return [_tests(ALL, table, pooled, stratified_scores(split_parts), again), *results]


def _tests(section: str, table: FeatureValues, sums: RankSums, split: np.ndarray, again: np.ndarray) -> MarkerTests:
    p = two_sided(sums.scores)
    p_split = np.where(again[:, None], two_sided(split), np.nan)
    fold = np.log2((table.back(sums.mean) + SMALL) / (table.back(sums.mean_rest) + SMALL))
    return MarkerTests(section, table.modality, table.names, sums, fold, p, adjusted(p), p_split, adjusted(p_split))


def marker_rows(run: str, tests: MarkerTests, found_again: np.ndarray) -> Iterator[dict[str, Any]]:
    """The rows of table MARKERS: of every domain the :data:`KEPT` features with the highest scores."""
    is_marker, scores, auc = tests.is_marker, tests.sums.scores, tests.sums.auc
    for domain in np.flatnonzero(tests.sums.testable).tolist():
        for feature in tests.ranked(domain)[:KEPT]:
            at = domain, feature
            yield {
                "run": run,
                "section": tests.section,
                "modality": tests.modality,
                "domain": domain + 1,
                "feature": tests.features[feature],
                "marker": bool(is_marker[at]),
                "log2_fold_change": short(tests.log2_fold_change[at]),
                "auc": short(auc[at]),
                "fraction_in": short(tests.sums.fraction[at]),
                "fraction_out": short(tests.sums.fraction_rest[at]),
                "score": short(scores[at]),
                "p": short(tests.p[at]),
                "p_adjusted": short(tests.p_adjusted[at]),
                "p_split": short(tests.p_split[at]),
                "p_split_adjusted": short(tests.p_split_adjusted[at]),
                "found_again": short(found_again[domain]),
            }
