"""How like a reference a whole section is: like it, shifted, unlike it in part, foreign, or not to be told."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from spatialweave.reference.likeness import UNLIKE

LIKE, SHIFTED, PARTLY, FOREIGN, UNDECIDED = "like", "shifted", "partly unlike", "foreign", "undecided"

MOST = 0.5
"""A section is foreign where more than this fraction of its spots is unlike the reference, or where the reference
explains less than this fraction of what it explains of its own spots; shifted, where more spots than this are far in a
modality until the section's common shift is taken away."""

SOME = 0.1
"""From this fraction of unlike spots on, a part of the section is: ten times what is expected."""


@dataclass(frozen=True)
class SectionLikeness:
    """How like the reference a section is.

    Attributes
    ----------
    verdict
        :data:`LIKE`, :data:`SHIFTED`, :data:`PARTLY`, :data:`FOREIGN` or :data:`UNDECIDED`.
    unlike
        Fraction of the spots that are unlike the reference, of which it is 1 less :data:`UNLIKE` there.
    structure
        By modality, what the reference's components explain of the variation that neighbours share, as a fraction of
        what they explain in the reference; over the spots that are not unlike it. 0 where neighbours share nothing.
    untold
        Modalities of which that cannot be told.
    far
        By modality, the fraction of the spots that are unlike in their latents before the section's common shift is
        taken away.
    """

    section: str
    verdict: str
    n_spots: int
    unlike: float
    structure: dict[str, float]
    untold: tuple[str, ...]
    far: dict[str, float]

    def sentence(self, reference: str) -> str:
        """One line for the user."""
        shares = ", ".join(
            [f"{name} {share:.0%}" for name, share in self.structure.items()]
            + [f"{name} cannot be told (too few spots for what neighbours share)" for name in self.untold]
        )
        facts = f"{self.unlike:.1%} of {self.n_spots} spots are unlike it (1% expected); structure explained: {shares}"
        said = {
            LIKE: f"like the reference '{reference}'",
            SHIFTED: f"like the reference '{reference}' but for a shift of {self._shifted()}, which was taken away",
            PARTLY: f"UNLIKE the reference '{reference}' IN PART: see the map of unlikeness",
            FOREIGN: f"FOREIGN to the reference '{reference}': its domains should not be used",
            UNDECIDED: f"TOO SMALL OR TOO NOISY to tell whether its structure is that of the reference '{reference}': "
            "its spots are not unlike it, but neighbours show nothing that could be",
        }
        return f"section '{self.section}' is {said[self.verdict]} ({facts})"

    def rows(self) -> Iterator[tuple[str, str, str, str, float]]:
        """Rows of the table LIKENESS."""
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
    """The verdict on a section.

    Parameters
    ----------
    unlikeness
        Of its spots.
    explained, of_reference
        By modality the fraction of the shared variation that is explained, of the section's spots that are not unlike
        the reference, and of the reference's. NaN where it cannot be told, which says nothing against a section; of a
        reference also where neighbours share none.
    far
        As :attr:`SectionLikeness.far`.
    """
    # Where the reference has no structure in a modality, nothing can be said by it.
    judged = [name for name in explained if of_reference.get(name, np.nan) > 0]
    told = [name for name in judged if np.isfinite(explained[name])]
    structure = {name: float(np.clip(explained[name] / of_reference[name], 0, 1)) for name in told}
    untold = tuple(name for name in judged if name not in told)
    unlike = float((unlikeness > UNLIKE).mean())
    verdict = LIKE
    if unlike > MOST or (structure and np.mean(list(structure.values())) < MOST):
        verdict = FOREIGN
    elif unlike > SOME:
        verdict = PARTLY
    elif untold and not told:
        verdict = UNDECIDED
    elif any(fraction > MOST for fraction in far.values()):
        verdict = SHIFTED
    return SectionLikeness(
        section, verdict, len(unlikeness), unlike, structure, untold, {name: far[name] for name in explained}
    )
