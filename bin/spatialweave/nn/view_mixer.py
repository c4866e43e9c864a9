"""SpaBalance's mixer of the two views of a modality: its encodings on the spatial and the feature graph."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.nn.strength import as_wide_as


class ViewMixer(nn.Module):
    """Three layers over both views (dropout, linear map, ReLU, layer normalisation), with a linear path beside them.

    With the path, Y = L + r N, where L is a linear map of the weighted mean of both views and N the output of the
    layers, scaled to the spread of L. Without it, Y = N. The layers see the views after a ReLU, the path before it.

    Parameters
    ----------
    widths
        Widths of a view, of the hidden layers, and of Y.
    dropout
        Fraction of the inputs of each layer dropped in training.
    strength
        r; None = no linear path.
    spatial_fraction
        Weight of the spatial view in the mean.
    """

    def __init__(
        self, widths: tuple[int, int, int], dropout: float, strength: float | None, spatial_fraction: float
    ) -> None:
        super().__init__()
        n_view, n_hidden, n_dims = widths
        self.layers = nn.Sequential(
            *_layer(2 * n_view, n_hidden, dropout),
            *_layer(n_hidden, n_hidden, dropout),
            *_layer(n_hidden, n_dims, dropout),
        )
        self.linear = None if strength is None else nn.Linear(n_view, n_dims)
        self.spatial_fraction, self.strength = spatial_fraction, strength

    def forward(self, spatial: Tensor, features: Tensor) -> Tensor:
        """Mix two views (each spots x hidden dimensions, before the ReLU) to spots x dimensions."""
        mixed: Tensor = self.layers(functional.relu(torch.cat([spatial, features], dim=1)))
        if self.linear is None or self.strength is None:
            return mixed
        path: Tensor = self.linear(torch.lerp(features, spatial, self.spatial_fraction))
        return path + self.strength * as_wide_as(mixed, path)

    def of_one_view(self, view: Tensor) -> Tensor:
        """Return what a cycle compares with a mixer's output: the path of an encoding or, without a path, its ReLU."""
        path: Tensor = functional.relu(view) if self.linear is None else self.linear(view)
        return path


def _layer(n_inputs: int, n_outputs: int, dropout: float) -> list[nn.Module]:
    return [nn.Dropout(dropout), nn.Linear(n_inputs, n_outputs), nn.ReLU(), nn.LayerNorm(n_outputs)]
