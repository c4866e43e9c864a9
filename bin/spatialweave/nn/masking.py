"""Learning from masked spots: averages over visible spots, and the receptive field that predicts masked ones.

The noise of a spot is its own; its tissue is shared with its neighbours. What predicts a spot's latent from its
neighbours alone is therefore signal (Batson and Royer, Noise2Self, ICML 2019). This needs no labels.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from spatialweave.nn.propagation import Propagation

FOLDS = 5
"""Number of parts into which the spots are split to measure a receptive field; each is masked once."""


def visible_average(values: Tensor, visible: Tensor, neighbours: Propagation, rounds: int) -> Tensor:
    """Average `rounds` (at least 1) times over the neighbours, counting visible spots only.

    Parameters
    ----------
    values
        Spots x dimensions; rows that are not visible have no influence if they are finite.
    visible
        bool, one per spot.
    neighbours
        Mean over the neighbours and the spot itself.

    Returns
    -------
    Spots x dimensions; zero if no visible spot is within reach.
    """
    *_, average = visible_averages(values, visible, neighbours, rounds)
    return average


def visible_averages(values: Tensor, visible: Tensor, neighbours: Propagation, rounds: int) -> Iterator[Tensor]:
    """Yield :func:`visible_average` of 1, 2, ..., `rounds` rounds (at least one)."""
    # The fraction of visible spots is one more column: one product instead of two.
    weight = visible.to(values.dtype)[:, None]
    both = torch.cat([values * weight, weight], dim=1)
    for _ in range(rounds):
        both = neighbours(both)
        yield both[:, :-1] / both[:, -1:].clamp_min(torch.finfo(values.dtype).tiny)


def network_input(values: Tensor, visible: Tensor, neighbours: Propagation, rounds: int) -> Tensor:
    """Return :func:`visible_average`; without rounds, the value of a visible spot, and one round for other spots."""
    if rounds == 0 and bool(visible.all()):
        return values
    average = visible_average(values, visible, neighbours, max(rounds, 1))
    return average if rounds > 0 else torch.where(visible[:, None], values, average)


def explained_by_neighbours(
    values: Tensor,
    present: Tensor,
    neighbours: Propagation,
    max_rounds: int,
    rng: np.random.Generator,
    target: Tensor | None = None,
) -> np.ndarray:
    """Return the fraction of the variance of masked spots explained by averages over 1, 2, ..., `max_rounds` rounds.

    Each dimension's prediction is scaled by its least-squares factor (at least 0), so that an average over few spots is
    not penalised twice for its noise. `target` (bool) marks the spots to predict; None = all that are present.
    """
    target = present if target is None else target
    fold = torch.as_tensor(rng.integers(FOLDS, size=len(values)), device=values.device)
    with_target = torch.zeros(max_rounds, values.shape[1], dtype=torch.float64, device=values.device)
    with_itself = torch.zeros_like(with_target)
    for number in range(FOLDS):
        mask = target & (fold == number)
        visible = present & (fold != number)
        for step, average in enumerate(visible_averages(values, visible, neighbours, max_rounds)):
            predicted = average[mask].double()
            with_target[step] += (predicted * values[mask]).sum(dim=0)
            with_itself[step] += predicted.square().sum(dim=0)
    explained = with_target.clamp_min(0).square() / with_itself.clamp_min(torch.finfo(torch.float64).tiny)
    total = values[target].double().square().sum().clamp_min(torch.finfo(torch.float64).tiny)
    return (explained.sum(dim=1) / total).cpu().numpy()


def smallest_sufficient(explained: np.ndarray, fraction: float) -> int:
    """Return the fewest rounds (1, 2, ...) that explain at least `fraction` of what the best number explains."""
    return int(np.flatnonzero(explained >= fraction * explained.max())[0]) + 1
