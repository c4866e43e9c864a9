"""Latents of all spots, for libraries that do not accept missing values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spatialweave.graphs.matrices import with_self

if TYPE_CHECKING:
    from scipy import sparse

    from spatialweave.io.dataset import Modality


def complete(modality: Modality, graph: sparse.csr_matrix) -> np.ndarray:
    """Return the latent (float32, spots x dimensions) with a value for every spot.

    A spot without the modality gets the mean of its neighbours in `graph` that have it, or got a value in the round
    before. Spots that no round reaches, e.g. a whole section without the modality, get the mean of the modality.
    """
    filled = np.where(modality.present[:, None], modality.latent, np.float32(0))
    has = modality.present.copy()
    neighbours = with_self(graph)
    while not has.all():
        count = neighbours @ has.astype(np.float32)
        new = ~has & (count > 0)
        if not new.any():
            filled[~has] = filled[modality.present].mean(axis=0)
            break
        # Rows of spots without a value are zero.
        filled[new] = (neighbours[new] @ filled) / count[new, None]
        has |= new
    return filled
