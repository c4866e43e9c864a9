"""Size and shape of domains: area, border, pieces, roundness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from spatialweave.graphs.matrices import edges
from spatialweave.io.layout import spacing

NEAREST = 8
"""Number of the neighbour whose distance gives the area of a cell."""


@dataclass(frozen=True)
class Shapes:
    """Shapes of the domains of one section, in units of the coordinates (one value per domain).

    Attributes
    ----------
    spots
        Number of spots.
    area
        Area that the spots represent.
    border
        Length of the border with other domains; the edge of the tissue does not count.
    pieces
        Number of parts that no edge of the spatial graph joins.
    largest_piece
        Fraction of the domain's spots in the largest piece; NaN without spots.
    roundness
        Roundness of the largest piece: 1 for a disc, lower for longer or more ragged pieces; NaN without spots.
    """

    spots: np.ndarray
    area: np.ndarray
    border: np.ndarray
    pieces: np.ndarray
    largest_piece: np.ndarray
    roundness: np.ndarray


def shapes(coordinates: np.ndarray, codes: np.ndarray, n_domains: int, graph: sparse.csr_matrix, layout: str) -> Shapes:
    """Compute the shapes of the domains of one section.

    The border is the number of edges of the spatial graph that cross it, times pi / 2 over the length of edges per
    area. Averaged over its directions, a line crosses 2 / pi of that many edges per unit of its length, in any graph
    (the Cauchy-Crofton formula; on a square lattice a line along it comes out 21% too short and one at 45 degrees 11%
    too long). Roundness is the area over 2 pi times the mean squared distance from the centre, which is smallest for a
    disc among all shapes of that area (Zunic et al., Pattern Recognition 43:47, 2010).

    Parameters
    ----------
    codes
        Domain of every spot, from 0.
    graph
        Undirected spatial graph of these spots.
    """
    areas = spot_areas(coordinates, layout)
    i, j = edges(graph)
    once = i < j
    i, j = i[once], j[once]
    lengths = np.linalg.norm(coordinates[i] - coordinates[j], axis=1)
    across = codes[i] != codes[j]
    crossings = np.bincount(np.concatenate([codes[i[across]], codes[j[across]]]), minlength=n_domains)
    density = lengths.sum() / areas.sum() if areas.sum() > 0 else 0.0
    border = crossings * (np.pi / 2 / density) if density > 0 else np.zeros(n_domains)

    inside = sparse.csr_matrix((np.ones(int((~across).sum())), (i[~across], j[~across])), shape=graph.shape)
    _, piece = connected_components(inside, directed=False)
    piece_sizes = np.bincount(piece)
    domain_of_piece = np.zeros(len(piece_sizes), dtype=np.int64)
    domain_of_piece[piece] = codes
    spots = np.bincount(codes, minlength=n_domains)
    largest, roundness = np.full(n_domains, np.nan), np.full(n_domains, np.nan)
    # Sizes ascend, so that the last piece of a domain that is written is its largest.
    biggest = np.full(n_domains, -1)
    order = np.argsort(piece_sizes, kind="stable")
    biggest[domain_of_piece[order]] = order
    for domain in np.flatnonzero(spots):
        rows = np.flatnonzero(piece == biggest[domain])
        largest[domain] = len(rows) / spots[domain]
        roundness[domain] = _roundness(coordinates[rows], areas[rows])
    return Shapes(
        spots,
        np.bincount(codes, areas, minlength=n_domains),
        border,
        np.bincount(domain_of_piece, minlength=n_domains),
        largest,
        roundness,
    )


def _roundness(points: np.ndarray, areas: np.ndarray) -> float:
    """Return the roundness of spots that are discs with these areas."""
    area = areas.sum()
    if area <= 0:
        return float("nan")
    centre = areas @ points / area
    squared = (areas @ ((points - centre) ** 2).sum(axis=1) + (areas**2).sum() / (2 * np.pi)) / area
    return float(area / (2 * np.pi * squared))


def spot_areas(coordinates: np.ndarray, layout: str) -> np.ndarray:
    """Return the area that each spot represents, in squared units of the coordinates.

    On a lattice it is the area of the lattice cell. For cells it is pi d^2 / 8, with the distance d to the eighth
    nearest. If cells lie at random, the mean of this is the area per cell (d^2 follows a gamma distribution).
    """
    step = spacing(coordinates)
    if layout in ("square", "hexagonal"):
        return np.full(len(coordinates), step**2 * (1.0 if layout == "square" else np.sqrt(3) / 2))
    k = min(NEAREST, len(coordinates) - 1)
    if k < 1:
        return np.zeros(len(coordinates))
    distances, _ = cKDTree(coordinates).query(coordinates, k=[k + 1])
    return np.asarray(np.pi * distances[:, 0] ** 2 / k)
