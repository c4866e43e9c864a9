"""The control: latents of equal weight, concatenated and averaged over the spatial neighbours. Nothing is trained.

Any method worth its training should beat it; it runs beside every method, under the same clustering.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError
from spatialweave.graphs.matrices import with_self
from spatialweave.method import Fitted
from spatialweave.settings import nearest_name, option

if TYPE_CHECKING:
    from scipy import sparse

    from spatialweave.io.dataset import Dataset, Modality
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config:
    """Settings of the control."""

    rounds: int = option(2, "How often each spot is averaged with its neighbours.", low=0, high=100)
    modality: str = option("all", "The one modality that is used, or all.")


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`: each modality scaled to total variance 1, averaged over neighbours and self, concatenated.

    A spot without a modality takes the mean of its neighbours that have it; the neighbours' value counts as had in the
    next round. A spot that no round reaches keeps zero, the mean of the modality.
    """
    neighbours = with_self(dataset.spatial_graph())
    chosen = [modality for modality in dataset.modalities if config.modality in ("all", modality.name)]
    if not chosen:
        known = nearest_name(config.modality, [modality.name for modality in dataset.modalities])
        raise InputError(dataset.name, f"has no modality '{config.modality}'", known)
    blocks = [_smooth(scaled(modality), modality.present, neighbours, config.rounds) for modality in chosen]
    return Fitted(np.concatenate(blocks, axis=1))


def scaled(modality: Modality) -> np.ndarray:
    """The latent centred and scaled over the spots that have it, to variances that sum to one; zero elsewhere."""
    measured = modality.latent[modality.present].astype(np.float64)
    centred = measured - measured.mean(axis=0)
    total = centred.var(axis=0).sum()
    block = np.zeros(modality.latent.shape, dtype=np.float32)
    block[modality.present] = centred / np.sqrt(total) if total > 0 else 0
    return block


def _smooth(block: np.ndarray, present: np.ndarray, neighbours: sparse.csr_matrix, rounds: int) -> np.ndarray:
    """Average `rounds` times over the neighbours (self among them) that have a value."""
    has = present.astype(np.float32)
    for _ in range(rounds):
        count = neighbours @ has
        block = (neighbours @ block) / np.maximum(count, 1)[:, None]
        has = (count > 0).astype(np.float32)
    return block
