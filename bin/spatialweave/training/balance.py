"""Balancing of losses that share parameters: if their gradients conflict, no loss is lowered at another's cost.

SpaBalance, after MMPareto (Wei and Hu, ICML 2024), weighs each modality's loss against the loss of all modalities
together. If the two gradients conflict, it takes their shortest convex combination (Desideri, Comptes Rendus
Mathematique 2012). That is nearly the shorter gradient, so a small loss steers the training. The default changes the
sum of the gradients only as far as is needed for no loss to rise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor, nn

from spatialweave.training.loop import Backward

Rule = Literal["projected", "min_norm"]

TOGETHER = "together"
"""Group of the losses that all modalities have in common; every other group belongs to one modality."""


def balanced_backward(
    parameters: Sequence[nn.Parameter], group_of: Callable[[str], str], rule: Rule = "projected"
) -> Backward:
    """Return a `backward` for the training loop that sums the terms of each group and balances the groups.

    Each batch is balanced by itself, and the results are added up.

    Parameters
    ----------
    parameters
        All trainable parameters.
    group_of
        Maps the name of a loss term to its group.
    rule
        `projected`: use :func:`balanced`. `min_norm`: sum the groups with :func:`pair_weights`.
    """

    def backward(values: Mapping[str, Tensor]) -> None:
        groups: dict[str, Tensor] = {}
        for name, value in values.items():
            group = group_of(name)
            groups[group] = groups[group] + value if group in groups else value
        losses = list(groups.values())
        gradients = [
            torch.autograd.grad(loss, parameters, retain_graph=loss is not losses[-1], allow_unused=True)
            for loss in losses
        ]
        if rule == "projected":
            updates = balanced(parameters, gradients)
        else:
            updates = weighted(parameters, gradients, list(groups))
        for parameter, gradient in zip(parameters, updates, strict=True):
            parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    return backward


def balanced(parameters: Sequence[Tensor], gradients: Sequence[Sequence[Tensor | None]]) -> list[Tensor]:
    """Combine the gradients of several losses into one gradient per parameter.

    A parameter that one loss reaches takes its gradient. All parameters that two or more losses reach are balanced
    together; a loss that does not reach one of them has the gradient 0 there, so entries of different losses always
    belong to the same parameter.

    Parameters
    ----------
    parameters
        Parameters that give the shapes.
    gradients
        For each loss one entry per parameter; None = the loss does not reach it.
    """
    reached = [[gradient for row in gradients if (gradient := row[p]) is not None] for p in range(len(parameters))]
    result = [
        reaching[0] if len(reaching) == 1 else torch.zeros_like(parameter)
        for parameter, reaching in zip(parameters, reached, strict=True)
    ]
    shared = [p for p, reaching in enumerate(reached) if len(reaching) > 1]
    if shared:
        vectors = torch.stack([_flat([parameters[p] for p in shared], [row[p] for p in shared]) for row in gradients])
        combined = common_direction(vectors).split([parameters[p].numel() for p in shared])
        for p, values in zip(shared, combined, strict=True):
            result[p] = values.view_as(parameters[p])
    return result


def common_direction(vectors: Tensor) -> Tensor:
    """Combine gradients (losses x entries) into one along which no loss rises: their sum if no two conflict.

    The result is the vector nearest to the sum that has no negative product with any of them.
    """
    gram = _products(vectors)
    if gram.min() >= 0:
        return vectors.sum(dim=0)
    return torch.as_tensor(projection_weights(gram), dtype=vectors.dtype, device=vectors.device) @ vectors


def weighted(
    parameters: Sequence[Tensor], gradients: Sequence[Sequence[Tensor | None]], names: Sequence[str]
) -> list[Tensor]:
    """Return one gradient per parameter: the sum over the groups `names`, weighted by :func:`pair_weights`."""
    vectors = torch.stack([_flat(parameters, row) for row in gradients])
    weights = torch.as_tensor(pair_weights(_products(vectors), names), dtype=vectors.dtype, device=vectors.device)
    parts = (weights @ vectors).split([parameter.numel() for parameter in parameters])
    return [values.view_as(parameter) for parameter, values in zip(parameters, parts, strict=True)]


def pair_weights(gram: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Return weights of groups whose gradients have these inner products.

    Each modality's group is paired with the group of all modalities together. Both weights are 1/2 if their product is
    positive, else those of their shortest convex combination. The group of all together has the mean of its weights in
    all pairs. Without pairs all weights are 1.
    """
    if TOGETHER not in names or len(names) == 1:
        return np.ones(len(names))
    together = names.index(TOGETHER)
    weights, of_together = np.zeros(len(names)), []
    for other in range(len(names)):
        if other != together:
            pair = gram[np.ix_([together, other], [together, other])]
            first, weights[other] = (0.5, 0.5) if pair[0, 1] > 0 else min_norm_weights(pair)
            of_together.append(first)
    weights[together] = np.mean(of_together)
    return weights


def projection_weights(gram: np.ndarray) -> np.ndarray:
    """Return weights that give the vector nearest to the sum without negative products; `gram` has the inner products.

    They are 1 + u, where u >= 0 makes the sum of all (1 + u_i) g_i shortest (the dual of the projection on the cone of
    the vectors d with g_i . d >= 0). This is a non-negative least squares problem.
    """
    root = _root(gram)
    added, _ = nnls(root, -root.sum(axis=1))
    return 1 + added


def _root(gram: np.ndarray) -> np.ndarray:
    """Return R with R' R = `gram` over its trace."""
    values, directions = np.linalg.eigh(gram / max(np.trace(gram), np.finfo(float).tiny))
    return np.sqrt(values.clip(0))[:, None] * directions.T


def min_norm_weights(gram: np.ndarray) -> np.ndarray:
    """Return weights >= 0 of sum 1 that give the point nearest to 0 between two vectors with these inner products."""
    apart = gram[0, 0] + gram[1, 1] - 2 * gram[0, 1]
    first = 0.5 if apart <= 0 else np.clip((gram[1, 1] - gram[0, 1]) / apart, 0, 1)
    return np.array([first, 1 - first])


def _products(vectors: Tensor) -> np.ndarray:
    """Return the inner products of the rows, in double precision."""
    double = vectors.detach().double()
    products: np.ndarray = (double @ double.T).cpu().numpy()
    return products


def _flat(parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> Tensor:
    return torch.cat(
        [
            (torch.zeros_like(parameter) if gradient is None else gradient).reshape(-1)
            for parameter, gradient in zip(parameters, gradients, strict=True)
        ]
    )
