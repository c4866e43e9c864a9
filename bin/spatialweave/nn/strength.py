"""The size of a network's parts relative to each other, whatever scale they learn."""

from __future__ import annotations

from torch import Tensor

from spatialweave.nn.over_spots import counted, over_spots


def spread(x: Tensor) -> Tensor:
    """Return the root mean square of the entries of `x` (spots x dimensions) minus column means; at least 1e-6.

    Only the spots that count are used.
    """
    x = counted(x)
    # Clamp before the root, which has no gradient at 0.
    return over_spots((x - x.mean(dim=0)).square().mean().clamp_min(1e-12).sqrt())


def as_wide_as(added: Tensor, reference: Tensor) -> Tensor:
    """Scale `added` to the spread of `reference`, which counts as constant in the gradient.

    In the sum of the reference and r times the result, r is the relative size of the two throughout the training.
    """
    return added * (spread(reference).detach() / spread(added))
