"""Heads that describe spots by clusters, and the losses that make the modalities' descriptions agree (as in SpaMCA).

A probability table (spots x clusters) can be read in two ways: its rows are the cluster probabilities of a spot, and
its columns are one vector per cluster. The same cluster in two modalities is a positive pair (Li et al., Contrastive
Clustering, AAAI 2021). The target distribution is that of DEC (Xie et al., ICML 2016).
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
"""Least length of a row in a cosine. Shorter rows are divided by it, since their gradient would have no bound."""


class InstanceHead(nn.Sequential):
    """Linear map, batch normalisation over the current spots, ReLU: spots x dimensions to the same shape."""

    def __init__(self, n_dims: int) -> None:
        super().__init__(nn.Linear(n_dims, n_dims), SpotNorm(n_dims), nn.ReLU())

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights as torch does; batch normalisation starts with gain 1 and shift 0."""
        reset_linear(self, generator)


class ClusterHead(nn.Sequential):
    """:class:`InstanceHead` and a linear map to `n_clusters`: the log probability of each cluster for each spot."""

    def __init__(self, n_dims: int, n_clusters: int) -> None:
        super().__init__(InstanceHead(n_dims), nn.Linear(n_dims, n_clusters), nn.LogSoftmax(dim=1))

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights as torch does; batch normalisation starts with gain 1 and shift 0."""
        reset_linear(self, generator)


def instance_loss(first: Tensor, second: Tensor, present: Tensor) -> Tensor:
    """Return the mean of -log(((cos + 1) / 2)^2) between rows over the spots in `present` (bool).

    It is 0 if all pairs point the same way, or without spots. Opposite rows count as (cos + 1) / 2 = 1e-6.
    """
    directions = [functional.normalize(x, dim=1, eps=LEAST_LENGTH) for x in (first, second)]
    agreement = ((directions[0] * directions[1]).sum(dim=1) + 1) / 2
    losses = -2.0 * torch.log(agreement.clamp_min(1e-6))
    return (losses * present).sum() / present.sum().clamp_min(1)


def cluster_contrast(first: Tensor, second: Tensor, temperature: float = 0.5) -> Tensor:
    """Contrast the columns of two probability tables (spots x clusters): same clusters similar, others not.

    Each of the 2K columns is classified as its counterpart in the other table against the 2K - 2 other columns, by
    their cosines over `temperature`. Returns the mean cross-entropy. Needs at least 2 clusters.
    """
    n_clusters = first.shape[1]
    columns = functional.normalize(torch.cat([first, second], dim=1), dim=0)
    itself = torch.eye(2 * n_clusters, dtype=torch.bool, device=columns.device)
    logits = (columns.T @ columns / temperature).masked_fill(itself, -torch.inf)
    counterpart = torch.arange(2 * n_clusters, device=columns.device).roll(n_clusters)
    return functional.cross_entropy(logits, counterpart)


def cluster_imbalance(probabilities: Tensor) -> Tensor:
    """Return log K minus the entropy of the K clusters' sizes (column sums): 0 for equal sizes, log K for one cluster.

    Rows of `probabilities` sum to 1, or to 0 for a spot that does not count.
    """
    sizes = probabilities.sum(dim=0)
    fractions = sizes / sizes.sum().clamp_min(1)
    # An empty cluster contributes the limit 0; its gradient must stay bounded.
    logarithms = torch.log(fractions.clamp_min(torch.finfo(fractions.dtype).tiny))
    return math.log(probabilities.shape[1]) + (fractions * logarithms).sum()


def largest_probabilities(tables: Sequence[Tensor]) -> Tensor:
    """Return the element-wise largest of probability tables (each spots x clusters); its rows sum to 1 or more."""
    return torch.stack(list(tables)).amax(dim=0)


def sharpened_target(probabilities: Tensor) -> Tensor:
    """Return the target p of DEC, without gradient: q^2 over the cluster's size, with rows scaled to sum 1.

    Squaring sharpens the likely clusters of a spot; dividing by the sizes keeps large clusters from taking all spots.
    """
    q = probabilities.detach()
    weight = q.square() / q.sum(dim=0).clamp_min(torch.finfo(q.dtype).tiny)
    return weight / weight.sum(dim=1, keepdim=True).clamp_min(torch.finfo(q.dtype).tiny)


def released_target(probabilities: Tensor) -> Tensor:
    """Return q^2 with rows of length 1, as in the released code of SpaMCA; not a distribution, no gradient."""
    return functional.normalize(probabilities.detach().square(), dim=1) + 1e-8


def target_loss(target: Tensor, log_probabilities: Tensor) -> Tensor:
    """Return the mean over spots of KL(target || probabilities): at least 0, and 0 if both agree (rows sum to 1)."""
    return functional.kl_div(log_probabilities, target, reduction="batchmean")
