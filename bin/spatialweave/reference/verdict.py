"""Verdict on a whole section: like the reference, shifted, unlike it in part, foreign, or undecided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from spatialweave.reference.likeness import UNLIKE

LIKE, SHIFTED, PARTLY, FOREIGN, UNDECIDED = "like", "shifted", "partly unlike", "foreign", "undecided"

MOST = 0.5
"""A section is foreign if more than this fraction of its spots is unlike the reference, or if the reference explains
less than this fraction of what it explains of its own spots. It is shifted if more than this fraction of its spots is
far in a modality until the section's common shift is removed."""

SOME = 0.1
"""From this fraction of unlike spots on, a part of the section is unlike: ten times the expected fraction."""


@dataclass(frozen=True)
class SectionLikeness:
    """Similarity of a section to the reference.

    Attributes
    ----------
    verdict
        :data:`LIKE`, :data:`SHIFTED`, :data:`PARTLY`, :data:`FOREIGN` or :data:`UNDECIDED`.
    unlike
        Fraction of the spots that are unlike the reference; in the reference itself it is 1 minus :data:`UNLIKE`.
    structure
        Modality -> what the reference's components explain of the variation that neighbours share, as a fraction of
        what they explain in the reference, over the spots that are not unlike it. 0 if neighbours share nothing.
    untold
        Modalities for which this cannot be decided.
    far
        Modality -> fraction of the spots that are unlike in their latents before the section's common shift is removed.
    """

    section: str
    verdict: str
    n_spots: int
    unlike: float
    structure: dict[str, float]
    untold: tuple[str, ...]
    far: dict[str, float]

    def sentence(self, reference: str) -> str:
        """Return the verdict in one line for the user."""
        fractions = ", ".join(
            [f"{name} {fraction:.0%}" for name, fraction in self.structure.items()]
            + [f"{name} undecided (too few spots for what neighbours share)" for name in self.untold]
        )
        unlike = f"{self.unlike:.1%} of {self.n_spots} spots are unlike it (1% expected)"
        verdicts = {
            LIKE: f"like the reference '{reference}'",
            SHIFTED: f"like the reference '{reference}' except for a shift of {self._shifted()}, which was removed",
            PARTLY: f"UNLIKE the reference '{reference}' IN PART: see the map of unlikeness",
            FOREIGN: f"FOREIGN to the reference '{reference}': do not use its domains",
            UNDECIDED: f"TOO SMALL OR TOO NOISY to decide whether it has the structure of the reference '{reference}': "
            "its spots are not unlike it, but their neighbours share no structure that could be compared",
        }
        return f"section '{self.section}' is {verdicts[self.verdict]} ({unlike}; structure explained: {fractions})"

    def rows(self) -> Iterator[tuple[str, str, str, str, float]]:
        """Yield rows of the table LIKENESS."""
        yield self.section, self.verdict, "all", "spots", self.n_spots
        yield self.section, self.verdict, "all", "unlike", self.unlike
        for name, fraction in self.structure.items():
            yield self.section, self.verdict, name, "structure", fraction
        for name, fraction in self.far.items():
            yield self.section, self.verdict, name, "far", fraction

    def _shifted(self) -> str:
        return ", ".join(name for name, fraction in self.far.items() if fraction > MOST)


def section_likeness(
    section: str,
    unlikeness: np.ndarray,
    explained: Mapping[str, float],
    of_reference: Mapping[str, float],
    far: Mapping[str, float],
) -> SectionLikeness:
    """Return the verdict on a section.

    Parameters
    ----------
    unlikeness
        Unlikeness of its spots.
    explained, of_reference
        Modality -> explained fraction of the shared variation, for the section's spots that are not unlike the
        reference, and for the reference. NaN if it cannot be decided, which does not count against a section; for a
        reference also if neighbours share none.
    far
        As :attr:`SectionLikeness.far`.
    """
    # A modality in which the reference has no structure is not used.
    judged = [name for name in explained if of_reference.get(name, np.nan) > 0]
    decided = [name for name in judged if np.isfinite(explained[name])]
    structure = {name: float(np.clip(explained[name] / of_reference[name], 0, 1)) for name in decided}
    untold = tuple(name for name in judged if name not in decided)
    unlike = float((unlikeness > UNLIKE).mean())
    verdict = LIKE
    if unlike > MOST or (structure and np.mean(list(structure.values())) < MOST):
        verdict = FOREIGN
    elif unlike > SOME:
        verdict = PARTLY
    elif untold and not decided:
        verdict = UNDECIDED
    elif any(fraction > MOST for fraction in far.values()):
        verdict = SHIFTED
    return SectionLikeness(
        section, verdict, len(unlikeness), unlike, structure, untold, {name: far[name] for name in explained}
    )
