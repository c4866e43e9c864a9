"""Stacks of torch_geometric's graph convolutions, with sums over neighbours by :class:`Propagation`.

Time of two SAGEConv layers forward and backward (20,000 spots, 6 neighbours, 30 to 64 dimensions, one CPU thread): 36
ms with these sums, 95 ms with torch_geometric's own over a list of edges; GCNConv 25 and 196 ms, GraphConv 34 and 83
ms. GATConv keeps torch_geometric's sums, because its edge weights change.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, cast

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn
from torch_geometric.nn import GATConv, GCNConv, GraphConv, MessagePassing, SAGEConv

from spatialweave.graphs.matrices import structure, with_self
from spatialweave.nn.gcn import gcn_propagation
from spatialweave.nn.propagation import Propagation, neighbour_mean

Kind = Literal["sage", "gcn", "gat", "graph"]
"""GraphSAGE with means over neighbours, graph convolution, graph attention, graph convolution without normalisation."""

HEADS = 2
"""Number of heads of graph attention; their results are averaged."""

Messages = Propagation | Tensor | Callable[[Tensor], Tensor]
"""Argument of a convolution: sums over neighbours or, for graph attention, edges (2 x edges: sender, receiver)."""

Step = Callable[[Tensor], Tensor]


def messages(
    kind: Kind, graph: sparse.csr_matrix, senders: np.ndarray | None = None, device: torch.device | str = "cpu"
) -> Propagation | Tensor:
    """Return what convolutions of a kind use to gather on a graph.

    Parameters
    ----------
    graph
        Spots x spots; every stored entry of row i is a neighbour of i.
    senders
        bool, one per spot: only these send to their neighbours. None = all.
    """
    if kind == "sage":
        return neighbour_mean(graph, senders, device)
    pattern = structure(graph, senders)
    if kind == "gcn":
        return gcn_propagation(pattern, device)
    if kind == "graph":
        return Propagation(pattern, device=device)
    edges = with_self(pattern).tocoo()
    return torch.as_tensor(np.stack([edges.col, edges.row]).astype(np.int64), device=device)


def shared_sums(kind: Kind, sums: Messages, x: Tensor) -> Tensor | None:
    """Return sums(x) if this kind of convolution starts with it, so that several stacks can share it; else None."""
    return None if isinstance(sums, Tensor) or kind == "gcn" else sums(x)


class ConvolutionStack(nn.Module):
    """Convolutions of one kind, applied one after the other.

    Parameters
    ----------
    widths
        Dimensions of the input and of every layer's result.
    between, last
        Functions applied after every layer but the last, and after the last (default: none).
    """

    def __init__(self, kind: Kind, widths: Sequence[int], between: Step, last: Step | None = None) -> None:
        super().__init__()
        pairs = itertools.pairwise(widths)
        self.layers = nn.ModuleList([_convolution(kind, *pair) for pair in pairs])
        self.between, self.last = between, last

    def forward(self, x: Tensor, sums: Messages, first: Tensor | None = None) -> Tensor:
        """Map `x` (spots x inputs) to spots x outputs.

        `sums` is the result of :func:`messages`; `first` is sums(x) if the caller has computed it already
        (see :func:`shared_sums`).
        """
        for number, layer in enumerate(self.layers):
            if number > 0:
                x = self.between(x)
            known = number == 0 and first is not None
            x = layer(x, (lambda _: first) if known else sums)
        return x if self.last is None else self.last(x)

    def reset_parameters(self, generator: torch.Generator, times: int = 1) -> None:
        """Set torch_geometric's initial weights of every layer `times` times; only the last draw is kept."""
        for layer in cast(Iterable[MessagePassing], self.layers):
            for _ in range(times):
                # torch_geometric draws from torch's global generator.
                with torch.random.fork_rng(devices=[]):
                    torch.set_rng_state(generator.get_state())
                    layer.reset_parameters()
                    generator.set_state(torch.get_rng_state())


def _convolution(kind: Kind, n_inputs: int, n_outputs: int) -> nn.Module:
    if kind == "gat":
        return GATConv(n_inputs, n_outputs, heads=HEADS, concat=False, add_self_loops=False)
    if kind == "gcn":
        # The propagation already holds the edge weights.
        convolution = GCNConv(n_inputs, n_outputs, normalize=False)
    else:
        convolution = {"sage": SAGEConv, "graph": GraphConv}[kind](n_inputs, n_outputs)
    convolution.propagate = _sum_over_neighbours
    return convolution


def _sum_over_neighbours(sums: Callable[[Tensor], Tensor], x: Any, **unused: Any) -> Tensor:
    """Gather `x` in place of torch_geometric; some convolutions give it as a pair (of senders, of receivers)."""
    return sums(x[0] if isinstance(x, tuple) else x)
