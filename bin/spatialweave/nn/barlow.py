"""Barlow twins (Zbontar et al., ICML 2021): two views of the same spots should agree, dimension by dimension."""

from __future__ import annotations

import torch
from torch import Tensor


def barlow_loss(first: Tensor, second: Tensor, off_diagonal: float, spots: Tensor | None = None) -> Tensor:
    """Return the sum of (1 - c_kk)^2 + `off_diagonal` * sum over k != l of c_kl^2; c are the columns' correlations.

    Parameters
    ----------
    first, second
        Two views, both spots x dimensions. Columns are standardised over spots, so shift and scale do not matter; a
        column that does not vary correlates with no column.
    off_diagonal
        Weight of the correlations between different dimensions.
    spots
        bool, one per spot: the spots that count; None = all.
    """
    correlations = cross_correlation(first, second, spots)
    diagonal = correlations.diagonal()
    same = (1 - diagonal).square().sum()
    return same + off_diagonal * (correlations.square().sum() - diagonal.square().sum())


def cross_correlation(first: Tensor, second: Tensor, spots: Tensor | None = None) -> Tensor:
    """Return the Pearson correlations of all columns of `first` with all of `second`: dimensions x dimensions."""
    counts = torch.ones_like(first[:, :1]) if spots is None else spots.to(first.dtype)[:, None]
    return _standardised(first, counts).T @ _standardised(second, counts)


def _standardised(x: Tensor, counts: Tensor) -> Tensor:
    """Return the columns with mean 0 and length 1 over the spots that count; zero elsewhere."""
    centred = (x - (x * counts).sum(dim=0) / counts.sum().clamp_min(1)) * counts
    # Rounding errors in the mean must not make a constant column seem to vary.
    rounding = 100 * torch.finfo(x.dtype).eps * x.detach().abs().amax(dim=0) * counts.sum().sqrt()
    least = rounding.clamp_min(torch.finfo(x.dtype).tiny)
    return centred / torch.linalg.vector_norm(centred, dim=0).clamp_min(least)
