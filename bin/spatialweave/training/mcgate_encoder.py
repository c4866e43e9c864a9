"""An MCGATE network with its neighbourhood, which follows the embedding as it is learned."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from spatialweave.graphs.matrices import with_self
from spatialweave.mining.beyond_window import distant_mutual, within
from spatialweave.nn.edges import EdgeGraph
from spatialweave.nn.graph_attention import AttentionWeights, Neighbourhood, edge_cosines
from spatialweave.nn.mcgate import Mcgate, McgateConfig

if TYPE_CHECKING:
    from scipy import sparse

    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


class Expansion:
    """Long-range neighbours: spots beyond the neighbourhood whose embeddings are mutually among each other's nearest.

    Parameters
    ----------
    graph
        Spatial graph: a spot's long-range neighbours are more than `beyond` steps away along its edges.
    """

    def __init__(self, graph: sparse.csr_matrix, config: McgateConfig, device: str) -> None:
        self._close = within(graph, config.beyond)
        self._n_nearest, self._device = config.n_nearest, device
        self.mean_found = 0.0

    def edges(self, embedding: Tensor) -> EdgeGraph:
        """Edges between mutual nearest neighbours by cosine, and from every spot to itself."""
        unit = functional.normalize(embedding.detach().float(), dim=1).cpu().numpy()
        found = distant_mutual(unit, self._n_nearest, self._close)
        self.mean_found = found.nnz / len(unit)
        return EdgeGraph(with_self(found), self._device)


class McgateEncoder:
    """A network and its neighbourhood: keeps pattern and long-range neighbours up to date between epochs."""

    def __init__(self, dataset: Dataset, network: Mcgate, config: McgateConfig, run: Run) -> None:
        graph = dataset.spatial_distances()
        self.network, self.config = network, config
        self.around = Neighbourhood(
            EdgeGraph(with_self(graph), run.device),
            alpha=config.alpha,
            temperature=config.temperature,
        )
        # One step leads to a spot's own neighbours only, as published; several go along edges of either direction.
        steps = graph if config.beyond == 1 else dataset.spatial_graph()
        self.expansion = Expansion(steps, config, run.device) if config.alpha > 0 else None
        self._found_after = 0

    @torch.no_grad()
    def prepare(self, epoch: int) -> Neighbourhood:
        """What an epoch gathers over: by the embeddings of the epoch before and of the last multiple of `step`."""
        done = epoch - 1
        if done > 0 and self.config.local_pattern:
            self.around.pattern = edge_cosines(self.around.local, self.network.latest, self.config.heads)
        found_after = done - done % self.config.step
        if self.expansion is not None and found_after != self._found_after:
            if found_after == done:
                self.network.anchor.copy_(self.network.latest)
            # Else a checkpoint was resumed, which holds the embedding that they were found in.
            self.around.distant = self.expansion.edges(self.network.anchor)
            self._found_after = found_after
        return self.around

    @torch.no_grad()
    def settle(self, x: Tensor, epochs: int) -> tuple[Tensor, list[AttentionWeights]]:
        """Embedding and attention of every layer after `epochs`, for an input without masked spots.

        The first pass makes the embedding that pattern and long-range neighbours of the second are of.
        """
        z, _ = self.network(x, self.prepare(epochs + 1))
        if self.config.local_pattern:
            self.around.pattern = edge_cosines(self.around.local, z, self.config.heads)
        if self.expansion is not None:
            self.around.distant = self.expansion.edges(z)
        return self.network(x, self.around)

    @torch.no_grad()
    def settled(self, x: Tensor, epochs: int) -> tuple[Tensor, Tensor, AttentionWeights]:
        """:meth:`settle`, with the rebuilt input and the attention of the last layer only."""
        z, weights = self.settle(x, epochs)
        return z, self.network.decode(z, self.around, weights), weights[-1]


def attention_table(around: Neighbourhood, weights: AttentionWeights, spots: pd.Index) -> pd.DataFrame:
    """Where each spot's attention goes, mean over heads: to itself, its neighbours, its long-range neighbours.

    Without long-range neighbours there is no column of theirs.
    """

    def to_itself(graph: EdgeGraph, given: Tensor) -> np.ndarray:
        own = given.float().mean(dim=1, keepdim=True) * (graph.receivers == graph.senders)[:, None]
        return np.asarray(graph.sum(own)[:, 0].cpu().numpy())

    itself = to_itself(around.local, weights.local)
    if around.distant is None or weights.distant is None:
        return pd.DataFrame({"itself": itself, "neighbours": 1 - itself}, index=spots)
    alone = to_itself(around.distant, weights.distant)
    alpha = around.alpha
    columns = {
        "itself": (1 - alpha) * itself + alpha * alone,
        "neighbours": (1 - alpha) * (1 - itself),
        "long range": alpha * (1 - alone),
    }
    return pd.DataFrame(columns, index=spots)


def long_range_partners(
    around: Neighbourhood, weights: AttentionWeights, spots: pd.Index, n_nearest: int, rows: np.ndarray | None = None
) -> pd.DataFrame:
    """Each spot's long-range neighbours, the one with most attention first.

    Parameters
    ----------
    weights
        Of the last layer.
    n_nearest
        Columns: no spot has more long-range neighbours.
    rows
        The rows in the dataset of the encoder's spots; None = they are all of them.

    Returns
    -------
    int64, spots x "1" to `n_nearest`: rows of the dataset, -1 where there are no more.
    """
    table = np.full((len(spots), n_nearest), -1, dtype=np.int64)
    graph = around.distant
    if graph is not None and weights.distant is not None:
        others = (graph.receivers != graph.senders).cpu().numpy()
        here, there = (ends.cpu().numpy()[others] for ends in (graph.receivers, graph.senders))
        attention = weights.distant.float().mean(dim=1).cpu().numpy()[others]
        order = np.lexsort((there, -attention, here))
        here, there = here[order], there[order]
        first = np.flatnonzero(np.diff(here, prepend=-1))
        rank = np.arange(len(here)) - np.repeat(first, np.diff(first, append=len(here)))
        table[here, rank] = there if rows is None else rows[there]
    return pd.DataFrame(table, index=spots, columns=[str(number + 1) for number in range(n_nearest)])
