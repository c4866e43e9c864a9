"""Latents scaled to equal weight and averaged over neighbours: the embedding of the control, without training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from spatialweave.graphs.matrices import with_self
from spatialweave.io.dataset import Modality

CONTROL_ROUNDS = 2
"""How often the control averages each spot with its neighbours."""


def smoothed(
    modalities: Sequence[Modality],
    graph: sparse.csr_matrix,
    rounds: int,
    scalings: Sequence[tuple[np.ndarray, float]] | None = None,
) -> np.ndarray:
    """Scale each modality to total variance 1, average `rounds` times over neighbours and self, and concatenate.

    A spot without a modality gets the mean of its neighbours that have it, and counts as having it in the next round. A
    spot that no round reaches keeps zero, the mean of the modality.

    Parameters
    ----------
    scalings
        Mean and factor of each modality, from other spots (:func:`scaling`); None = from these spots.

    Returns
    -------
    float32, spots x dimensions of all modalities.
    """
    neighbours = with_self(graph)
    used = [scaling(modality) for modality in modalities] if scalings is None else scalings
    blocks = [
        smooth(scaled(modality, one), modality.present, neighbours, rounds)
        for modality, one in zip(modalities, used, strict=True)
    ]
    return np.concatenate(blocks, axis=1)


def scaling(modality: Modality) -> tuple[np.ndarray, float]:
    """Return the latent's mean over the spots that have it, and the factor that makes its variances sum to one.

    Zeros if no spot has it.
    """
    measured = modality.latent[modality.present].astype(np.float64)
    if not len(measured):
        return np.zeros(measured.shape[1]), 0.0
    mean = measured.mean(axis=0)
    total = (measured - mean).var(axis=0).sum()
    return mean, float(1 / np.sqrt(total)) if total > 0 else 0.0


def scaled(modality: Modality, by: tuple[np.ndarray, float] | None = None) -> np.ndarray:
    """Return the latent centred and scaled `by` mean and factor, or by its own (:func:`scaling`); zero if missing."""
    mean, factor = scaling(modality) if by is None else by
    block = np.zeros(modality.latent.shape, dtype=np.float32)
    block[modality.present] = (modality.latent[modality.present].astype(np.float64) - mean) * factor
    return block


def smooth(block: np.ndarray, present: np.ndarray, neighbours: sparse.csr_matrix, rounds: int) -> np.ndarray:
    """Average `rounds` times over the neighbours (including self) that have a value."""
    has = present.astype(np.float32)
    for _ in range(rounds):
        count = neighbours @ has
        block = (neighbours @ block) / np.maximum(count, 1)[:, None]
        has = (count > 0).astype(np.float32)
    return block
