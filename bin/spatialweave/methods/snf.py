"""Similarity network fusion (Wang et al., Nature Methods 11:333, 2014) on sparse graphs, and its spectral embedding.

The publication multiplies dense matrices of spots x spots. Here each spot keeps diffused similarities only for its
`n_kept` most similar spots, so time and memory are linear in spots. If `n_kept` is the number of spots, the result is
that of the publication.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from spatialweave.graphs.complete import complete
from spatialweave.graphs.matrices import from_edges, row_normalise
from spatialweave.graphs.nearest import nearest
from spatialweave.graphs.spectral import spectral_embedding
from spatialweave.method import Fitted
from spatialweave.settings import option

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run

CHUNK = 1000
"""Number of rows whose largest entries are searched at a time."""


@dataclass(frozen=True)
class Config:
    """Settings of SNF; the defaults are those of the publication, except for `n_kept`."""

    n_dims: int = option(15, "Dimensions of the spectral embedding.", low=1, high=200)
    n_neighbours: int = option(20, "Nearest neighbours that a spot's similarities spread over.", low=1, aliases=("K",))
    width: float = option(0.5, "Width of the kernel, in units of the distances nearby.", above=0, aliases=("mu",))
    rounds: int = option(20, "Rounds of diffusion.", low=1, high=100, aliases=("t",))
    n_kept: int = option(60, "Most similar spots that a spot's similarities are kept for.", low=2)


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset` by its fused similarities; a single modality uses its own similarities.

    A spot without a modality enters with the mean of its neighbours (:func:`spatialweave.graphs.complete.complete`).
    """
    graph = dataset.spatial_graph()
    affinities = [
        affinity(complete(modality, graph), config.n_kept, config.n_neighbours, config.width)
        for modality in dataset.modalities
    ]
    fused = affinities[0] if len(affinities) == 1 else fuse(affinities, config)
    return Fitted(spectral_embedding(fused, config.n_dims, run.seed))


def affinity(latent: np.ndarray, n_kept: int, n_neighbours: int, width: float) -> sparse.csr_matrix:
    """Return exp(-d^2 / 2(width e)^2) of each spot, itself and its `n_kept` nearest ones, symmetric.

    e is the mean of their distance d and of the mean distances of both to their nearest neighbours. This is the kernel
    of the authors' package, SNFtool; the kernel of their equation 1 depends on the units of the latents.
    """
    n_spots = len(latent)
    k = min(n_kept, n_spots - 1) + 1
    found, squared = nearest(latent, latent, k)
    rows, columns, distances = np.arange(n_spots).repeat(k), found.ravel(), np.sqrt(squared, dtype=np.float64).ravel()
    others = rows != columns
    # A spot is not its own neighbour; if duplicates push it out of its row, the farthest is left out instead.
    nearby = np.sort(np.where(others, distances, np.inf).reshape(n_spots, k), axis=1)[:, : min(n_neighbours, k - 1)]
    mean = nearby.mean(axis=1)
    rows, columns, distances = rows[others], columns[others], distances[others]
    scale = (mean[rows] + mean[columns] + distances) / 3
    # Duplicates have distance and scale 0, and similarity 1.
    ratio = np.divide(distances, width * scale, out=np.zeros_like(distances), where=scale > 0)
    # No stored entry may be 0: products and maxima would drop it.
    values = np.maximum(np.exp(-np.square(ratio) / 2), np.finfo(float).tiny)
    directed = from_edges(rows, columns, values, n_spots)
    return (directed.maximum(directed.T) + sparse.identity(n_spots)).tocsr()


def fuse(affinities: list[sparse.csr_matrix], config: Config) -> sparse.csr_matrix:
    """Diffuse each modality's similarities over its own neighbours in those of the others (equations 2 to 5)."""
    local = [row_normalise(largest(matrix, config.n_neighbours)) for matrix in affinities]
    states = [with_half(matrix) for matrix in affinities]
    for _ in range(config.rounds):
        total = sum(states[1:], states[0])
        states = [
            with_half(spread(own, (total - state) / (len(states) - 1), config.n_kept))
            for own, state in zip(local, states, strict=True)
        ]
    fused = sum(states[1:], states[0]) / len(states)
    return symmetric(fused)


def spread(own: sparse.csr_matrix, state: sparse.csr_matrix, n_kept: int) -> sparse.csr_matrix:
    """Return own state own^T, symmetric; every row of both products keeps its `n_kept` largest entries."""
    return symmetric(largest(largest(own @ state, n_kept) @ own.T, n_kept))


def with_half(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Scale rows to sum to one half over the other spots, and set one half for the spot itself."""
    others = matrix - sparse.diags(matrix.diagonal())
    return (row_normalise(sparse.csr_matrix(others)) + sparse.identity(matrix.shape[0])).tocsr() / 2


def symmetric(matrix: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return the mean of a matrix and its transpose."""
    return ((matrix + matrix.T) / 2).tocsr()


def largest(matrix: sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    """Return the `k` largest entries of every row, which are positive."""
    matrix = sparse.csr_matrix(matrix)
    lengths = np.diff(matrix.indptr)
    kept = []
    for first in range(0, len(lengths), CHUNK):
        own = lengths[first : first + CHUNK]
        width = int(own.max())
        if width <= k:
            kept.append(np.arange(matrix.indptr[first], matrix.indptr[first + len(own)]))
            continue
        # Rows side by side, the shorter ones padded with zeros.
        filled = np.arange(width) < own[:, None]
        block = np.zeros(filled.shape)
        block[filled] = matrix.data[matrix.indptr[first] : matrix.indptr[first + len(own)]]
        best = np.argpartition(-block, k - 1, axis=1)[:, :k]
        best = np.sort(best, axis=1)
        kept.append((matrix.indptr[first : first + len(own)][:, None] + best)[best < own[:, None]])
    chosen = np.concatenate(kept)
    starts = np.concatenate([[0], np.cumsum(np.minimum(lengths, k))])
    return sparse.csr_matrix((matrix.data[chosen], matrix.indices[chosen], starts), shape=matrix.shape)
