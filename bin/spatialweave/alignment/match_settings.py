"""How two sections are matched: the settings of :mod:`~spatialweave.alignment.matching`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spatialweave.alignment.candidates import CAP
from spatialweave.errors import InputError
from spatialweave.settings import configure, option


@dataclass(frozen=True)
class MatchSettings:
    """How two sections are matched."""

    radius: float = option(3.0, "Largest distance of a match, in spot spacings of the coarser section.", above=0)
    temperature: float = option(0.1, "Divides the cosines; the smaller, the more they count.", above=0)
    epsilon: float = option(0.2, "Entropic regularisation of the transport, in units of the score.", above=0)
    top: int = option(1, "Each spot of a pair must be among the other's this many best.", low=1)
    spatial_weight: float = option(
        4.0, "Weight of minus half the squared distance; 0 = by embedding only, as published.", low=0
    )
    dustbin: Literal["auto", "median"] = option(
        "auto",
        "Score of the dustbin. auto: the typical best score of a spot, less 2.5 standard deviations; median: the lower "
        "median of the candidates' scores, as published.",
    )
    outside: Literal["forbidden", "constant"] = option(
        "forbidden", "Pairs beyond the radius have no mass (forbidden) or, as published, the score 0 (constant)."
    )
    size_free: bool = option(
        True, "The dustbin's effect does not depend on the number of spots; false = as published, it does."
    )
    reject: bool = option(True, "A pair must have more mass than the dustbin; false = as published, it need not.")
    cap: int = option(CAP, "Candidates per spot, the best by score; at least `top`.", low=1)
    tolerance: float = option(1e-3, "The sweeps stop when at most this fraction of the mass is misplaced.", above=0)
    max_sweeps: int = option(100, "The sweeps stop after this many.", low=1)


PUBLISHED = MatchSettings(
    epsilon=1.0, spatial_weight=0.0, dustbin="median", outside="constant", size_free=False, reject=False, cap=1000
)
"""The settings of the published code, which differs in two more points: for `top` above 1 it requires the same rank on
both sides, and it takes all pairs within the radius. A radius that holds more pairs than the cap gives other results
here, because a pair that is left out counts as one beyond the radius.
"""


def check(settings: MatchSettings) -> None:
    """Raise an InputError that names the setting that is out of bounds."""
    configure(MatchSettings, "matching", vars(settings))
    if settings.cap < settings.top:
        raise InputError("matching, setting 'cap'", f"{settings.cap} is less than top = {settings.top}", "at least top")
