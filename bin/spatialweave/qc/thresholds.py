"""Thresholds of QC, from the table of modalities. The defaults remove only spots and features without any data."""

from __future__ import annotations

from dataclasses import dataclass

from spatialweave.modalities import MODALITY_KINDS, SpotThreshold

WHOLE_NUMBERS = ("total", "n_features")
"""Metrics that are counts."""


@dataclass(frozen=True)
class Threshold:
    """Bound on one metric of a spot, in all the modalities that declare it.

    Attributes
    ----------
    bound
        Its declaration.
    modalities
        Modalities in which it applies.
    """

    bound: SpotThreshold
    modalities: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the option, without dashes; also the `check` in the tables."""
        return self.bound.name

    @property
    def option(self) -> str:
        """Spelling on the command line."""
        return "--" + self.name.replace("_", "-")

    @property
    def is_whole(self) -> bool:
        """Whether it is a bound on an integer."""
        return self.bound.metric in WHOLE_NUMBERS


def spot_thresholds() -> tuple[Threshold, ...]:
    """Return every threshold once, in the order in which the modalities declare them."""
    declared: dict[str, SpotThreshold] = {}
    modalities: dict[str, list[str]] = {}
    for kind in MODALITY_KINDS.values():
        for bound in kind.thresholds:
            if declared.setdefault(bound.name, bound) != bound:
                raise ValueError(f"the threshold {bound.name} is declared in two different ways")
            modalities.setdefault(bound.name, []).append(kind.name)
    return tuple(Threshold(bound, tuple(modalities[name])) for name, bound in declared.items())


SPOT_THRESHOLDS = spot_thresholds()
MIN_SPOTS = "min_spots"
MIN_SPOTS_HELP = "All modalities: features detected in fewer of the kept spots are removed."
MIN_SPOTS_DEFAULT = 1


def defaults() -> dict[str, float]:
    """Return every threshold's default, by name."""
    return {threshold.name: threshold.bound.default for threshold in SPOT_THRESHOLDS} | {MIN_SPOTS: MIN_SPOTS_DEFAULT}
