"""MCGATE network with its neighbourhood, which follows the embedding during training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from spatialweave.graphs.matrices import edges, from_edges, rank_within_spot, with_self
from spatialweave.io.embeddings import LONG_RANGE
from spatialweave.mining.beyond_window import distant_mutual, within
from spatialweave.nn.edges import EdgeGraph
from spatialweave.nn.graph_attention import AttentionWeights, Neighbourhood, edge_cosines
from spatialweave.nn.mcgate import Mcgate, McgateConfig
from spatialweave.training.tiles import Patch

if TYPE_CHECKING:
    from scipy import sparse

    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


ATTENTION = "attention"
"""Name of the table of attention fractions."""

ATTENTION_COLUMNS = ("itself", "neighbours", "long range")
"""Targets of a spot's attention."""


class Encoded(NamedTuple):
    """Embedding of spots, the attention of every layer, and the neighbourhood that they gathered from."""

    embedding: Tensor
    attention: list[AttentionWeights]
    around: Neighbourhood


class Expansion:
    """Long-range neighbours: spots beyond the neighbourhood that are mutual nearest neighbours in the embedding.

    Parameters
    ----------
    graph
        Spatial graph: a spot's long-range neighbours are more than `beyond` steps away along its edges.
    spots
        bool, one per spot: whether it takes part.
    """

    def __init__(self, graph: sparse.csr_matrix, config: McgateConfig, spots: np.ndarray) -> None:
        self._spots = np.flatnonzero(spots)
        self._close = within(graph, config.beyond)[self._spots][:, self._spots]
        self._n_spots, self._n_nearest = len(spots), config.n_nearest

    def pairs(self, embedding: Tensor) -> sparse.csr_matrix:
        """Return mutual nearest neighbours by cosine: the stored entries, spots x spots."""
        unit = functional.normalize(embedding.detach().float(), dim=1).cpu().numpy()[self._spots]
        found = distant_mutual(unit, self._n_nearest, self._close)
        i, j = edges(found)
        return from_edges(self._spots[i], self._spots[j], found.data, self._n_spots)


@dataclass
class FoundPairs:
    """Long-range neighbours of a part of the dataset, and the number of epochs after which they were found."""

    after: int = 0
    pairs: sparse.csr_matrix | None = None


class McgateEncoder:
    """Network and its neighbourhood; keeps pattern and long-range neighbours up to date between epochs.

    Parameters
    ----------
    patch
        The part of the dataset; None = all of it.
    found
        Its long-range neighbours, which outlive the encoder; None = none so far.
    """

    def __init__(
        self,
        dataset: Dataset,
        network: Mcgate,
        config: McgateConfig,
        run: Run,
        patch: Patch | None = None,
        found: FoundPairs | None = None,
    ) -> None:
        graph = dataset.spatial_distances()
        self.patch = Patch(0, dataset, dataset.n_spots, run.device) if patch is None else patch
        self.network, self.config, self._device = network, config, run.device
        self.around = Neighbourhood(
            EdgeGraph(with_self(graph), run.device),
            alpha=config.alpha,
            temperature=config.temperature,
        )
        # One step leads only to a spot's own neighbours, as published; several steps follow edges of either direction.
        steps = graph if config.beyond == 1 else dataset.spatial_graph()
        # The embedding of spots further out is not computed.
        inside = self.patch.within(len(network.layers))
        self.expansion = Expansion(steps, config, inside) if config.alpha > 0 else None
        self.found = FoundPairs() if found is None else found
        if self.found.pairs is not None:
            self.around.distant = self._edges_of(self.found.pairs)

    @torch.no_grad()
    def prepare(self, epoch: int) -> Neighbourhood:
        """Return an epoch's neighbourhood, from the embeddings of the last epoch and the last multiple of `step`."""
        done = epoch - 1
        latest = self.patch.taken(self.network.latest)
        # A part that was not used before has no embedding.
        if done > 0 and self.config.local_pattern and bool(self.patch.counted(latest).any()):
            self.around.pattern = edge_cosines(self.around.local, latest, self.config.heads)
        found_after = done - done % self.config.step
        if self.expansion is not None and found_after != self.found.after:
            if found_after == done:
                self.network.settle_anchor(done)
            # Otherwise the part was not used then, or a checkpoint was resumed, which holds the embedding.
            anchor = self.patch.taken(self.network.anchor)
            if bool(self.patch.counted(anchor).any()):
                self.found.pairs = self.expansion.pairs(anchor)
                self.around.distant = self._edges_of(self.found.pairs)
            self.found.after = found_after
        return self.around

    def encode(self, x: Tensor) -> Encoded:
        """Encode spots by the current neighbourhood."""
        z, attention = self.network(x, self.around)
        return Encoded(z, attention, self.around)

    def keep(self, z: Tensor) -> None:
        """Keep the embedding of an epoch, which determines the next pattern."""
        if self.patch.core is None:
            self.network.latest.copy_(z.detach())
        else:
            rows = torch.as_tensor(self.patch.rows, device=z.device)
            self.network.latest[self.patch.counted(rows)] = self.patch.counted(z.detach())

    def _edges_of(self, pairs: sparse.csr_matrix) -> EdgeGraph:
        return EdgeGraph(with_self(pairs), self._device)

    @torch.no_grad()
    def settle(self, x: Tensor, epochs: int, times: int = 1) -> Encoded:
        """Encode spots after `epochs`, from an input without masked spots.

        Pattern and long-range neighbours of each pass follow the embedding of the pass before; the passes are repeated
        `times` times. The encoder's own neighbourhood stays that of the training, so that every call gives the same.
        """
        around = self.prepare(epochs + 1)
        z, attention = self.network(x, around)
        for _ in range(times):
            if self.config.local_pattern:
                around = replace(around, pattern=edge_cosines(around.local, z, self.config.heads))
            if self.expansion is not None:
                around = replace(around, distant=self._edges_of(self.expansion.pairs(z)))
            z, attention = self.network(x, around)
        return Encoded(z, attention, around)


def attention_table(around: Neighbourhood, weights: AttentionWeights, spots: pd.Index) -> pd.DataFrame:
    """Return each spot's attention, mean over heads: to itself, its neighbours, its long-range neighbours.

    The last column is left out if there are no long-range neighbours.
    """

    def to_itself(graph: EdgeGraph, given: Tensor) -> np.ndarray:
        own = given.float().mean(dim=1, keepdim=True) * (graph.receivers == graph.senders)[:, None]
        return np.asarray(graph.sum(own)[:, 0].cpu().numpy())

    itself = to_itself(around.local, weights.local)
    if around.distant is None or weights.distant is None:
        return pd.DataFrame(dict(zip(ATTENTION_COLUMNS[:2], (itself, 1 - itself), strict=True)), index=spots)
    alone = to_itself(around.distant, weights.distant)
    alpha = around.alpha
    columns = (1 - alpha) * itself + alpha * alone, (1 - alpha) * (1 - itself), alpha * (1 - alone)
    return pd.DataFrame(dict(zip(ATTENTION_COLUMNS, columns, strict=True)), index=spots)


def long_range_partners(
    around: Neighbourhood, weights: AttentionWeights, spots: pd.Index, n_nearest: int, rows: np.ndarray | None = None
) -> pd.DataFrame:
    """Return each spot's long-range neighbours, by decreasing attention.

    Parameters
    ----------
    weights
        Attention of the last layer.
    n_nearest
        Number of columns; no spot has more long-range neighbours.
    rows
        Rows of the encoder's spots in the dataset; None = it has all spots.

    Returns
    -------
    int64, spots x "1" to `n_nearest`: rows of the dataset, -1 if there are no more.
    """
    table = np.full((len(spots), n_nearest), -1, dtype=np.int64)
    graph = around.distant
    if graph is not None and weights.distant is not None:
        others = (graph.receivers != graph.senders).cpu().numpy()
        here, there = (ends.cpu().numpy()[others] for ends in (graph.receivers, graph.senders))
        attention = weights.distant.float().mean(dim=1).cpu().numpy()[others]
        order = np.lexsort((there, -attention, here))
        here, there = here[order], there[order]
        table[here, rank_within_spot(here)] = there if rows is None else rows[there]
    return pd.DataFrame(table, index=spots, columns=[str(number + 1) for number in range(n_nearest)])


def extras_of(tables: dict[str, np.ndarray], dataset: Dataset) -> dict[str, pd.DataFrame]:
    """Take the attention fractions, and long-range neighbours if there are any, from the tables of every spot."""
    attention = tables.pop(ATTENTION)
    columns = ATTENTION_COLUMNS[: attention.shape[1]]
    extras = {ATTENTION: pd.DataFrame(attention, dataset.obs.index, columns)}
    if LONG_RANGE in tables:
        partners = tables.pop(LONG_RANGE)
        names = [str(number + 1) for number in range(partners.shape[1])]
        extras[LONG_RANGE] = pd.DataFrame(partners, dataset.obs.index, names)
    return extras
