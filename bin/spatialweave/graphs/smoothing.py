"""Latents scaled to equal weight and averaged over neighbours: the embedding of the control, without any training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from spatialweave.graphs.matrices import with_self
from spatialweave.io.dataset import Modality

CONTROL_ROUNDS = 2
"""How often the control averages each spot with its neighbours."""


def smoothed(modalities: Sequence[Modality], graph: sparse.csr_matrix, rounds: int) -> np.ndarray:
    """Each modality scaled to total variance 1, averaged `rounds` times over neighbours and self, and concatenated.

    A spot without a modality takes the mean of its neighbours that have it; the neighbours' value counts as had in the
    next round. A spot that no round reaches keeps zero, the mean of the modality.

    Returns
    -------
    float32, spots x dimensions of all modalities.
    """
    neighbours = with_self(graph)
    blocks = [_smooth(scaled(modality), modality.present, neighbours, rounds) for modality in modalities]
    return np.concatenate(blocks, axis=1)


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
