"""Attention between spots and between views, linear in spots.

Attention of every spot to all others (Vaswani et al., NeurIPS 2017) is estimated from two sets of spots: those near it
in the graphs, which are used as they are, and random landmark spots, each of which represents an equal part of all
other spots. A landmark that is near represents only itself, so the attention is exact when every spot is a landmark.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from spatialweave.nn.edges import EdgeGraph
from spatialweave.nn.initial_weights import reset_linear
from spatialweave.nn.over_spots import are_fixed, counted, over_spots


class SpotAttention(nn.Module):
    """Attention of spots to spots: y_i = o(sum_j softmax_j(q_i . k_j / sqrt(d)) v_j), in `heads` blocks of d columns.

    Parameters
    ----------
    n_dims
        Width of queries and of the result; divisible by `heads`.
    n_keys
        Width of the rows that keys and values are computed from.
    """

    def __init__(self, n_dims: int, n_keys: int, heads: int = 1, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(n_dims, n_dims)
        self.key = nn.Linear(n_keys, n_dims)
        self.value = nn.Linear(n_keys, n_dims)
        self.output = nn.Linear(n_dims, n_dims)
        self.dropout = nn.Dropout(dropout)

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights as torch does: queries and keys Xavier uniform, everything else as linear maps."""
        reset_linear(self, generator)
        for layer in (self.query, self.key):
            nn.init.xavier_uniform_(layer.weight, generator=generator)

    def forward(self, receiving: Tensor, sending: Tensor, near: EdgeGraph | None, landmarks: Tensor) -> Tensor:
        """Return what each spot gathers: spots x dimensions.

        Parameters
        ----------
        receiving, sending
            Spots x `n_dims` and spots x `n_keys`.
        near
            The spots that each spot always attends to; None = none.
        landmarks
            Indices of the spots that represent all others.
        """
        query, key, value = self.query(receiving), self.key(sending), self.value(sending)
        n_spots, n_dims = query.shape
        width = n_dims // self.heads
        query = query / math.sqrt(width)
        blocks = query.view(n_spots, self.heads, width).transpose(0, 1)
        far_keys, far_values = over_spots(key[landmarks]), over_spots(value[landmarks])
        n_far = len(far_keys)
        far = torch.matmul(blocks, far_keys.view(-1, self.heads, width).permute(1, 2, 0)).permute(1, 0, 2)
        shift = far.detach().amax(dim=2)
        if near is not None:
            close = near.dot(query, key, self.heads)
            # Landmarks that are fixed for all parts are not among the spots of this part.
            none = torch.zeros(n_spots, n_far, dtype=torch.bool, device=landmarks.device)
            is_near = none if are_fixed() else near.sends(landmarks)
            others = n_spots - near.sum(torch.ones_like(close[:, :1]))
            # A landmark represents its part of the spots that are not near; near landmarks are already counted.
            represented = others / (n_far - is_near.sum(dim=1, keepdim=True)).clamp_min(1)
            far = far + torch.log(represented.clamp_min(1))[:, :, None]
            far = far.masked_fill(is_near[:, None, :], -torch.inf)
            shift = torch.maximum(far.detach().amax(dim=2), near.largest(close))
        powers = torch.exp(far - shift[:, :, None])
        total = powers.sum(dim=2)
        blocks = far_values.view(-1, self.heads, width).transpose(0, 1)
        gathered = torch.matmul(self.dropout(powers).transpose(0, 1), blocks).transpose(0, 1).reshape(n_spots, -1)
        if near is not None:
            near_powers = torch.exp(close - near.of_receivers(shift))
            total = total + near.sum(near_powers)
            gathered = gathered + near.weighted_sum(self.dropout(near_powers), value)
        return self.output(gathered / total.repeat_interleave(width, dim=1))


def choose_landmarks(n_spots: int, n_landmarks: int, generator: torch.Generator) -> Tensor:
    """Draw distinct random spots, in ascending order; all spots if `n_landmarks` is at least their number."""
    if n_landmarks >= n_spots:
        return torch.arange(n_spots)
    return torch.randperm(n_spots, generator=generator)[:n_landmarks].sort().values


class ViewAttention(nn.Module):
    """Weighting of the views of a spot: weights = softmax over views of tanh(E Omega) u (as in SpatialGlue).

    Parameters
    ----------
    scaled
        Divide E by its root mean square before scoring; the scores of a small E are all near 0, and the weights equal.
    """

    def __init__(self, n_dims: int, scaled: bool = False) -> None:
        super().__init__()
        self.scaled = scaled
        self.omega = nn.Parameter(torch.empty(n_dims, n_dims))
        self.u = nn.Parameter(torch.empty(n_dims, 1))

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights: Xavier uniform."""
        nn.init.xavier_uniform_(self.omega, generator=generator)
        nn.init.xavier_uniform_(self.u, generator=generator)

    def forward(self, views: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the weighted sum of the views (each spots x dimensions) and the weights (spots x views)."""
        stacked = torch.stack(views, dim=1)
        unit = over_spots(counted(stacked.detach()).square().mean().sqrt().clamp_min(1e-6)) if self.scaled else 1.0
        weights = torch.softmax((torch.tanh(stacked / unit @ self.omega) @ self.u).squeeze(2), dim=1)
        return (weights[:, :, None] * stacked).sum(dim=1), weights
