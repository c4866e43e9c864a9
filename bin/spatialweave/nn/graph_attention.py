"""Graph attention over local and long-range neighbours, and its transpose with the same weights.

From MCGATE, the encoder of SpatialFuser (bioRxiv 2025.09.14.676067). A layer gathers what neighbours send, with weights
computed from both ends of an edge. The decoder uses its transpose, which gathers with the same weights and maps back
with the same matrix.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from spatialweave.nn.edges import EdgeGraph


@dataclass
class Neighbourhood:
    """The spots that each spot gathers from.

    Attributes
    ----------
    local
        Edges to every spot from its neighbours and itself.
    pattern
        Edges of `local` x heads: cosine similarity of the two ends; None = 1 everywhere.
    distant
        Edges to every spot from its long-range neighbours and itself; None = there are none.
    alpha
        Fraction of the attention that goes along `distant`.
    temperature
        Divisor of the scores. If both ends are equally similar, an edge outweighs another by at most a factor of
        exp(1 / temperature).
    """

    local: EdgeGraph
    pattern: Tensor | None = None
    distant: EdgeGraph | None = None
    alpha: float = 0.0
    temperature: float = 1.0

    def gather(self, values: Tensor, weights: AttentionWeights) -> Tensor:
        """Return weighted sums of rows of `values` (spots x dimensions), head by head on equal blocks of columns."""
        gathered = self.local.weighted_sum(weights.local, values)
        if self.distant is None or weights.distant is None:
            return gathered
        distant = self.distant.weighted_sum(weights.distant, values)
        return (1 - self.alpha) * gathered + self.alpha * distant


@dataclass
class AttentionWeights:
    """Attention of one layer, edges x heads, along the local and the long-range edges; sums to 1 per spot and head."""

    local: Tensor
    distant: Tensor | None = None


class GraphAttention(nn.Module):
    """Layer y_i = sum_j a_ij W x_j, a_ij = softmax_j(m_ij sigmoid(u . W x_i + v . W x_j) / temperature), per head.

    Head h owns the h-th equal block of the outputs, with its own u, v and weights a; m is the pattern of
    :class:`Neighbourhood`, and 1 along long-range edges. The gradient of the softmax is exact.

    Parameters
    ----------
    heads
        Number of heads; divides `n_outputs`.
    split
        Divide the inputs between the heads as well: head h sees only the h-th block of columns.
    """

    def __init__(self, n_inputs: int, n_outputs: int, heads: int, split: bool = False) -> None:
        super().__init__()
        blocks = heads if split else 1
        self.heads = heads
        self.weight = nn.Parameter(torch.empty(blocks, n_inputs // blocks, n_outputs // blocks))
        self.receiver = nn.Parameter(torch.empty(heads, n_outputs // heads))
        self.sender = nn.Parameter(torch.empty(heads, n_outputs // heads))

    def reset_parameters(self, generator: torch.Generator, stacked: bool = False) -> None:
        """Set the initial weights: Xavier normal, each block and head by itself.

        With `stacked`, as in the released code: gain sqrt(2), and the fans of all blocks or heads as one tensor.
        """
        if stacked:
            scores = torch.empty(self.heads, 2, self.receiver.shape[1], 1)
            for tensor in (self.weight, scores):
                nn.init.xavier_normal_(tensor if len(tensor) > 1 else tensor[0], 2**0.5, generator)
            with torch.no_grad():
                self.receiver.copy_(scores[:, 0, :, 0])
                self.sender.copy_(scores[:, 1, :, 0])
            return
        for block in self.weight:
            nn.init.xavier_normal_(block, generator=generator)
        for vectors in (self.receiver, self.sender):
            nn.init.xavier_normal_(vectors, generator=generator)

    def forward(self, x: Tensor, around: Neighbourhood) -> tuple[Tensor, AttentionWeights]:
        """Return what each spot gathers (spots x outputs) of `x` (spots x inputs), and the weights."""
        z = _blockwise(x, self.weight)
        weights = self.weigh(z, around)
        return around.gather(z, weights), weights

    def weigh(self, z: Tensor, around: Neighbourhood) -> AttentionWeights:
        """Return the attention weights computed from the mapped inputs `z` (spots x outputs)."""
        blocks = z.unflatten(1, (self.heads, -1))
        receiving, sending = (blocks * self.receiver).sum(dim=2), (blocks * self.sender).sum(dim=2)
        scores = _scores(around.local, receiving, sending) / around.temperature
        local = around.local.softmax(scores if around.pattern is None else around.pattern * scores)
        if around.distant is None:
            return AttentionWeights(local)
        scores = _scores(around.distant, receiving, sending) / around.temperature
        return AttentionWeights(local, around.distant.softmax(scores))

    def transposed(self, y: Tensor, around: Neighbourhood, weights: AttentionWeights) -> Tensor:
        """Gather `y` (spots x outputs) with the same `weights`, and map it to spots x inputs by W transposed."""
        return _blockwise(around.gather(y, weights), self.weight.transpose(1, 2))


def _scores(graph: EdgeGraph, receiving: Tensor, sending: Tensor) -> Tensor:
    """Return sigmoid(receiving_i + sending_j) for every edge from j to i: edges x heads."""
    return torch.sigmoid(graph.of_receivers(receiving) + graph.of_senders(sending))


def _blockwise(x: Tensor, weight: Tensor) -> Tensor:
    """Return block b of the columns of `x` times weight[b] (blocks x inputs x outputs), side by side."""
    if len(weight) == 1:
        return x @ weight[0]
    return torch.einsum("nbi,bio->nbo", x.unflatten(1, (len(weight), -1)), weight).flatten(1)


def edge_cosines(graph: EdgeGraph, embedding: Tensor, heads: int) -> Tensor:
    """Return the cosine of the two ends of every edge in each of `heads` equal blocks of columns, without gradient.

    The result is edges x heads; 0 if an end is all zero.
    """
    with torch.no_grad():
        unit = functional.normalize(embedding.float().unflatten(1, (heads, -1)), dim=2).flatten(1)
        return graph.dot(unit, unit, heads)
