"""How much each spot differs from a reference, on the scale of the reference's own spots.

A spot has several distances: of its embedding and of its latents from the nearest domain of the reference, and the part
that the reference's components leave unexplained. Each distance is converted to the fraction of the reference's spots
that are nearer. The largest of these fractions is then converted to the fraction of the reference's spots with a
smaller one. So one in a hundred spots of the reference reaches a fraction of 0.99 or more, for any distribution of the
distances: 1 minus it is a conformal p value, up to one in the number of spots (Vovk, Gammerman and Shafer, Algorithmic
Learning in a Random World, 2005; Laxhammar and Falkman, Ann Math Artif Intell 74:67, 2015). Reference spots are held
out for their distances: domains are described by the other donors or, if these are not known, the other sections. With
one section they are described by the other blocks of the tissue.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from spatialweave.reference.gaussians import gaussians

QUANTILES = 1001
"""Number of quantiles of each distance that are kept, from the smallest to the largest of the reference."""

GROUPS = 5
"""Largest number of groups of held-out reference spots: donors, sections or, with one section, blocks of its tissue."""

UNLIKE = 0.99
"""Spots with a larger fraction are called unlike the reference: one in a hundred of its own spots."""


def held_out_groups(sections: np.ndarray, donors: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Return each spot's group (int64): its donor, so that no other section of a donor describes the spots of one.

    Sections without a donor are held out by themselves, and so are all sections if there are fewer than two donors.
    With one section, the group is the block along the tissue's longer side.

    Parameters
    ----------
    donors
        One per spot; "" = unknown.
    """
    known = donors != ""
    units = np.where(known, np.char.add("donor ", donors), np.char.add("section ", sections))
    if len(np.unique(donors[known])) < 2:
        units = sections
    names, numbers = np.unique(units, return_inverse=True)
    if len(names) > 1:
        return np.asarray(numbers % GROUPS, dtype=np.int64)
    along = coordinates[:, np.argmax(np.ptp(coordinates, axis=0))]
    edges = np.quantile(along, np.linspace(0, 1, GROUPS + 1)[1:-1])
    return np.searchsorted(edges, along, side="right").astype(np.int64)


def held_out_distances(values: np.ndarray, domains: np.ndarray, n_domains: int, groups: np.ndarray) -> np.ndarray:
    """Return the distance of every spot to the nearest domain, described by the spots of the other groups.

    Parameters
    ----------
    values
        Spots x dimensions.
    domains
        0 .. `n_domains` - 1, one per spot.
    """
    result = np.empty(len(values))
    for group in np.unique(groups):
        own = groups == group
        # A group may be the only one, or all others too few to estimate the covariance.
        others = ~own if (~own).sum() > values.shape[1] else np.ones(len(values), dtype=bool)
        result[own] = gaussians(values[others], domains[others], n_domains).distance(values[own])
    return result


def quantiles(distances: np.ndarray) -> np.ndarray:
    """Return the quantiles from which :func:`nearer` reads fractions; NaN is left out."""
    known = distances[np.isfinite(distances)]
    return np.quantile(known if len(known) else np.zeros(1), np.linspace(0, 1, QUANTILES))


def nearer(distances: np.ndarray, of_reference: np.ndarray) -> np.ndarray:
    """Return the fraction of the reference's spots that are nearer, 0 to 1; 0 for NaN.

    Parameters
    ----------
    of_reference
        Quantiles of the reference's distances (:func:`quantiles`).
    """
    known = np.where(np.isfinite(distances), distances, -np.inf)
    # From the left, so that among equal distances none is nearer than another.
    above = np.searchsorted(of_reference, known, side="left")
    inside = (above > 0) & (above < len(of_reference))
    low, high = (of_reference[np.where(inside, above + step, 0)] for step in (-1, 0))
    part = np.divide(known - low, high - low, out=np.zeros(len(known)), where=inside)
    return np.where(inside, above - 1 + part, np.where(above == 0, 0, len(of_reference) - 1)) / (len(of_reference) - 1)


def farthest(distances: Mapping[str, np.ndarray], of_reference: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the largest fraction, over all distances, of the reference's spots that are nearer, one per spot."""
    return np.max([nearer(values, of_reference[name]) for name, values in distances.items()], axis=0)
