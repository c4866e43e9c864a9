"""The size of a network's parts relative to each other, whatever the scale that they learn."""

from __future__ import annotations

from torch import Tensor

from spatialweave.nn.over_spots import over_spots


def spread(x: Tensor) -> Tensor:
    """Root mean square of the entries of `x` (spots x dimensions) less their column's mean; at least 1e-6."""
    # The bound goes before the root, which has no gradient at 0.
    return over_spots((x - x.mean(dim=0)).square().mean().clamp_min(1e-12).sqrt())


def as_wide_as(added: Tensor, reference: Tensor) -> Tensor:
    """`added` scaled to the spread of `reference`, on which its gradient has no influence.

    In the sum of the reference and r times the result, r stays the relative size of the two throughout the training.
    """
    return added * (spread(reference).detach() / spread(added))
