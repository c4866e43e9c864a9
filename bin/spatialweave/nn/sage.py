"""GraphSAGE layer with mean aggregation and unit-norm rows (Hamilton et al., NeurIPS 2017, algorithm 1)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.nn.initial_weights import reset_uniform
from spatialweave.nn.propagation import Propagation


class _UnitRows(torch.autograd.Function):
    """Rows divided by their norm, with the gradient in closed form: a third of the passes of recorded operations."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        norm = torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min_(1e-12)
        unit = x / norm
        ctx.save_for_backward(unit, norm)
        return unit

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        unit, norm = ctx.saved_tensors
        along = torch.linalg.vecdot(gradients[0], unit, dim=1)[:, None]
        return torch.addcmul(gradients[0], unit, along, value=-1).div_(norm)


def unit_rows(x: Tensor) -> Tensor:
    """Divide each row by its Euclidean norm (at least 1e-12)."""
    return _UnitRows.apply(x)


class SageLayer(nn.Module):
    """y = W_n mean(x over neighbours) + b + W_r x; if `unit`, each row is divided by its norm (at least 1e-12)."""

    def __init__(self, n_inputs: int, n_outputs: int, unit: bool = True) -> None:
        super().__init__()
        self.unit = unit
        self.neighbour = nn.Parameter(torch.empty(n_outputs, n_inputs))
        self.bias = nn.Parameter(torch.empty(n_outputs))
        self.root = nn.Parameter(torch.empty(n_outputs, n_inputs))

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights: uniform on +-1/sqrt(inputs), in the order neighbour weight, bias, root weight."""
        for parameter in (self.neighbour, self.bias, self.root):
            reset_uniform(parameter, self.root.shape[1], generator)

    def forward(self, x: Tensor, neighbours: Propagation, mean: Tensor | None = None) -> Tensor:
        """Apply the layer to `x` (spots x inputs).

        `neighbours` takes neighbour means; `mean` is neighbours(x) where the caller has it already.
        """
        if mean is not None:
            y = functional.linear(mean, self.neighbour)
        elif self.neighbour.shape[0] < self.neighbour.shape[1]:
            # The mean of the products equals the product of the means, over fewer columns.
            y = neighbours(functional.linear(x, self.neighbour))
        else:
            y = functional.linear(neighbours(x), self.neighbour)
        y = y + functional.linear(x, self.root, self.bias)
        return unit_rows(y) if self.unit else y


class SageStack(nn.Module):
    """An encoder or a decoder: two SAGE layers, with or without a ReLU between them."""

    def __init__(self, n_inputs: int, n_hidden: int, n_outputs: int, activation: bool) -> None:
        super().__init__()
        self.first = SageLayer(n_inputs, n_hidden)
        self.second = SageLayer(n_hidden, n_outputs)
        self.activation = activation

    def forward(self, x: Tensor, neighbours: Propagation, mean: Tensor | None = None) -> Tensor:
        """Map `x` (spots x inputs) to spots x outputs; `mean` is neighbours(x) where the caller has it already."""
        hidden = self.first(x, neighbours, mean)
        return self.second(functional.relu(hidden) if self.activation else hidden, neighbours)

    def reset_parameters(self, generator: torch.Generator, times: int = 1) -> None:
        """Set the initial weights of both layers, each `times` times over (the last counts)."""
        for layer in (self.first, self.second):
            for _ in range(times):
                layer.reset_parameters(generator)
