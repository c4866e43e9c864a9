"""Settings for registering the sections of a dataset (:mod:`~spatialweave.alignment.prematch`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spatialweave.settings import option


@dataclass(frozen=True)
class PrematchSettings:
    """Settings for registering two sections."""

    method: Literal["auto", "icp", "ndt", "fgw", "none"] = option(
        "auto",
        "auto: shapes and features; icp or ndt: coordinates only, by that algorithm; fgw: features and distances, by "
        "fused Gromov-Wasserstein; none: no registration.",
    )
    reflection: bool = option(False, "Also try the moving section turned over.")
    scale: bool = option(False, "The sections' coordinates differ in their units: also fit a scale factor.")
    angles: int = option(72, "Initial angles over the full circle.", low=4, high=720)
    starts: int = option(6, "Initial transforms to refine, both by shape and by cross-prediction.", low=1, high=50)
