"""SPAMO's encoder: graph convolutions over a learned blend of the spatial graph and a learned feature graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.nn.learned_graph import LearnedGraph
from spatialweave.nn.propagation import Propagation
from spatialweave.nn.strength import as_wide_as


class DualGraphEncoder(nn.Module):
    """Two graph convolutions over A = s S + (1 - s) G, with the spatial graph S and the learned graph G of a modality.

    N = LN(A relu(A x W1) W2), with s = sigmoid(a) learned. The encoding is N or, with a linear path,
    A x W0 + r N, with N scaled to the spread of A x W0.

    Parameters
    ----------
    widths
        Widths of the input, the hidden layer and the encoding.
    dropout
        Fraction of the inputs dropped in training.
    balance_start
        Initial value of a.
    strength
        r; None = no linear path.
    """

    def __init__(
        self,
        widths: tuple[int, int, int],
        dropout: float,
        balance_start: float,
        strength: float | None,
    ) -> None:
        super().__init__()
        n_inputs, n_hidden, n_dims = widths
        self.strength = strength
        self.balance = nn.Parameter(torch.tensor(balance_start))
        self.dropout = nn.Dropout(dropout)
        self.first = nn.Linear(n_inputs, n_hidden, bias=False)
        self.second = nn.Linear(n_hidden, n_dims, bias=False)
        self.norm = nn.LayerNorm(n_dims)
        self.linear = None if strength is None else nn.Linear(n_inputs, n_dims, bias=False)

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights: Xavier uniform."""
        for layer in (self.first, self.second, self.linear):
            if layer is not None:
                nn.init.xavier_uniform_(layer.weight, generator=generator)

    def forward(self, x: Tensor, spatial: Propagation, graph: LearnedGraph, weights: Tensor) -> Tensor:
        """Encode `x` (spots x inputs) as spots x dimensions; `weights` are the edge weights of the learned `graph`."""
        balance = torch.sigmoid(self.balance)

        def blend(y: Tensor) -> Tensor:
            return balance * spatial(y) + (1 - balance) * graph(y, weights)

        near = blend(self.dropout(x))
        encoding: Tensor = self.norm(blend(self.second(functional.relu(self.first(near)))))
        if self.linear is None or self.strength is None:
            return encoding
        path: Tensor = self.linear(near)
        return path + self.strength * as_wide_as(encoding, path)
