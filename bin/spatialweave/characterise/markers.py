"""Markers of domains: every feature of a modality tested in every domain, over all sections and in each one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from spatialweave.characterise.features import FeatureValues
from spatialweave.characterise.rank_sums import Comparison, RankSums, compared, rank_sums, stratified_scores, two_sided
from spatialweave.characterise.rounding import short
from spatialweave.characterise.split import SplitSpots
from spatialweave.domains.matching import FOUND_AGAIN
from spatialweave.io.result_tables import ALL, FEW_TEST_SPOTS, NOT_COMPARED, NOT_FOUND_AGAIN, NOT_MEASURED, TESTED
from spatialweave.metrics.multiple_tests import adjusted

KEPT = 200
"""Features per domain, section and modality in the table: those with the highest scores; all were tested."""

SIGNIFICANT = 0.05

SMALL = 1e-9
"""Constant added to both means of a fold change, as in scanpy."""


@dataclass(frozen=True)
class MarkerTests:
    """Tests of one modality in one section or in all (domains x features).

    Attributes
    ----------
    found
        The domains of the run compared with the rest, on all spots.
    log2_fold_change
        Fold change of the means, transformed back; NaN if the transformation of the values is unknown.
    p, p_adjusted
        p values on the same spots in which the domains were found.
    scores_split, p_split, p_split_adjusted
        The same on spots that were not used to find the domains; NaN in domains that were not found again.
    """

    section: str
    modality: str
    features: list[str]
    found: Comparison
    log2_fold_change: np.ndarray
    p: np.ndarray
    p_adjusted: np.ndarray
    scores_split: np.ndarray
    p_split: np.ndarray
    p_split_adjusted: np.ndarray

    @property
    def is_marker(self) -> np.ndarray:
        """Which features are markers: higher in the domain, in the held-out spots with an adjusted p of at most 0.05.

        Where these cannot test, there are none: p values of the spots that found a domain are too small even in noise.
        """
        with np.errstate(invalid="ignore"):
            higher = (self.found.scores > 0) & (self.scores_split > 0)
            return np.asarray(higher & (self.p_split_adjusted <= SIGNIFICANT))

    def tested(self, found_again: np.ndarray) -> list[str]:
        """Return for each domain what decides which features are its markers, or why nothing can.

        Parameters
        ----------
        found_again
            One per domain (:class:`SplitSpots`).
        """
        tests = np.full(len(found_again), TESTED, dtype=object)
        tests[~np.isfinite(self.scores_split).any(axis=1)] = FEW_TEST_SPOTS
        tests[found_again < FOUND_AGAIN] = NOT_FOUND_AGAIN
        tests[~self.found.testable] = NOT_COMPARED
        tests[self.found.sizes == 0] = NOT_MEASURED
        return [str(test) for test in tests]

    def ranked(self, domain: int) -> np.ndarray:
        """Return the features that are higher in a domain (from 0), highest score first."""
        scores = self.found.scores[domain]
        order = np.argsort(-np.nan_to_num(scores), kind="stable")
        return np.asarray(order[np.nan_to_num(scores)[order] > 0])


def marker_tests(
    table: FeatureValues, sections: dict[str, np.ndarray], codes: np.ndarray, n_domains: int, split: SplitSpots
) -> list[MarkerTests]:
    """Test all features of a modality: over all sections and, if there are several, in each one.

    Over all sections each domain is compared with the rest within every section (:func:`compared`), so that a
    difference between sections does not make a marker.

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
    parts: list[RankSums] = []
    split_parts: list[RankSums] = []
    for rows in sections.values():
        elsewhere = np.ones(len(codes), dtype=bool)
        elsewhere[rows] = False
        parts.append(rank_sums(table.values, np.where(elsewhere, -1, measured), n_domains))
        split_parts.append(rank_sums(table.values, np.where(elsewhere, -1, tested), n_domains))
    results = [_tests(ALL, table, parts, split_parts, again)]
    if len(sections) > 1:
        for name, part, split_part in zip(sections, parts, split_parts, strict=True):
            results.append(_tests(name, table, [part], [split_part], again))
    return results


def _tests(
    section: str, table: FeatureValues, parts: list[RankSums], split_parts: list[RankSums], again: np.ndarray
) -> MarkerTests:
    found = compared(parts)
    means = (found.mean, found.mean_rest)
    inside, rest = (np.full(one.shape, np.nan) if table.back is None else table.back(one) for one in means)
    fold = np.log2((inside + SMALL) / (rest + SMALL))
    p = two_sided(found.scores)
    split = np.where(again[:, None], stratified_scores(split_parts), np.nan)
    p_split = two_sided(split)
    return MarkerTests(
        section, table.modality, table.names, found, fold, p, adjusted(p), split, p_split, adjusted(p_split)
    )


def marker_rows(run: str, tests: MarkerTests, found_again: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield the rows of table MARKERS: for every domain the :data:`KEPT` features with the highest scores.

    Over all sections, a domain without a valid test has a row without a feature if it has no other, so that "not
    tested" can be told from "nothing found".
    """
    is_marker, found = tests.is_marker, tests.found
    for domain, test in enumerate(tests.tested(found_again)):
        facts = {"run": run, "section": tests.section, "modality": tests.modality, "domain": domain + 1, "test": test}
        listed = tests.ranked(domain)[:KEPT]
        if not len(listed) and test != TESTED and tests.section == ALL:
            yield facts | {"feature": "", "marker": False, "found_again": short(found_again[domain])}
        for feature in listed:
            at = domain, feature
            yield facts | {
                "feature": tests.features[feature],
                "marker": bool(is_marker[at]),
                "log2_fold_change": short(tests.log2_fold_change[at]),
                "auc": short(found.auc[at]),
                "fraction_in": short(found.fraction[at]),
                "fraction_out": short(found.fraction_rest[at]),
                "score": short(found.scores[at]),
                "p": short(tests.p[at]),
                "p_adjusted": short(tests.p_adjusted[at]),
                "p_split": short(tests.p_split[at]),
                "p_split_adjusted": short(tests.p_split_adjusted[at]),
                "found_again": short(found_again[domain]),
            }
