"""Balancing losses that share parameters, after MMPareto (Wei and Hu, ICML 2024).

Where the gradients of all losses agree, the update follows their sum. Where some conflict (negative product), it
follows the shortest convex combination of them, along which no loss rises (Desideri, Comptes Rendus Mathematique 2012),
stretched to the length of the sum: balancing changes the direction of learning, not its pace.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor, nn

from spatialweave.training.loop import Backward


def balanced_backward(parameters: Sequence[nn.Parameter], group_of: Callable[[str], str]) -> Backward:
    """A `backward` for the training loop: terms of one group are summed, the groups are balanced against each other.

    Parameters
    ----------
    parameters
        All trainable ones.
    group_of
        The group of a loss term, by its name.
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
        for parameter, gradient in zip(parameters, balanced(parameters, gradients), strict=True):
            parameter.grad = gradient

    return backward


def balanced(parameters: Sequence[Tensor], gradients: Sequence[Sequence[Tensor | None]]) -> list[Tensor]:
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
        combined = common_direction(vectors).split([parameters[p].numel() for p in shared])
        for p, values in zip(shared, combined, strict=True):
            result[p] = values.view_as(parameters[p])
    return result


def common_direction(vectors: Tensor) -> Tensor:
    """Combine gradients (losses x entries) into one of the length of their sum.

    Where no two conflict it is the sum. Where no direction lowers all losses (0 is a convex combination) it is 0.
    """
    double = vectors.detach().double()
    gram = (double @ double.T).cpu().numpy()
    if gram.min() >= 0:
        return vectors.sum(dim=0)
    weights = min_norm_weights(gram)
    shortest = weights @ gram @ weights
    stationary = shortest <= 1e-12 * np.trace(gram)
    stretch = 0.0 if stationary else np.sqrt(max(gram.sum(), 0.0) / shortest)
    factors = torch.as_tensor(weights * stretch, dtype=vectors.dtype, device=vectors.device)
    return factors @ vectors


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
    values, directions = np.linalg.eigh(gram / scale)
    root = np.sqrt(values.clip(0))[:, None] * directions.T
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
