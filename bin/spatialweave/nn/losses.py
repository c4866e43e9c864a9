"""Loss terms: pure functions from tensors to a scalar."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def reconstruction_loss(
    target: Tensor, reconstruction: Tensor, present: Tensor | None = None, count: float | None = None
) -> Tensor:
    """Return the mean squared error over all dimensions of the spots in `present` (bool; None = all); 0 without spots.

    With `count`, the sum of squared errors is divided by that number of spots instead.
    """
    if present is None:
        return functional.mse_loss(reconstruction, target)
    squares = (reconstruction - target).square().sum(dim=1)
    counted = present.sum().clamp_min(1) if count is None else max(count, 1.0)
    return (squares * present).sum() / (counted * target.shape[1])


def pair_distance(differences: Tensor) -> Tensor:
    """Return |d + e| for each row d of `differences` (pairs x dimensions), e = 1e-6 in each coordinate, as in torch."""
    return torch.linalg.vector_norm(differences + 1e-6, dim=1)


def triplet_loss(near: Tensor, far: Tensor, margin: float) -> Tensor:
    """Return the mean over triplets of max(0, near - far + margin); zero without triplets.

    `near` and `far` are the distances of each anchor to its positive and to its negative.
    """
    if len(near) == 0:
        return near.sum()
    return functional.relu(near - far + margin).mean()


def smoothness(differences: Tensor) -> Tensor:
    """Return the mean of |d|^2 over rows d of `differences` (edges x dimensions); zero without edges."""
    return differences.square().sum() / max(len(differences), 1)
