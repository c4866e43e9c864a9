"""How two sections are matched: the settings of :mod:`~spatialweave.alignment.matching`, and whole sets of rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from spatialweave.alignment.candidates import CAP
from spatialweave.alignment.whole_section import MappingSettings
from spatialweave.errors import InputError
from spatialweave.settings import configure, option


@dataclass(frozen=True)
class MatchSettings:
    """How two sections are matched."""

    radius: float = option(3.0, "Largest distance of a match, in spot spacings of the coarser section.", above=0)
    temperature: float = option(0.1, "Divides the cosines; the smaller, the more they count.", above=0)
    epsilon: float = option(
        0.2,
        "Entropic regularisation of the transport, in units of the score; the publication's lambda. 0 = exact "
        "transport, for sections of up to 4 million pairs of spots.",
        low=0,
    )
    top: int = option(1, "Each spot of a pair must be among the other's this many best.", low=1)
    enough: float | None = option(
        None,
        "Spots are matched with their best only, as published, where this gives so many pairs per spot of the smaller "
        "section; else with their 2, 3, ... `top` best until it does; none: always with their `top` best.",
        low=0,
    )
    spatial_weight: float = option(
        4.0, "Weight of minus half the squared distance; 0 = by embedding only, as published.", low=0
    )
    dustbin: Literal["auto", "median", "constant"] = option(
        "auto",
        "Score of the dustbin. auto: the typical best score of a spot, less 2.5 standard deviations; constant: "
        "`bin_score`, as published; median: the lower median of the candidates' scores, as in the released code.",
    )
    bin_score: float = option(1.0, "The dustbin's score where it is constant; the publication's S_bin.")
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


@dataclass(frozen=True)
class MatchingRules:
    """How the consecutive sections of a dataset are matched, and mapped onto each other."""

    pairs: MatchSettings
    mapping: MappingSettings

    def record(self) -> dict[str, Any]:
        """For a training record: what a method matched by, MATCH matches by."""
        return asdict(self)


def rules_of(record: Mapping[str, Any]) -> MatchingRules:
    """The rules in a training record; the default ones where the method matches nothing itself."""
    given, where = record.get("matching", {}), "training record, matching"
    pairs = configure(MatchSettings, where, given.get("pairs", {}))
    return MatchingRules(pairs, configure(MappingSettings, where, given.get("mapping", {})))


PUBLISHED = MatchSettings(
    epsilon=1.0,
    top=20,
    enough=0.5,
    spatial_weight=0.0,
    dustbin="constant",
    outside="constant",
    size_free=False,
    reject=False,
    cap=1000,
)
"""The publication's rules. It does not say when pairs are too few, nor how far the matching is then relaxed.

It takes all pairs within the radius: a radius that holds more pairs than the cap gives other results here, because a
pair that is left out counts as one beyond the radius.
"""

RELEASED = replace(PUBLISHED, top=1, enough=None, dustbin="median")
"""The rules of its released code, which for `top` above 1 requires the same rank on both sides instead."""

PUBLISHED_MAPPING = MappingSettings(null="radius", penalty=0.0, source="smaller")

RULES = {
    "default": MatchingRules(MatchSettings(), MappingSettings()),
    "published": MatchingRules(PUBLISHED, PUBLISHED_MAPPING),
    "released": MatchingRules(RELEASED, PUBLISHED_MAPPING),
}


def check(settings: MatchSettings) -> None:
    """Raise an InputError that names the setting that is out of bounds."""
    configure(MatchSettings, "matching", vars(settings))
    if settings.cap < settings.top:
        raise InputError("matching, setting 'cap'", f"{settings.cap} is less than top = {settings.top}", "at least top")
