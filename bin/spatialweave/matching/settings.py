"""Settings for matching two sections (:mod:`~spatialweave.matching.match`), and named sets of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from spatialweave.errors import InputError
from spatialweave.matching.candidates import CAP
from spatialweave.matching.whole_section import MappingSettings
from spatialweave.settings import configure, option


@dataclass(frozen=True)
class MatchSettings:
    """Settings for matching two sections."""

    radius: float = option(3.0, "Largest distance of a match, in spot spacings of the coarser section.", above=0)
    temperature: float = option(0.1, "Divides the cosines; a smaller value gives them more weight.", above=0)
    epsilon: float = option(
        0.2,
        "Entropic regularisation of the transport, in units of the score; the publication's lambda. 0 = exact "
        "transport, for sections of up to 4 million pairs of spots.",
        low=0,
    )
    top: int = option(1, "Each spot of a pair must be among this many best matches of the other.", low=1)
    enough: float | None = option(
        None,
        "A spot is matched only with its best match, as published, if this gives so many pairs per spot of the smaller "
        "section; otherwise with its 2, 3, ... `top` best until it does. none: always with its `top` best.",
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
    bin_score: float = option(1.0, "Score of the dustbin if `dustbin` is constant; the publication's S_bin.")
    outside: Literal["forbidden", "constant"] = option(
        "forbidden", "Pairs beyond the radius have no mass (forbidden) or, as published, the score 0 (constant)."
    )
    size_free: bool = option(
        True, "The dustbin's effect does not depend on the number of spots; false = as published, it does."
    )
    reject: bool = option(True, "A pair must have more mass than the dustbin; false = not required, as published.")
    cap: int = option(CAP, "Candidates per spot, the best by score; at least `top`.", low=1)
    tolerance: float = option(1e-3, "The sweeps stop when at most this fraction of the mass is misplaced.", above=0)
    max_sweeps: int = option(100, "Largest number of sweeps.", low=1)


@dataclass(frozen=True)
class MatchingRules:
    """Settings for matching the consecutive sections of a dataset and mapping them onto each other."""

    pairs: MatchSettings
    mapping: MappingSettings

    def record(self) -> dict[str, Any]:
        """Return the rules for a training record, so that MATCH matches by the same rules as the method."""
        return asdict(self)


def rules_of(record: Mapping[str, Any]) -> MatchingRules:
    """Return the rules in a training record; the default rules if the method itself matches nothing."""
    recorded, where = record.get("matching", {}), "training record, matching"
    pairs = configure(MatchSettings, where, recorded.get("pairs", {}))
    return MatchingRules(pairs, configure(MappingSettings, where, recorded.get("mapping", {})))


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
"""Rules of the publication. It does not state when pairs are too few, nor how far the matching is then relaxed.

It takes all pairs within the radius. A radius that contains more pairs than the cap gives other results here, because a
pair that is left out counts as one beyond the radius.
"""

RELEASED = replace(PUBLISHED, top=1, enough=None, dustbin="median")
"""Rules of the publication's code, which for `top` above 1 requires the same rank on both sides instead."""

PUBLISHED_MAPPING = MappingSettings(null="radius", penalty=0.0, source="smaller")

RULES = {
    "default": MatchingRules(MatchSettings(), MappingSettings()),
    "published": MatchingRules(PUBLISHED, PUBLISHED_MAPPING),
    "released": MatchingRules(RELEASED, PUBLISHED_MAPPING),
}


def check(settings: MatchSettings) -> None:
    """Raise an InputError that names a setting that is out of bounds."""
    configure(MatchSettings, "matching", vars(settings))
    if settings.cap < settings.top:
        raise InputError("matching, setting 'cap'", f"{settings.cap} is less than top = {settings.top}", "at least top")
