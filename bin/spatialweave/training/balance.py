"""Balancing losses that share parameters: where their gradients conflict, the update lowers none at another's cost.

MMPareto (Wei and Hu, ICML 2024) takes the shortest convex combination of conflicting gradients (Desideri, Comptes
Rendus Mathematique 2012), stretched to the length of their sum. That is nearly the shortest gradient, so that a small
loss steers the training. The default changes the sum only as far as is needed for no loss to rise.
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


def balanced_backward(
    parameters: Sequence[nn.Parameter], group_of: Callable[[str], str], rule: Rule = "projected"
) -> Backward:
    """A `backward` for the training loop: terms of one group are summed, the groups are balanced against each other.

    Parameters
    ----------
    parameters
        All trainable ones.
    group_of
        The group of a loss term, by its name.
    rule
        Of :func:`common_direction`.
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
        for parameter, gradient in zip(parameters, balanced(parameters, gradients, rule), strict=True):
            parameter.grad = gradient

    return backward


def balanced(
    parameters: Sequence[Tensor], gradients: Sequence[Sequence[Tensor | None]], rule: Rule = "projected"
) -> list[Tensor]:
    """One gradient per parameter from those of several losses.

    A parameter that one loss reaches takes its gradient. All that two or more reach are balanced together; a loss that
    does not reach one of them has the gradient 0 there, so that entries of different losses always belong to the same
    parameter.

    Parameters
    ----------
    parameters
        Give the shapes.
    gradients
        Per loss one entry per parameter; None = the loss does not reach it.
    """
    reached = [[found for row in gradients if (found := row[p]) is not None] for p in range(len(parameters))]
    result = [
        found[0] if len(found) == 1 else torch.zeros_like(parameter)
        for parameter, found in zip(parameters, reached, strict=True)
    ]
    shared = [p for p, found in enumerate(reached) if len(found) > 1]
    if shared:
        vectors = torch.stack([_flat([parameters[p] for p in shared], [row[p] for p in shared]) for row in gradients])
        combined = common_direction(vectors, rule).split([parameters[p].numel() for p in shared])
        for p, values in zip(shared, combined, strict=True):
            result[p] = values.view_as(parameters[p])
    return result


def common_direction(vectors: Tensor, rule: Rule = "projected") -> Tensor:
    """Combine gradients (losses x entries) into one along which no loss rises; their sum where no two conflict.

    `projected`: the vector nearest to the sum that has no negative product with any of them. `min_norm`: their shortest
    convex combination, stretched to the length of the sum; 0 where no direction lowers all losses.
    """
    double = vectors.detach().double()
    gram = (double @ double.T).cpu().numpy()
    if gram.min() >= 0:
        return vectors.sum(dim=0)
    if rule == "projected":
        weights = projection_weights(gram)
    else:
        weights = min_norm_weights(gram)
        shortest = weights @ gram @ weights
        stationary = shortest <= 1e-12 * np.trace(gram)
        weights = weights * (0.0 if stationary else np.sqrt(max(gram.sum(), 0.0) / shortest))
    return torch.as_tensor(weights, dtype=vectors.dtype, device=vectors.device) @ vectors


def projection_weights(gram: np.ndarray) -> np.ndarray:
    """Weights of vectors with these inner products that give the vector nearest to their sum without negative products.

    They are 1 + u, where u >= 0 makes the sum of all (1 + u_i) g_i shortest (the dual of the projection on the cone of
    the vectors d with g_i . d >= 0), a non-negative least squares problem.
    """
    root = _root(gram)
    added, _ = nnls(root, -root.sum(axis=1))
    return 1 + added


def _root(gram: np.ndarray) -> np.ndarray:
    """R with R' R = `gram` over its trace."""
    values, directions = np.linalg.eigh(gram / max(np.trace(gram), np.finfo(float).tiny))
    return np.sqrt(values.clip(0))[:, None] * directions.T


def min_norm_weights(gram: np.ndarray) -> np.ndarray:
    """Weights w >= 0 of sum 1 for which the combination of vectors with these inner products is shortest.

    For more than two vectors w is u / sum(u), where u >= 0 minimises u' G u + (sum(u) - 1)^2: both have the same
    conditions of optimality, and the latter is a non-negative least squares problem (Lawson and Hanson, 1974).
    """
    scale = np.trace(gram)
    n_vectors = len(gram)
    if scale <= 0:
        return np.full(n_vectors, 1 / n_vectors)
    if n_vectors == 2:
        return _two(gram)
    root = _root(gram)
    weights, _ = nnls(np.vstack([root, np.ones(n_vectors)]), np.append(np.zeros(n_vectors), 1.0))
    return weights / weights.sum()


def _two(gram: np.ndarray) -> np.ndarray:
    """Closed form: the point nearest to 0 on the segment between two vectors."""
    apart = gram[0, 0] + gram[1, 1] - 2 * gram[0, 1]
    first = 0.5 if apart <= 0 else np.clip((gram[1, 1] - gram[0, 1]) / apart, 0, 1)
    return np.array([first, 1 - first])


def _flat(parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> Tensor:
    return torch.cat(
        [
            (torch.zeros_like(parameter) if gradient is None else gradient).reshape(-1)
            for parameter, gradient in zip(parameters, gradients, strict=True)
        ]
    )
