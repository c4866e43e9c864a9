"""Losses that join the embeddings of two sections: matched spots, far spots of the same section, directions.

From SpatialFuser (bioRxiv 2025.09.14.676067).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from spatialweave.nn.losses import pair_distance, triplet_loss
from spatialweave.nn.propagation import row_differences


class Partners:
    """Matched spots, and for every spot a distant one in its own section.

    Parameters
    ----------
    first, second
        int64, one per pair: rows of the two matched spots.
    far
        int64, one per spot: a distant spot of the same section.
    """

    def __init__(self, first: np.ndarray, second: np.ndarray, far: np.ndarray, device: torch.device | str) -> None:
        self.n_pairs = len(first)
        ends = np.concatenate([first, first, second]), np.concatenate([second, far[first], far[second]])
        self._differences = row_differences(*ends, len(far), device)

    def losses(self, embedding: Tensor, margin: float) -> tuple[Tensor, Tensor]:
        """Return the mean distance of matched spots, and the sum of both ends' triplet losses; zero without pairs.

        Matched spots should be nearer to each other than to their far spots, by `margin`.
        """
        near, far_first, far_second = pair_distance(self._differences(embedding)).split([self.n_pairs] * 3)
        apart = triplet_loss(near, far_first, margin) + triplet_loss(near, far_second, margin)
        return near.sum() / max(self.n_pairs, 1), apart


def direction_loss(first: Tensor, second: Tensor) -> Tensor:
    """Return 1 minus the mean cosine over all pairs of a row of `first` and a row of `second`.

    The mean over pairs is the product of the two mean unit rows, so no pairs are formed.
    """
    means = [functional.normalize(rows, dim=1).mean(dim=0) for rows in (first, second)]
    return 1 - torch.dot(*means)
