"""A graph with learned edge weights: one weight per undirected edge of a fixed sparse support.

As in SPAMO, the graph starts from the nearest neighbours in a modality's latents, is re-weighted by the losses of the
network that propagates over it, and is held near a moving average of itself. SPAMO uses a dense matrix; but an entry
that is zero at the start has no gradient, so one weight per edge is the same graph in linear memory.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.errors import InputError
from spatialweave.graphs.matrices import edges
from spatialweave.nn.edges import EdgeGraph
from spatialweave.nn.propagation import Propagation

LARGEST_DISTANCE = 2.0
"""Largest correlation distance of two rows: 1 - (-1)."""


class LearnedGraph(nn.Module):
    """G = D^-1/2 (relu(W) + I) D^-1/2 with W symmetric and learned on its support, D the row sums of relu(W) + I.

    Parameters
    ----------
    similarities
        Initial W: spots x spots, CSR, symmetric. Every stored entry off the diagonal is an edge.
    momentum
        Weight of the old target in :meth:`follow`.
    device
        Device of the graph.
    normalised
        As published: W, with one more weight for each spot itself, starts at G of `similarities`, so self-loops are
        added and rows normalised twice; G is also the initial target. An edge's weight is the mean of one for each
        direction, so each follows half of the mean's gradient.

    Attributes
    ----------
    strengths
        W: one number per undirected edge.
    own
        Weight of each spot itself, in addition to 1; learned if `normalised`, else 0.
    target
        Moving average of G: one number per directed edge and spot; a buffer, so that checkpoints hold it.
    """

    target: Tensor

    def __init__(
        self,
        similarities: sparse.csr_matrix,
        momentum: float = 0.9,
        device: torch.device | str = "cpu",
        normalised: bool = False,
    ) -> None:
        super().__init__()
        self.momentum, self.normalised = momentum, normalised
        table = _numbered(similarities)
        numbers = table.data.astype(np.int64)
        owned = np.flatnonzero(numbers > 0)
        n_strengths = len(owned) // 2
        ones = np.ones(len(owned), dtype=np.float32)
        of_edges = sparse.csr_matrix((ones, (owned, numbers[owned] - 1)), shape=(table.nnz, n_strengths))
        i, j = edges(similarities)
        start = similarities.data[i < j].astype(np.float32)
        self.edges = EdgeGraph(table, device)
        self._of_edges = Propagation(of_edges, device=device)
        itself = np.flatnonzero(numbers < 0)
        shape = (table.nnz, table.shape[0])
        of_spots = sparse.csr_matrix((np.ones(len(itself), np.float32), (itself, edges(table)[0][itself])), shape=shape)
        self._of_spots = Propagation(of_spots, device=device)
        self.strengths = nn.Parameter(torch.as_tensor(start, device=device))
        self.own = nn.Parameter(torch.zeros(table.shape[0], device=device), requires_grad=normalised)
        weights = self.weights().detach()
        self.register_buffer("target", weights)
        if normalised:
            with torch.no_grad():
                upper = self.edges.receivers < self.edges.senders
                self.strengths.copy_(weights[upper])
                self.own.copy_(weights[self.edges.receivers == self.edges.senders])

    def weights(self) -> Tensor:
        """Return G: one number per directed edge and spot, in the order of :attr:`edges`."""
        itself = self._of_spots(1 + functional.relu(self.own)[:, None])
        strengths: Tensor = self.strengths
        if self.normalised:
            # Both directions start equal and stay equal: one number stands for both, with the gradient of either.
            strengths = strengths.detach().lerp(strengths, 0.5)
        raw = self._of_edges(functional.relu(strengths)[:, None]) + itself
        root = self.edges.sum(raw).rsqrt()
        return (raw * self.edges.of_receivers(root) * self.edges.of_senders(root))[:, 0]

    def forward(self, x: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the product G x (spots x dimensions); `weights` are :meth:`weights` if already computed."""
        return self.edges.weighted_sum((self.weights() if weights is None else weights)[:, None], x)

    def follow(self, weights: Tensor | None = None) -> None:
        """Move the target towards the current graph; `weights` as in :meth:`forward`."""
        with torch.no_grad():
            self.target.lerp_(self.weights() if weights is None else weights, 1 - self.momentum)

    def distance(self, weights: Tensor | None = None, spots: Tensor | None = None) -> Tensor:
        """Return the Frobenius norm of G minus its target over rows `spots` (int64; None = all); no gradient at 0."""
        moved = (self.weights() if weights is None else weights) - self.target
        if spots is not None:
            counts = torch.zeros_like(self.own, dtype=torch.bool)
            counts[spots] = True
            moved = moved[counts[self.edges.receivers]]
        return torch.linalg.vector_norm(moved)


def _numbered(similarities: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the support with the diagonal: both directions of the n-th edge hold n (from 1), the diagonal -1."""
    n_spots = similarities.shape[0]
    i, j = edges(similarities)
    upper = i < j
    numbers = np.arange(1, upper.sum() + 1, dtype=np.float64)
    one_way = sparse.csr_matrix((numbers, (i[upper], j[upper])), shape=(n_spots, n_spots))
    table = (one_way + one_way.T - sparse.identity(n_spots)).tocsr()
    table.sort_indices()
    return table


def correlation_similarity(distances: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the similarity 1 - distance of spots joined, in either direction, by a graph of correlation distances.

    Returns
    -------
    Symmetric CSR matrix; a distance of 1 or more is stored as 0.

    Raises
    ------
    InputError
        If a distance cannot be a correlation distance.
    """
    if distances.nnz and not -1e-6 <= distances.data.min() <= distances.data.max() <= LARGEST_DISTANCE + 1e-6:
        found = f"holds distances from {distances.data.min():.4g} to {distances.data.max():.4g}"
        fix = "build the feature graphs with `metric: correlation`"
        raise InputError("graph", found, "distances by correlation, 0 to 2", fix)
    # Shifted by one, so that a similarity of 0 stays stored in the maximum. Built from its parts: scipy may sort the
    # indices of a copy, and values written to it later would no longer belong to them.
    parts = (1 + np.clip(1 - distances.data, 0, None), distances.indices.copy(), distances.indptr.copy())
    shifted = sparse.csr_matrix(parts, shape=distances.shape, dtype=np.float64)
    both = sparse.csr_matrix(shifted.maximum(shifted.T))
    both.sort_indices()
    both.data -= 1
    return both
