"""Barlow twins (Zbontar et al., ICML 2021): two views of the same spots should agree, dimension by dimension."""

from __future__ import annotations

import torch
from torch import Tensor


def barlow_loss(first: Tensor, second: Tensor, off_diagonal: float, spots: Tensor | None = None) -> Tensor:
    """Sum of (1 - c_kk)^2 + `off_diagonal` * sum over k != l of c_kl^2, with c the correlations of the columns.

    Parameters
    ----------
    first, second
        Two views, both spots x dimensions. Columns are standardised over spots, so shift and scale do not matter; a
        column that does not vary correlates with none.
    off_diagonal
        Weight of the correlations between different dimensions.
    spots
        bool, one per spot: those that count; None = all.
    """
    correlations = cross_correlation(first, second, spots)
    diagonal = correlations.diagonal()
    same = (1 - diagonal).square().sum()
    return same + off_diagonal * (correlations.square().sum() - diagonal.square().sum())


def cross_correlation(first: Tensor, second: Tensor, spots: Tensor | None = None) -> Tensor:
    """Pearson correlation of every column of `first` with every one of `second`: dimensions x dimensions."""
    counts = torch.ones_like(first[:, :1]) if spots is None else spots.to(first.dtype)[:, None]
    return _standardised(first, counts).T @ _standardised(second, counts)


def _standardised(x: Tensor, counts: Tensor) -> Tensor:
    """Columns of mean 0 and length 1 over the spots that count; zero elsewhere."""
    centred = (x - (x * counts).sum(dim=0) / counts.sum().clamp_min(1)) * counts
    # Rounding in the mean must not make a constant column look as if it varied.
    rounding = 100 * torch.finfo(x.dtype).eps * x.detach().abs().amax(dim=0) * counts.sum().sqrt()
    least = rounding.clamp_min(torch.finfo(x.dtype).tiny)
    return centred / torch.linalg.vector_norm(centred, dim=0).clamp_min(least)
