"""Heads that describe spots by clusters, and the losses that make the modalities' descriptions agree (as in SpaMCA).

A probability table (spots x clusters) has two readings: its rows are the clusters of a spot, its columns are one
vector per cluster, and the same cluster seen by two modalities is a positive pair (Li et al., Contrastive Clustering,
AAAI 2021). The target distribution is that of DEC (Xie et al., ICML 2016).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.nn.initial_weights import reset_linear
from spatialweave.nn.over_spots import SpotNorm

LEAST_LENGTH = 1e-2
"""A row shorter than that counts as shorter than 1 in a cosine: without a direction its gradient has no bound."""


class InstanceHead(nn.Sequential):
    """Linear map, batch normalisation by the spots at hand, ReLU: spots x dimensions to the same shape."""

    def __init__(self, n_dims: int) -> None:
        super().__init__(nn.Linear(n_dims, n_dims), SpotNorm(n_dims), nn.ReLU())

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights as torch does; batch normalisation starts with gain 1 and shift 0."""
        reset_linear(self, generator)


class ClusterHead(nn.Sequential):
    """An :class:`InstanceHead` and a linear map to `n_clusters`: per spot the log probability of each cluster."""

    def __init__(self, n_dims: int, n_clusters: int) -> None:
        super().__init__(InstanceHead(n_dims), nn.Linear(n_dims, n_clusters), nn.LogSoftmax(dim=1))

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights as torch does; batch normalisation starts with gain 1 and shift 0."""
        reset_linear(self, generator)


def instance_loss(first: Tensor, second: Tensor, present: Tensor, exponent: float = 2.0) -> Tensor:
    """Mean over the spots in `present` (bool) of -log(((cos + 1) / 2)^exponent) between rows; zero without spots.

    0 where all pairs point the same way. Opposite rows count as (cos + 1) / 2 = 1e-6.
    """
    directions = [functional.normalize(x, dim=1, eps=LEAST_LENGTH) for x in (first, second)]
    agreement = ((directions[0] * directions[1]).sum(dim=1) + 1) / 2
    losses = -exponent * torch.log(agreement.clamp_min(1e-6))
    return (losses * present).sum() / present.sum().clamp_min(1)


def cluster_contrast(first: Tensor, second: Tensor, temperature: float = 0.5) -> Tensor:
    """Contrast of the columns of two probability tables (spots x clusters): same clusters similar, others not.

    Each of the 2K columns is classified as its counterpart in the other table against the 2K - 2 other columns, by
    their cosines over `temperature`; the mean cross-entropy is returned. At least 2 clusters are needed.
    """
    n_clusters = first.shape[1]
    columns = functional.normalize(torch.cat([first, second], dim=1), dim=0)
    itself = torch.eye(2 * n_clusters, dtype=torch.bool, device=columns.device)
    logits = (columns.T @ columns / temperature).masked_fill(itself, -torch.inf)
    counterpart = torch.arange(2 * n_clusters, device=columns.device).roll(n_clusters)
    return functional.cross_entropy(logits, counterpart)


def cluster_imbalance(probabilities: Tensor) -> Tensor:
    """log K minus the entropy of the K clusters' sizes (column sums): 0 where all are equal, log K for one cluster.

    Rows of `probabilities` sum to 1, or to 0 for a spot that does not count.
    """
    sizes = probabilities.sum(dim=0)
    fractions = sizes / sizes.sum().clamp_min(1)
    # An empty cluster has the limit 0, and no gradient without bound.
    logarithms = torch.log(fractions.clamp_min(torch.finfo(fractions.dtype).tiny))
    return math.log(probabilities.shape[1]) + (fractions * logarithms).sum()


def largest_probabilities(tables: Sequence[Tensor]) -> Tensor:
    """Element-wise largest of probability tables (each spots x clusters); its rows sum to 1 or more."""
    return torch.stack(list(tables)).amax(dim=0)


def sharpened_target(probabilities: Tensor) -> Tensor:
    """The target p of DEC: q^2 over the cluster's size, rows scaled to sum 1; without gradient.

    Squares sharpen the likely clusters of a spot; sizes keep large clusters from taking all spots.
    """
    q = probabilities.detach()
    weight = q.square() / q.sum(dim=0).clamp_min(torch.finfo(q.dtype).tiny)
    return weight / weight.sum(dim=1, keepdim=True).clamp_min(torch.finfo(q.dtype).tiny)


def released_target(probabilities: Tensor) -> Tensor:
    """q^2 with rows scaled to length 1, as in the code that SpaMCA's authors released: no distribution; no gradient."""
    return functional.normalize(probabilities.detach().square(), dim=1) + 1e-8


def target_loss(target: Tensor, log_probabilities: Tensor) -> Tensor:
    """Mean over spots of KL(target || probabilities), at least 0; 0 where both agree (if rows of both sum to 1)."""
    return functional.kl_div(log_probabilities, target, reduction="batchmean")
