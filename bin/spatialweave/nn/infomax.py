"""Deep graph infomax (Velickovic et al., ICLR 2019): discriminate true encodings from those of shuffled features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.nn.initial_weights import reset_uniform
from spatialweave.nn.propagation import Propagation


class Discriminator(nn.Module):
    """logit = e' W s + b for an encoding e and a summary s."""

    def __init__(self, n_dims: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_dims, n_dims))
        self.bias = nn.Parameter(torch.empty(1))

    def reset_parameters(self, generator: torch.Generator, bilinear: bool = False) -> None:
        """Set the initial weights: Xavier uniform, bias 0; or, with `bilinear`, as torch does for bilinear maps."""
        if bilinear:
            for parameter in (self.weight, self.bias):
                reset_uniform(parameter, len(self.weight), generator)
            return
        nn.init.xavier_uniform_(self.weight, generator=generator)
        nn.init.zeros_(self.bias)

    def forward(self, encodings: Tensor, summary: Tensor) -> Tensor:
        """One logit per spot; `summary` is one row for all spots or one per spot."""
        return ((encodings @ self.weight) * summary).sum(dim=1) + self.bias


def infomax_loss(true: Tensor, shuffled: Tensor) -> Tensor:
    """Binary cross-entropy of logits: true encodings have the label 1, shuffled ones 0; ln 2 for logits of 0."""
    return 0.5 * (functional.softplus(-true).mean() + functional.softplus(shuffled).mean())


def neighbourhood_infomax(
    discriminator: Discriminator,
    true: Tensor,
    shuffled: Tensor,
    graph: Propagation,
    counted: Callable[[Tensor], Tensor] = lambda x: x,
) -> Tensor:
    """Infomax in both directions: true encodings fit the summary of their neighbourhood, shuffled ones that of theirs.

    The summary is the mean over the neighbourhood, of unit length, through a sigmoid. `counted` takes the spots that
    count from a table of all.
    """
    loss = torch.zeros((), device=true.device)
    for own, other in ((true, shuffled), (shuffled, true)):
        # Lengths do not count, so neither does the sum of a row of the graph.
        summary = counted(torch.sigmoid(functional.normalize(graph(own), dim=1)))
        loss = loss + infomax_loss(discriminator(counted(own), summary), discriminator(counted(other), summary))
    return loss
