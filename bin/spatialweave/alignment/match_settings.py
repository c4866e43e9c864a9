"""How two sections are matched: the settings of :mod:`~spatialweave.alignment.matching`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from spatialweave.alignment.candidates import CAP
from spatialweave.alignment.transport import Outside
from spatialweave.errors import InputError


@dataclass(frozen=True)
class MatchSettings:
    """How two sections are matched.

    Attributes
    ----------
    radius
        In spot spacings of the coarser section.
    temperature
        Divides the cosines; the smaller, the more they count.
    epsilon
        Entropic regularisation of the transport, in units of the score.
    top
        Each spot must be among the other's `top` best.
    spatial_weight
        Weight of minus half the squared distance; 0 = by embedding only, as published.
    dustbin
        Score of the dustbin: a number, ``auto`` (typical best score of a spot, less 2.5 standard deviations) or
        ``median`` (lower median of the candidates' scores, as published).
    outside
        Whether pairs beyond the radius have no mass (``forbidden``) or, as published, the score 0 (``constant``).
    size_free
        Whether the dustbin's meaning is kept apart from the number of spots; False = as published.
    reject
        Whether a pair must beat the dustbin; False = as the published code, which never rejects.
    cap
        Candidates that a spot can choose; the best by score.
    tolerance, max_sweeps
        When the transport's sweeps stop.
    """

    radius: float = 3.0
    temperature: float = 0.1
    epsilon: float = 0.2
    top: int = 1
    spatial_weight: float = 4.0
    dustbin: float | Literal["auto", "median"] = "auto"
    outside: Outside = "forbidden"
    size_free: bool = True
    reject: bool = True
    cap: int = CAP
    tolerance: float = 1e-3
    max_sweeps: int = 100


PUBLISHED = MatchSettings(
    epsilon=1.0, spatial_weight=0.0, dustbin="median", outside="constant", size_free=False, reject=False, cap=1000
)
"""The published code's behaviour (its ranks apart for `top` above 1, where it wants the same rank on both sides).

It takes all pairs within the radius, which must not hold more than the cap here: a pair left out counts as one beyond.
"""


def check(settings: MatchSettings) -> None:
    """Refuse settings that make no sense, naming the one."""
    limits: list[tuple[str, float, bool, str]] = [
        ("radius", settings.radius, 0 < settings.radius < np.inf, "a number above 0"),
        ("temperature", settings.temperature, 0 < settings.temperature < np.inf, "a number above 0"),
        ("epsilon", settings.epsilon, 0 < settings.epsilon < np.inf, "a number above 0"),
        ("top", settings.top, settings.top >= 1, "1 or more"),
        ("spatial_weight", settings.spatial_weight, 0 <= settings.spatial_weight < np.inf, "0 or more"),
        ("cap", settings.cap, settings.cap >= settings.top, "at least 'top'"),
        ("tolerance", settings.tolerance, 0 < settings.tolerance < np.inf, "a number above 0"),
        ("max_sweeps", settings.max_sweeps, settings.max_sweeps >= 1, "1 or more"),
    ]
    for where, value, fine, expected in limits:
        if not fine:
            raise InputError(f"matching, {where}", f"{value} is out of range", expected)
    if settings.outside not in ("forbidden", "constant"):
        raise InputError("matching, outside", f"'{settings.outside}' is not known", "forbidden or constant")
    wanted = "auto, median or a number"
    if isinstance(settings.dustbin, str):
        if settings.dustbin not in ("auto", "median"):
            raise InputError("matching, dustbin", f"'{settings.dustbin}' is not known", wanted)
    elif not np.isfinite(settings.dustbin):
        raise InputError("matching, dustbin", f"{settings.dustbin}", wanted)
