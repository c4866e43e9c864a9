"""Settings that the default SMART and the published one share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from spatialweave.settings import option


@dataclass(frozen=True)
class SmartConfig:
    """Settings of the convolutions, of the far spots of triplets, and factors of losses."""

    far_fraction: float = option(
        0.6, "Fraction of spots, the farthest from the anchor, that negatives come from.", 1e-6, 1.0
    )
    reconstruction_weights: str = option("", "Factor of single modalities' reconstruction losses: rna:2+adt:0.5.")
    triplet_weights: str = option("", "Factor of single modalities' triplet losses: rna:2+adt:0.5.")
    smoothness_weight: float = option(
        0.0, "Weight of squared distances between neighbours' embeddings.", low=0, aliases=("laplacian_alpha",)
    )
    encoder: Literal["sage", "gcn", "gat", "graph"] = option("sage", "Convolution of encoders and decoders.")
    layers: int = option(2, "Convolutions in every encoder and decoder.", low=1, high=10)
