"""Names of domains from a panel of markers: a score, how far it is above chance and above the runner-up; or no name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatialweave.characterise.markers import SIGNIFICANT, MarkerTests
from spatialweave.characterise.panel import Panel
from spatialweave.characterise.rounding import short

LEAST_SCORE = 0.1
"""A name needs this score at least: its markers have a mean AUC of 0.55."""

LEAST_MARGIN = 0.05
"""And this lead over the name with the next highest score."""

LEAST_MEASURED = 0.5
"""And this fraction of its markers measured."""

FEWEST_DRAWS, MOST_DRAWS = 10_000, 100_000

DRAWS_AT_ONCE = 2_000_000
"""Numbers held at a time while features are drawn."""


@dataclass(frozen=True)
class NameScore:
    """How well one name fits one domain.

    Attributes
    ----------
    domain
        From 1.
    score
        Mean over markers of 2 AUC - 1, of negative markers with the other sign: 1 where all spots of the domain have
        more of every marker than any other spot, 0 where the markers do not tell it from the others; NaN without any.
    margin
        Score less that of the best other name; the score where there is no other.
    p
        How often as many random features of the same modalities score as high, for all names and domains together
        (Bonferroni).
    named
        Whether the domain has this name.
    evidence
        The markers with their AUC.
    """

    domain: int
    name: str
    score: float
    margin: float
    p: float
    measured: int
    markers: int
    named: bool
    evidence: str


def name_domains(panel: Panel, tests: Sequence[MarkerTests], seed: int) -> list[NameScore]:
    """Score every name in every domain, best first, and decide which domains have a name.

    In each domain the markers count of those modalities that its spots have.

    Parameters
    ----------
    tests
        Of all sections together, one per modality.
    """
    known = [_Measured.of(name, panel, tests) for name in panel]
    effects = [2.0 * test.found.auc - 1.0 for test in tests]
    testable = np.array([test.found.testable for test in tests])
    scores = np.array([one.scores(effects) for one in known])
    measured = np.array([one.measured(testable) for one in known])
    pairs = int(np.isfinite(scores).any(axis=1).sum()) * testable.shape[1]
    draws = int(np.clip(50 * pairs, FEWEST_DRAWS, MOST_DRAWS))
    rng = np.random.default_rng([seed, *b"panel"])
    p = np.array([np.minimum(one.p(effects, draws, rng) * pairs, 1.0) for one in known])
    found = []
    for domain in np.flatnonzero(testable.any(axis=0)).tolist():
        own = np.where(np.isfinite(scores[:, domain]), scores[:, domain], -np.inf)
        for index in np.argsort(-own, kind="stable"):
            others = np.delete(own, index)
            runner_up = others.max(initial=-np.inf)
            margin = own[index] - (runner_up if np.isfinite(runner_up) else 0.0)
            one = known[index]
            named = (
                own[index] >= LEAST_SCORE
                and margin >= LEAST_MARGIN
                and p[index, domain] <= SIGNIFICANT
                and measured[index, domain] >= LEAST_MEASURED * one.n_markers
            )
            if np.isfinite(own[index]):
                evidence = one.evidence(tests, domain)
                found.append(
                    NameScore(
                        domain + 1, one.name, short(own[index]), short(margin), short(p[index, domain]),
                        int(measured[index, domain]), one.n_markers, bool(named), evidence,
                    )
                )  # fmt: skip
    return found


@dataclass(frozen=True)
class _Measured:
    """The markers of a name that were measured, as (modality's position, feature, sign).

    `numbers` has the number of each in the panel, where a marker may be of several modalities.
    """

    name: str
    markers: list[tuple[int, int, int]]
    numbers: list[int]
    n_markers: int

    @classmethod
    def of(cls, name: str, panel: Panel, tests: Sequence[MarkerTests]) -> _Measured:
        """A marker without a modality counts in every one that has a feature of its name."""
        indices = []
        for test in tests:
            lower = {feature.upper(): number for number, feature in reversed(list(enumerate(test.features)))}
            indices.append(lower | {feature: number for number, feature in enumerate(test.features)})
        markers: list[tuple[int, int, int]] = []
        numbers: list[int] = []
        for number, marker in enumerate(panel[name]):
            places = [
                (position, index.get(marker.feature, index.get(marker.feature.upper(), -1)), marker.sign)
                for position, (test, index) in enumerate(zip(tests, indices, strict=True))
                if marker.modality in ("", test.modality)
            ]
            places = [place for place in places if place[1] >= 0]
            markers += places
            numbers += [number] * len(places)
        return cls(name, markers, numbers, len(panel[name]))

    def measured(self, testable: np.ndarray) -> np.ndarray:
        """How many markers of the panel count in each domain, of `testable` (modalities x domains)."""
        counts = np.zeros((self.n_markers, testable.shape[1]), dtype=bool)
        for number, (modality, _, _) in zip(self.numbers, self.markers, strict=True):
            counts[number] |= testable[modality]
        return np.asarray(counts.sum(axis=0))

    def scores(self, effects: list[np.ndarray]) -> np.ndarray:
        """One per domain; NaN where no marker was measured."""
        total, used = np.zeros(len(effects[0])), np.zeros(len(effects[0]))
        for modality, feature, sign in self.markers:
            effect = effects[modality][:, feature]
            total += sign * np.nan_to_num(effect)
            used += np.isfinite(effect)
        return np.divide(total, used, out=np.full(len(used), np.nan), where=used > 0)

    def p(self, effects: list[np.ndarray], draws: int, rng: np.random.Generator) -> np.ndarray:
        """Per domain how often random features in place of the markers score as high."""
        own = self.scores(effects)
        n_domains = len(own)
        if not self.markers:
            return np.ones(n_domains)
        above = np.zeros(n_domains, dtype=np.int64)
        used = sum(np.isfinite(effects[modality][:, feature]) for modality, feature, _ in self.markers)
        mean = 1.0 / np.maximum(used, 1)[:, None]
        step = max(DRAWS_AT_ONCE // n_domains, 1)
        for start in range(0, draws, step):
            n = min(step, draws - start)
            total = np.zeros((n_domains, n))
            for modality, _, sign in self.markers:
                random = effects[modality][:, rng.integers(effects[modality].shape[1], size=n)]
                total += sign * np.nan_to_num(random)
            above += (total * mean >= own[:, None] - 1e-12).sum(axis=1)
        return np.asarray((1 + above) / (1 + draws))

    def evidence(self, tests: Sequence[MarkerTests], domain: int) -> str:
        """The measured markers, those that speak for the name most first."""
        found = []
        for modality, feature, sign in self.markers:
            auc = float(tests[modality].found.auc[domain, feature])
            if np.isnan(auc):
                continue
            label = f"{'' if sign > 0 else 'not '}{tests[modality].features[feature]} (AUC {auc:.2f})"
            found.append((sign * (auc - 0.5), label))
        return ", ".join(label for _, label in sorted(found, key=lambda item: -item[0]))
