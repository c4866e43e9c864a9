"""The thresholds of QC, from the table of modalities. Their defaults remove what holds nothing at all."""

from __future__ import annotations

from dataclasses import dataclass

from spatialweave.modalities import MODALITY_KINDS, SpotThreshold

WHOLE_NUMBERS = ("total", "n_features")
"""Metrics that count something."""


@dataclass(frozen=True)
class Threshold:
    """A bound on one metric of a spot, in all the modalities that declare it.

    Attributes
    ----------
    bound
        Its declaration.
    modalities
        Where it applies.
    """

    bound: SpotThreshold
    modalities: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the option, without dashes; also the `check` in the tables."""
        return self.bound.name

    @property
    def option(self) -> str:
        """How the command line spells it."""
        return "--" + self.name.replace("_", "-")

    @property
    def is_whole(self) -> bool:
        """Whether it is a bound on a number of things."""
        return self.bound.metric in WHOLE_NUMBERS


def spot_thresholds() -> tuple[Threshold, ...]:
    """Every threshold once, in the order in which the modalities declare them."""
    declared: dict[str, SpotThreshold] = {}
    modalities: dict[str, list[str]] = {}
    for kind in MODALITY_KINDS.values():
        for bound in kind.thresholds:
            if declared.setdefault(bound.name, bound) != bound:
                raise ValueError(f"the threshold {bound.name} is declared in two ways")
            modalities.setdefault(bound.name, []).append(kind.name)
    return tuple(Threshold(bound, tuple(modalities[name])) for name, bound in declared.items())


SPOT_THRESHOLDS = spot_thresholds()
MIN_SPOTS = "min_spots"
MIN_SPOTS_HELP = "All modalities: features detected in fewer of the kept spots are removed."
MIN_SPOTS_DEFAULT = 1


def defaults() -> dict[str, float]:
    """Every threshold's default, by name."""
    return {threshold.name: threshold.bound.default for threshold in SPOT_THRESHOLDS} | {MIN_SPOTS: MIN_SPOTS_DEFAULT}
