"""SPAMO's fusion of the modalities: attention between spots of different modalities and a gate, or a linear map."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from spatialweave.nn.attention import SpotAttention
from spatialweave.nn.edges import EdgeGraph
from spatialweave.nn.initial_weights import reset_linear
from spatialweave.nn.strength import as_wide_as, spread


class GatedFusion(nn.Module):
    """The embedding g MLP(c) + (1 - g) mean(E) with g = r sigmoid(gate(c)).

    c holds the encodings E of all modalities and, beside them, LN(E + factor * gathered). Spots gather by attention
    from the other modalities' encodings, or from their own if there is only one modality.

    Parameters
    ----------
    factor
        Factor on the gathered values.
    dropout
        Fraction of attention weights and hidden units dropped in training.
    strength
        r; encodings are then scaled to spread 1 before they attend, and MLP(c) to the spread of mean(E). None = as
        published: r is 1, nothing is scaled, and keys and values of several other modalities are computed without a map
        that joins them first.
    """

    def __init__(self, n_modalities: int, n_dims: int, factor: float, dropout: float, strength: float | None) -> None:
        super().__init__()
        n_others = max(n_modalities - 1, 1)
        self.factor, self.strength = factor, strength
        joined = strength is not None and n_others > 1
        n_keys = n_dims if joined else n_others * n_dims
        self.attention = nn.ModuleList([SpotAttention(n_dims, n_keys, dropout=dropout) for _ in range(n_modalities)])
        self.merge = nn.ModuleList(
            [nn.Linear(n_others * n_dims, n_dims) if joined else nn.Identity() for _ in range(n_modalities)]
        )
        self.norms = nn.ModuleList([nn.LayerNorm(n_dims) for _ in range(n_modalities)])
        self.gate = nn.Linear(2 * n_modalities * n_dims, n_dims)
        self.mlp = nn.Sequential(
            nn.Linear(2 * n_modalities * n_dims, 2 * n_dims),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(2 * n_dims, n_dims),
            nn.LayerNorm(n_dims),
        )

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights as torch does for linear maps and, by default, for attention."""
        reset_linear(self, generator)
        if self.strength is not None:
            for attention in cast(Iterable[SpotAttention], self.attention):
                attention.reset_parameters(generator)

    def forward(self, encodings: Sequence[Tensor], near: Sequence[EdgeGraph | None], landmarks: Tensor) -> Tensor:
        """Fuse encodings (each spots x dimensions); `near` holds the spots that each modality always attends to."""
        sizes = [1.0 if self.strength is None else spread(encoding).detach() for encoding in encodings]
        rows = [encoding / size for encoding, size in zip(encodings, sizes, strict=True)]
        enhanced = []
        for m, own in enumerate(rows):
            others = [other for k, other in enumerate(rows) if k != m] or [own]
            gathered = self.attention[m](own, self.merge[m](torch.cat(others, dim=1)), near[m], landmarks)
            enhanced.append(self.norms[m](own + self.factor * gathered))
        both = torch.cat([*encodings, *enhanced], dim=1)
        gate, mixed, mean = torch.sigmoid(self.gate(both)), self.mlp(both), torch.stack(list(encodings)).mean(dim=0)
        if self.strength is not None:
            gate, mixed = self.strength * gate, as_wide_as(mixed, mean)
        return gate * mixed + (1 - gate) * mean


class LinearFusion(nn.Module):
    """Fusion without attention, as published: the embedding is LN(Linear(E)) of the encodings of all modalities."""

    def __init__(self, n_modalities: int, n_dims: int) -> None:
        super().__init__()
        self.merge = nn.Linear(n_modalities * n_dims, n_dims)
        self.norm = nn.LayerNorm(n_dims)

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Set the initial weights as torch does for linear maps."""
        reset_linear(self, generator)

    def forward(self, encodings: Sequence[Tensor], near: Sequence[EdgeGraph | None], landmarks: Tensor) -> Tensor:
        """Concatenate and project; graph arguments are accepted for the same signature and ignored."""
        merged: Tensor = self.norm(self.merge(torch.cat(list(encodings), dim=1)))
        return merged
