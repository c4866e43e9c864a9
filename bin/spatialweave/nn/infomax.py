"""Deep graph infomax (Velickovic et al., ICLR 2019): tell true encodings from those of shuffled features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.nn.initial_weights import reset_uniform
from spatialweave.nn.propagation import Propagation


class Discriminator(nn.Module):
    """Discriminator with logit = e' W s + b for an encoding e and a summary s."""

    def __init__(self, n_dims: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_dims, n_dims))
        self.bias = nn.Parameter(torch.empty(1))

    def reset_parameters(self, generator: torch.Generator, bilinear: bool = False) -> None:
        """Set the initial weights: Xavier uniform and bias 0 or, with `bilinear`, as torch does for bilinear maps."""
        if bilinear:
            for parameter in (self.weight, self.bias):
                reset_uniform(parameter, len(self.weight), generator)
            return
        nn.init.xavier_uniform_(self.weight, generator=generator)
        nn.init.zeros_(self.bias)

    def forward(self, encodings: Tensor, summary: Tensor) -> Tensor:
        """Return one logit per spot; `summary` has one row for all spots, or one per spot."""
        return ((encodings @ self.weight) * summary).sum(dim=1) + self.bias


def infomax_loss(true: Tensor, shuffled: Tensor) -> Tensor:
    """Return the binary cross-entropy of logits with label 1 for true and 0 for shuffled encodings; ln 2 for zeros."""
    return 0.5 * (functional.softplus(-true).mean() + functional.softplus(shuffled).mean())


def neighbourhood_infomax(
    discriminator: Discriminator,
    true: Tensor,
    shuffled: Tensor,
    graph: Propagation,
    counted: Callable[[Tensor], Tensor] = lambda x: x,
) -> Tensor:
    """Apply infomax in both directions: true encodings fit their neighbourhood's summary, shuffled ones theirs.

    The summary is the mean over the neighbourhood, scaled to unit length and passed through a sigmoid. `counted` takes
    the spots that count from a table of all spots.
    """
    loss = torch.zeros((), device=true.device)
    for own, other in ((true, shuffled), (shuffled, true)):
        # Lengths do not matter, so the row sums of the graph do not either.
        summary = counted(torch.sigmoid(functional.normalize(graph(own), dim=1)))
        loss = loss + infomax_loss(discriminator(counted(own), summary), discriminator(counted(other), summary))
    return loss
