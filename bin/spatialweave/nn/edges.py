"""Weighted sums over the neighbours of each spot with learned weights, one per edge and head.

Two products do all the work: `dot` (one number per edge from its two spots) and `weighted_sum` (one row per spot from
its edges). Each is the gradient of the other. Neither stores a message per edge, so memory is edges x heads.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import functional

from spatialweave.graphs.matrices import edges, structure
from spatialweave.nn.propagation import Propagation


class EdgeGraph:
    """Directed edges between spots, grouped by the receiving spot.

    Parameters
    ----------
    matrix
        spots x spots, CSR; every stored entry (i, j), whatever its value, is an edge from j to i.
    device
        Device that runs the products.

    Attributes
    ----------
    receivers, senders
        int64, one per edge, in the order of the matrix's stored entries.
    """

    def __init__(self, matrix: sparse.csr_matrix, device: torch.device | str = "cpu") -> None:
        matrix = structure(matrix)
        matrix.sort_indices()
        self.n_spots, self.n_edges = matrix.shape[0], matrix.nnz
        receivers, senders = edges(matrix)
        by_sender = np.lexsort((receivers, senders))
        sent = np.concatenate([[0], np.cumsum(np.bincount(senders, minlength=self.n_spots))])
        self.receivers = torch.as_tensor(receivers, device=device)
        self.senders = torch.as_tensor(senders, device=device)
        self._offsets = torch.as_tensor(matrix.indptr.astype(np.int64), device=device)
        self._by_sender = torch.as_tensor(by_sender, device=device)
        self._receivers_by_sender = self.receivers[self._by_sender]
        self._sender_offsets = torch.as_tensor(sent, device=device)
        self._sent: tuple[Tensor, Tensor] | None = None
        numbers = np.arange(self.n_edges)
        ones = np.ones(self.n_edges, dtype=np.float32)
        shape = (self.n_edges, self.n_spots)
        self._from_receiver = Propagation(sparse.csr_matrix((ones, (numbers, receivers)), shape=shape), device=device)
        self._from_sender = Propagation(sparse.csr_matrix((ones, (numbers, senders)), shape=shape), device=device)
        self._sum = Propagation(sparse.csr_matrix((ones, (receivers, numbers)), shape=shape[::-1]), device=device)

    def of_receivers(self, x: Tensor) -> Tensor:
        """Return the row of `x` (spots x columns) of the receiver of each edge: edges x columns."""
        return self._from_receiver(x)

    def of_senders(self, x: Tensor) -> Tensor:
        """Return the row of `x` (spots x columns) of the sender of each edge: edges x columns."""
        return self._from_sender(x)

    def sum(self, values: Tensor) -> Tensor:
        """Sum `values` (edges x columns) over the edges that each spot receives: spots x columns."""
        return self._sum(values)

    def sends(self, spots: Tensor) -> Tensor:
        """Return whether each of `spots` (int64) sends to each spot: bool, all spots x `spots`; the last is kept."""
        if self._sent is None or self._sent[0] is not spots:
            # One more column for all other spots: a selection of edges would make the host wait for the device.
            number = spots.new_full((self.n_spots,), len(spots))
            number[spots] = torch.arange(len(spots), device=spots.device)
            sent = torch.zeros(self.n_spots, len(spots) + 1, dtype=torch.bool, device=spots.device)
            sent[self.receivers, number[self.senders]] = True
            self._sent = spots, sent[:, :-1]
        return self._sent[1]

    def largest(self, values: Tensor) -> Tensor:
        """Return the largest of `values` (edges x columns) per receiving spot, without gradient; -inf without edges."""
        return torch.segment_reduce(values.detach(), "max", offsets=self._offsets, axis=0, initial=-torch.inf)

    def softmax(self, scores: Tensor) -> Tensor:
        """Compute the softmax of `scores` (edges x heads) over the edges that each spot receives."""
        powers = torch.exp(scores - self.of_receivers(self.largest(scores).nan_to_num(neginf=0.0)))
        return powers / self.of_receivers(self.sum(powers))

    def dot(self, receiving: Tensor, sending: Tensor, heads: int = 1) -> Tensor:
        """Multiply the receiver's row of `receiving` with the sender's row of `sending`, for each edge and head.

        Both are spots x dimensions; head h owns the h-th of `heads` equal blocks of columns. Returns edges x heads.
        """
        return _Dot.apply(receiving, sending, self, heads)

    def weighted_sum(self, weights: Tensor, sending: Tensor) -> Tensor:
        """Sum weight (edges x heads) times the sender's row of `sending` (spots x dimensions) over the received edges.

        Head h of the weights applies to the h-th of equal blocks of columns. Returns spots x dimensions.
        """
        return _WeightedSum.apply(weights, sending, self)

    def dot_product(self, receiving: Tensor, sending: Tensor, heads: int) -> Tensor:
        """Compute :meth:`dot` without recording it for differentiation."""
        with warnings.catch_warnings():
            # torch calls its CSR tensors experimental; the product is as fast as a custom one.
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            shape = (self.n_spots, self.n_spots)
            support = torch.sparse_csr_tensor(self._offsets, self.senders, receiving.new_zeros(self.n_edges), shape)
        products = [
            torch.sparse.sampled_addmm(support, own, other.T, beta=0).values()
            for own, other in zip(receiving.chunk(heads, dim=1), sending.chunk(heads, dim=1), strict=True)
        ]
        return torch.stack(products, dim=1)

    def sum_to_receivers(self, weights: Tensor, sending: Tensor) -> Tensor:
        """Compute :meth:`weighted_sum` without recording it for differentiation."""
        return _bag_sums(weights, sending, self.senders, self._offsets)

    def sum_to_senders(self, weights: Tensor, receiving: Tensor) -> Tensor:
        """Apply the transpose of :meth:`sum_to_receivers`: sum over the edges that each spot sends."""
        return _bag_sums(weights[self._by_sender], receiving, self._receivers_by_sender, self._sender_offsets)


def _bag_sums(weights: Tensor, values: Tensor, rows: Tensor, offsets: Tensor) -> Tensor:
    """Sum weighted rows of `values` between offsets; head by head, since a bag has one weight per row."""
    sums = [
        functional.embedding_bag(
            rows,
            part.contiguous(),
            offsets,
            mode="sum",
            per_sample_weights=weights[:, head].to(values.dtype).contiguous(),
            include_last_offset=True,
        )
        for head, part in enumerate(values.chunk(weights.shape[1], dim=1))
    ]
    return torch.cat(sums, dim=1)


class _Dot(torch.autograd.Function):
    """Edge products, whose gradients are weighted sums."""

    @staticmethod
    def forward(ctx: Any, receiving: Tensor, sending: Tensor, graph: EdgeGraph, heads: int) -> Tensor:
        ctx.graph = graph
        ctx.save_for_backward(receiving, sending)
        return graph.dot_product(receiving, sending, heads)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        receiving, sending = ctx.saved_tensors
        graph = ctx.graph
        return graph.sum_to_receivers(gradients[0], sending), graph.sum_to_senders(gradients[0], receiving), None, None


class _WeightedSum(torch.autograd.Function):
    """Weighted sums: the gradient of the weights is an edge product, that of the rows a sum over the sent edges."""

    @staticmethod
    def forward(ctx: Any, weights: Tensor, sending: Tensor, graph: EdgeGraph) -> Tensor:
        ctx.graph = graph
        ctx.save_for_backward(weights, sending)
        return graph.sum_to_receivers(weights, sending)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        weights, sending = ctx.saved_tensors
        graph = ctx.graph
        to_weights = graph.dot_product(gradients[0], sending, weights.shape[1])
        return to_weights, graph.sum_to_senders(weights, gradients[0]), None
