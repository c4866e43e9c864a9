"""Initial weights of linear maps, drawn as torch draws them, from a given generator."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def reset_uniform(parameter: Tensor, n_inputs: int, generator: torch.Generator) -> None:
    """Fill a weight or bias of a linear map with `n_inputs` inputs from uniform +-1/sqrt(n_inputs)."""
    bound = 1 / math.sqrt(n_inputs)
    with torch.no_grad():
        parameter.uniform_(-bound, bound, generator=generator)


def reset_linear(module: nn.Module, generator: torch.Generator) -> None:
    """Set every linear map in `module` as torch does: weight and bias uniform on +-1/sqrt(inputs)."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            for parameter in (layer.weight, layer.bias):
                if parameter is not None:
                    reset_uniform(parameter, layer.in_features, generator)
