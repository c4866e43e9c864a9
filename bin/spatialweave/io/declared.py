"""Statements of the user about the values in the files of a section, and the defaults without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from spatialweave.modalities import INTENSITIES, MODALITY_KINDS
from spatialweave.platforms import PLATFORMS

EVERY = ""
"""Stands for every modality in a statement of the user."""


@dataclass(frozen=True)
class Declared:
    """Statements of the user about the values of modalities.

    Attributes
    ----------
    precomputed
        The modalities whose values are not raw counts, each with the obsm key of its latents or "".
    measured
        Per modality (or :data:`EVERY`) `counts` or `intensities`.
    layers
        Per modality (or :data:`EVERY`) the layer that holds its counts.
    genome
        The genome whose features are used, where files hold several.
    platform
        The platform, where the user names it.
    of_file
        The platform that the format of a file implies.
    """

    precomputed: Mapping[str, str] = field(default_factory=dict)
    measured: Mapping[str, str] = field(default_factory=dict)
    layers: Mapping[str, str] = field(default_factory=dict)
    genome: str | None = None
    platform: str | None = None
    of_file: str | None = None

    def measures(self, modality: str) -> str:
        """Return `counts` or `intensities` for a modality: as declared, else by the platform or the modality."""
        declared = self.measured.get(modality) or self.measured.get(EVERY)
        if declared:
            return declared
        named = [name for name in (self.platform, self.of_file) if name is not None]
        of_platform = any(modality in PLATFORMS[name].intensities for name in named)
        return INTENSITIES if of_platform else MODALITY_KINDS[modality].values

    def on(self, platform: str | None) -> Declared:
        """Return the same statements for a file whose format implies a platform."""
        return replace(self, of_file=platform)

    def allows_fractions(self, modality: str) -> bool:
        """Return whether values of a modality may be fractions."""
        return modality in self.precomputed or self.measures(modality) == INTENSITIES

    def layer(self, modality: str | None) -> str | None:
        """Return the layer that is named for a modality, or for all."""
        return self.layers.get(modality or EVERY) or self.layers.get(EVERY)
