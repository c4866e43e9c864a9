"""Names of domains from a panel of markers: a score, its lead over chance and over the runner-up; or no name."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from spatialweave.characterise.markers import SIGNIFICANT, MarkerTests
from spatialweave.characterise.panel import Panel
from spatialweave.characterise.rounding import short
from spatialweave.io.notices import warn
from spatialweave.io.result_tables import joined_names

LEAST_SCORE = 0.1
"""Smallest score of a name: its markers have a mean AUC of 0.55."""

LEAST_MARGIN = 0.05
"""Smallest lead over the name with the next highest score."""

LEAST_MEASURED = 0.5
"""Smallest fraction of its markers that must be measured."""

STEPS = 1000
"""For p values, effects (2 AUC - 1) are rounded to this many steps per 1, a hundredth of :data:`LEAST_SCORE`."""

SMALLEST_P = 1e-12
"""Smaller p values of one name and domain are rounding errors of the Fourier transform."""

Signature = tuple[tuple[tuple[int, int], int], ...]
"""Number of markers of a name per modality (its position) and sign, as sorted ((modality, sign), number)."""


@dataclass(frozen=True)
class NameScore:
    """Score of one name for one domain.

    Attributes
    ----------
    domain
        Number of the domain, from 1.
    score
        Mean over markers of 2 AUC - 1, with the opposite sign for negative markers: 1 if all spots of the domain have
        more of every marker than any other spot, 0 if the markers do not distinguish it from the others; NaN without
        any.
    margin
        Score minus that of the best other name; the score itself if there is no other.
    p
        Probability that the same number of random features of the same modalities score as high, for all names and
        domains together (Bonferroni).
    named
        Whether the domain has this name.
    evidence
        The markers with their AUC.
    not_measured
        The markers that were not measured in the domain (:func:`joined_names`).
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
    not_measured: str


def name_domains(panel: Panel, tests: Sequence[MarkerTests]) -> list[NameScore]:
    """Score every name in every domain, best first, and decide which domains get a name.

    In each domain only markers of the modalities that its spots have are counted. A warning lists names that no domain
    could get with any marker values.

    Parameters
    ----------
    tests
        Tests of all sections together, one per modality.
    """
    candidates = [_Measured.of(name, panel, tests) for name in panel]
    effects = [2.0 * test.found.auc - 1.0 for test in tests]
    testable = np.array([test.found.testable for test in tests])
    scores = np.array([candidate.scores(effects) for candidate in candidates])
    measured = [candidate.measured(testable) for candidate in candidates]
    pairs = int(np.isfinite(scores).any(axis=1).sum()) * testable.shape[1]
    p = np.minimum(_p_values(candidates, effects) * pairs, 1.0)
    _warn_of_hopeless(candidates, effects, pairs)
    found = []
    for domain in np.flatnonzero(testable.any(axis=0)).tolist():
        own = np.where(np.isfinite(scores[:, domain]), scores[:, domain], -np.inf)
        for index in np.argsort(-own, kind="stable"):
            others = np.delete(own, index)
            runner_up = others.max(initial=-np.inf)
            margin = own[index] - (runner_up if np.isfinite(runner_up) else 0.0)
            candidate = candidates[index]
            named = (
                own[index] >= LEAST_SCORE
                and margin >= LEAST_MARGIN
                and p[index, domain] <= SIGNIFICANT
                and measured[index][:, domain].sum() >= LEAST_MEASURED * candidate.n_markers
            )
            if np.isfinite(own[index]):
                evidence = candidate.evidence(tests, domain)
                found_in = measured[index][:, domain]
                absent = joined_names(candidate.features[number] for number in np.flatnonzero(~found_in))
                found.append(
                    NameScore(
                        domain + 1, candidate.name, short(own[index]), short(margin), short(p[index, domain]),
                        int(found_in.sum()), candidate.n_markers, bool(named), evidence, absent,
                    )
                )  # fmt: skip
    return found


@dataclass(frozen=True)
class _Measured:
    """Markers of a name that were measured, as (modality's position, feature, sign).

    `numbers` contains the panel number of each, since a marker may occur in several modalities; `features` are the
    names of the panel's markers.
    """

    name: str
    markers: list[tuple[int, int, int]]
    numbers: list[int]
    features: list[str]

    @property
    def n_markers(self) -> int:
        """Number of markers in the panel."""
        return len(self.features)

    @classmethod
    def of(cls, name: str, panel: Panel, tests: Sequence[MarkerTests]) -> _Measured:
        """Find the measured markers; one without a modality counts in every modality with a feature of its name."""
        indices = []
        for test in tests:
            lower = {feature.upper(): number for number, feature in reversed(list(enumerate(test.features)))}
            indices.append(lower | {feature: number for number, feature in enumerate(test.features)})
        markers: list[tuple[int, int, int]] = []
        numbers: list[int] = []
        for number, marker in enumerate(panel[name]):
            matches = [
                (position, index.get(marker.feature, index.get(marker.feature.upper(), -1)), marker.sign)
                for position, (test, index) in enumerate(zip(tests, indices, strict=True))
                if marker.modality in ("", test.modality)
            ]
            matches = [match for match in matches if match[1] >= 0]
            markers += matches
            numbers += [number] * len(matches)
        return cls(name, markers, numbers, [marker.feature for marker in panel[name]])

    def measured(self, testable: np.ndarray) -> np.ndarray:
        """Return which markers of the panel count in each domain, given `testable` (modalities x domains)."""
        counts = np.zeros((self.n_markers, testable.shape[1]), dtype=bool)
        for number, (modality, _, _) in zip(self.numbers, self.markers, strict=True):
            counts[number] |= testable[modality]
        return counts

    def scores(self, effects: list[np.ndarray]) -> np.ndarray:
        """Return one score per domain; NaN if no marker was measured."""
        total, used = np.zeros(len(effects[0])), np.zeros(len(effects[0]))
        for modality, feature, sign in self.markers:
            effect = effects[modality][:, feature]
            total += sign * np.nan_to_num(effect)
            used += np.isfinite(effect)
        return np.divide(total, used, out=np.full(len(used), np.nan), where=used > 0)

    @property
    def signature(self) -> Signature:
        """What the distribution of the score by chance depends on."""
        return tuple(sorted(Counter((modality, sign) for modality, _, sign in self.markers).items()))

    def steps(self, rounded: list[np.ndarray]) -> np.ndarray:
        """Return the sum of the markers' effects in each domain (int64), from `rounded` effects."""
        total = np.zeros(len(rounded[0]), dtype=np.int64)
        for modality, feature, sign in self.markers:
            total += sign * rounded[modality][:, feature]
        return total

    def evidence(self, tests: Sequence[MarkerTests], domain: int) -> str:
        """Return the measured markers as text, those that support the name most first."""
        found = []
        for modality, feature, sign in self.markers:
            auc = float(tests[modality].found.auc[domain, feature])
            if np.isnan(auc):
                continue
            label = f"{'' if sign > 0 else 'not '}{tests[modality].features[feature]} (AUC {auc:.2f})"
            found.append((sign * (auc - 0.5), label))
        return ", ".join(label for _, label in sorted(found, key=lambda item: -item[0]))


def _p_values(candidates: Sequence[_Measured], effects: Sequence[np.ndarray]) -> np.ndarray:
    """Return the probability that random features in place of the markers score as high (names x domains).

    Names with the same number of markers per modality and sign have the same distribution in a domain.

    Parameters
    ----------
    effects
        By modality, domains x features; NaN where a domain's spots lack the modality, which is then ignored.
    """
    rounded = [np.rint(STEPS * np.nan_to_num(effect)).astype(np.int64) for effect in effects]
    alike: dict[Signature, list[int]] = defaultdict(list)
    for index, candidate in enumerate(candidates):
        alike[candidate.signature].append(index)
    result = np.ones((len(candidates), len(effects[0])))
    for signature, indices in alike.items():
        sums = np.array([candidates[index].steps(rounded) for index in indices])
        for domain in range(sums.shape[1]):
            result[indices, domain] = upper_tail([effect[domain] for effect in rounded], signature, sums[:, domain])
    return result


def upper_tail(values: Sequence[np.ndarray], signature: Signature, sums: np.ndarray) -> np.ndarray:
    """Return the probability that independent random features have a sum of values as high as each of `sums`.

    The distribution of a sum of independent draws is the convolution of their distributions. It is computed exactly as
    the product of their Fourier transforms.

    Parameters
    ----------
    values
        For each modality, the values of all its features (int64), -:data:`STEPS` to :data:`STEPS`.
    signature
        How many features are drawn; their values count with the sign.
    sums
        int64.
    """
    n_drawn = sum(number for _, number in signature)
    length = fft.next_fast_len(2 * STEPS * n_drawn + 1, real=True)
    product = np.ones(length // 2 + 1, dtype=np.complex128)
    for (modality, sign), number in signature:
        counts = np.bincount(sign * values[modality] + STEPS, minlength=2 * STEPS + 1)
        product *= fft.rfft(counts / counts.sum(), length) ** number
    density = fft.irfft(product, length)[: 2 * STEPS * n_drawn + 1]
    tail = np.cumsum(density[::-1])[::-1]
    return np.clip(tail[sums + STEPS * n_drawn], SMALLEST_P, 1.0)


def _warn_of_hopeless(candidates: Sequence[_Measured], effects: Sequence[np.ndarray], pairs: int) -> None:
    """Warn of names with so few markers that even the highest possible score is not significant."""
    n_features = [effect.shape[1] for effect in effects]
    hopeless = []
    for candidate in candidates:
        rarest = np.prod([1.0 / n_features[modality] for modality, _, _ in candidate.markers])
        if candidate.markers and pairs * rarest > SIGNIFICANT:
            hopeless.append(candidate.name)
    if hopeless:
        warn(
            "panel",
            f"{len(hopeless)} of {len(candidates)} names, such as '{hopeless[0]}', cannot be given to any "
            "domain: so few random features reach the highest possible score too often for "
            f"{pairs} pairs of names and domains; give them more markers, or leave out names that this tissue cannot "
            "have",
        )
