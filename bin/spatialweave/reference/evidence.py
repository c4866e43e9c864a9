"""Comparison of new spots with a reference, before any correction that could make them similar.

For each modality, two quantities complement the embedding: the position of the spots in the reference's latents, and
how much of the tissue's structure the reference's components do not explain. Both are averaged over neighbours, because
a single spot is mostly noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from spatialweave.graphs.matrices import row_normalise, structure, with_self
from spatialweave.graphs.smoothing import CONTROL_ROUNDS, smooth
from spatialweave.io.count_matrix import BLOCK_ENTRIES
from spatialweave.preprocess.frozen import FEATURES, FrozenPreparation
from spatialweave.preprocess.new_sections import ReferenceClusters
from spatialweave.preprocess.pca import principal_components

ROUNDING = 1e-6
"""Smaller fractions of the shared variation count as 0."""

CHANCE = 4.0
"""Number of standard errors beyond which spots share variation."""

ENOUGH = 2 * CHANCE
"""Number of standard errors that the reference's variation must reach in a section for its absence to count. If it
reached only half as many, every second section as good as the reference would be within :data:`CHANCE`."""

CENTRINGS = 3
"""Number of times that the unexplained variation is computed: first centred at the mean of all spots of the section,
then at that of the half that is explained best, so that tissue that the reference lacks does not move the mean."""


@dataclass(frozen=True)
class SharedVariation:
    """Variation that spots share with their neighbours, per spot (float64).

    Attributes
    ----------
    shared, explained
        Variation that a spot shares with its neighbours, and the part of it that some components explain. For single
        spots this is mostly noise, which cancels in sums over many spots.
    unexplained
        The difference, averaged over neighbours.
    """

    shared: np.ndarray
    explained: np.ndarray
    unexplained: np.ndarray

    @property
    def per_spot(self) -> float:
        """Mean of the shared variation over spots with neighbours; NaN without any."""
        n_spots = np.count_nonzero(self.shared)
        return float(self.shared.sum()) / n_spots if n_spots else np.nan

    def explained_fraction(self, rows: np.ndarray | slice = slice(None), expected: float = np.nan) -> float:
        """Return the fraction of the shared variation of some spots that is explained.

        If its sum is not beyond :data:`CHANCE` standard errors of a sum of independent values, the spots show no shared
        variation. Then the fraction is 0 if the same number of spots that share `expected` each would be beyond
        :data:`ENOUGH`. Otherwise it is NaN: the spots are too few, or too noisy, to decide.
        """
        shared = self.shared[rows]
        total, error = float(shared.sum()), float(np.sqrt((shared**2).sum()))
        if total > CHANCE * error:
            return float(self.explained[rows].sum()) / total
        return 0.0 if expected * np.count_nonzero(shared) > ENOUGH * error else np.nan


@dataclass(frozen=True)
class Evidence:
    """Evidence of one modality, per spot that has it.

    Attributes
    ----------
    latents
        float32, spots x dimensions: uncorrected latents, averaged over neighbours.
    shift
        float64, spots x dimensions: common shift of the latents of each spot's section.
    variation
        Shared variation, and what the reference's components explain of it.
    features
        Fraction of the reference's features that the spots have.
    """

    latents: np.ndarray
    shift: np.ndarray
    variation: SharedVariation
    features: float


def evidence(
    frozen: FrozenPreparation,
    matrix: sparse.csr_matrix,
    found: np.ndarray,
    graph: sparse.csr_matrix,
    sections: np.ndarray,
    clusters: ReferenceClusters | None,
) -> Evidence:
    """Compute the evidence of one modality.

    Parameters
    ----------
    matrix, found
        As returned by :meth:`FrozenPreparation.transformed`.
    graph
        The undirected spatial graph of these spots.
    sections
        The section of each spot; its mean counts as a difference between sections, not tissue.
    clusters
        Clusters of the reference's latents; None = sections are assumed to have no shift.
    """
    raw = frozen.latents(matrix, found)
    shift = np.zeros(raw.shape)
    if clusters is not None:
        for name in np.unique(sections):
            shift[sections == name] = clusters.common_shift(raw[sections == name])
    features = len(found) / len(frozen.features)
    latents = smooth(raw, np.ones(len(raw), dtype=bool), with_self(graph), CONTROL_ROUNDS)
    if frozen.projection == FEATURES:
        nothing = np.zeros(len(latents))
        return Evidence(latents, shift, SharedVariation(nothing, nothing, nothing), features)
    directions = frozen.matrix[:, : _width(frozen)]
    directions = directions / np.maximum(np.linalg.norm(directions, axis=0), 1e-300)
    return Evidence(latents, shift, shared_variation(matrix, directions[found], graph, sections), features)


def _width(frozen: FrozenPreparation) -> int:
    """Return how many components define what the reference explains: as many as features would explain anything."""
    return max(1, min(frozen.n_dims, len(frozen.features) // 2))


def shared_variation(
    matrix: sparse.csr_matrix, directions: np.ndarray, graph: sparse.csr_matrix, sections: np.ndarray
) -> SharedVariation:
    """Compute the variation that neighbours share, and what orthonormal `directions` (features x components) explain of
    it.

    The shared variation is the product of a spot's transformed values, centred at the section's mean, with the mean of
    its neighbours' values. Noise, which is independent between spots, cancels. The explained part is the same product
    of the values projected on the directions.
    """
    step = row_normalise(structure(graph))
    shared, explained, unexplained = (np.zeros(matrix.shape[0]) for _ in range(3))
    for name in np.unique(sections):
        rows = np.flatnonzero(sections == name)
        own, own_step = matrix[rows], step[rows][:, rows]
        scores = own @ directions
        products = _products(own, own_step), (scores * (own_step @ scores)).sum(axis=1)
        everything = np.ones(len(rows), dtype=bool)
        shared[rows], explained[rows] = _centred(products, own, scores, own_step, everything)
        around, count = with_self(graph[rows][:, rows]), everything
        for _ in range(CENTRINGS):
            of_all, of_components = _centred(products, own, scores, own_step, count)
            left = smooth((of_all - of_components)[:, None].astype(np.float32), everything, around, CONTROL_ROUNDS)[
                :, 0
            ]
            count = left <= np.median(left)
        # If the components explain everything, the remainder is rounding error.
        unexplained[rows] = np.where(np.abs(left) > ROUNDING * np.abs(products[0]).mean(), left, 0)
    return SharedVariation(shared, explained, unexplained)


def held_out_variation(
    frozen: FrozenPreparation,
    matrix: sparse.csr_matrix,
    graph: sparse.csr_matrix,
    sections: np.ndarray,
    groups: np.ndarray,
    seed: int,
) -> SharedVariation:
    """Compute the shared variation of a reference's own spots, each group by principal components of the other groups.

    The reference's components also follow its own noise, so they explain more of it than of any other data.
    """
    shared, explained, unexplained = (np.zeros(matrix.shape[0]) for _ in range(3))
    for group in np.unique(groups):
        own = groups == group
        others = np.flatnonzero(~own if (~own).any() else own)
        components = principal_components(matrix[others], _width(frozen), seed)
        directions = np.zeros((matrix.shape[1], components.loadings.shape[1]))
        directions[components.varying] = components.loadings
        # A group may be a part of a section; the section's mean is that of all its spots.
        around = np.flatnonzero(np.isin(sections, sections[own]))
        found = shared_variation(matrix[around], directions, graph[around][:, around].tocsr(), sections[around])
        inside = own[around]
        shared[own], explained[own] = found.shared[inside], found.explained[inside]
        unexplained[own] = found.unexplained[inside]
    return SharedVariation(shared, explained, unexplained)


def _centred(
    products: tuple[np.ndarray, np.ndarray],
    matrix: sparse.csr_matrix,
    scores: np.ndarray,
    step: sparse.csr_matrix,
    count: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the products of spots with their neighbours' means, of values and of scores, centred on some spots."""
    has = np.diff(step.indptr) > 0
    found = []
    for product, values in zip(products, (matrix, scores), strict=True):
        mean = np.asarray(values[count].mean(axis=0)).ravel()
        along = values @ mean
        # A spot without neighbours shares nothing.
        found.append(np.where(has, product - along - step @ along + float(mean @ mean), 0.0))
    return found[0], found[1]


def _products(matrix: sparse.csr_matrix, step: sparse.csr_matrix) -> np.ndarray:
    """Return the product of every row with the mean of its neighbours' rows, computed in blocks of rows."""
    result = np.empty(matrix.shape[0])
    per_row = max(1, matrix.nnz * max(1, step.nnz) // max(1, matrix.shape[0]) ** 2)
    rows_at_once = max(1, BLOCK_ENTRIES // per_row)
    for start in range(0, matrix.shape[0], rows_at_once):
        some = slice(start, start + rows_at_once)
        result[some] = np.asarray(matrix[some].multiply(step[some] @ matrix).sum(axis=1)).ravel()
    return result
