"""Data for the pictures of the alignment (drawn by static/alignment.js)."""

from __future__ import annotations

from typing import Any

import numpy as np

from spatialweave.io.layout import spacing
from spatialweave.report.alignment import MatchedSpots, SectionAlignment, pair_name
from spatialweave.report.encode import pack
from spatialweave.results.runs import MethodRun
from spatialweave.results.spots import DatasetSpots
from spatialweave.sampling import random_subset

MAX_POINTS = 20_000
"""Maximal number of spots per picture; of more, a random subset is drawn, so that pictures turn without delay."""

MAX_LINES = 300
"""Maximal number of lines per pair of sections; more would cover each other."""


def alignment_data(
    alignment: SectionAlignment, spots: DatasetSpots, rows: np.ndarray, runs: list[MethodRun], titles: dict[str, str]
) -> dict[str, Any]:
    """Return the data that the pictures of the alignment draw, as a value for JSON.

    Parameters
    ----------
    rows
        Spots of the page; the value refers to spots by their position in it.
    titles
        Title of each method.
    """
    codes, names = spots.stack()
    aligned = (
        alignment.coordinates if alignment.coordinates is not None else centred(spots.coordinates, codes, len(names))
    )
    drawn = random_subset(len(rows), MAX_POINTS, seed=0)
    thinner = np.sqrt(len(codes) / max(len(drawn), 1))
    with_domains = {(run.method, run.seed) for run in runs if run.domains is not None}
    keys = sorted({(one.method, one.seed) for one in alignment.matches} | with_domains)
    index_of = {(run.method, run.seed): index for index, run in enumerate(runs)}
    pairs = sorted({one.sections for one in alignment.matches})
    return {
        "x": pack(aligned[rows, 0].astype(np.float32)),
        "y": pack(aligned[rows, 1].astype(np.float32)),
        "points": pack(drawn.astype(np.uint32)),
        "spacing": _spacing(aligned, codes, len(names)) * thinner,
        "givenSpacing": _spacing(spots.coordinates, codes, len(names)) * thinner,
        "pairs": [{"name": pair_name(names, pair), "sections": pair} for pair in pairs],
        "runs": [{"title": titles.get(key[0], key[0]), "seed": key[1], "run": index_of.get(key)} for key in keys],
        "matches": [
            {"run": keys.index((one.method, one.seed)), "pair": pairs.index(one.sections), **_lines(one, rows)}
            for one in alignment.matches
        ],
    }


def centred(coordinates: np.ndarray, codes: np.ndarray, n_sections: int) -> np.ndarray:
    """Return coordinates with the middle of every section at 0, for sections without aligned coordinates."""
    result = np.empty_like(coordinates)
    for code in range(n_sections):
        part = coordinates[codes == code]
        result[codes == code] = part - (part.min(axis=0) + part.max(axis=0)) / 2
    return result


def _spacing(coordinates: np.ndarray, codes: np.ndarray, n_sections: int) -> float:
    return float(np.median([spacing(coordinates[codes == code]) for code in range(n_sections)]))


def _lines(matches: MatchedSpots, rows: np.ndarray) -> dict[str, Any]:
    """Return counts of a match, and the ends of a sample of its accepted pairs whose spots are both on the page."""
    ends = [_positions(side[matches.accepted], rows) for side in (matches.a, matches.b)]
    both = np.flatnonzero((ends[0] >= 0) & (ends[1] >= 0))
    chosen = both[random_subset(len(both), MAX_LINES, seed=0)]
    distance = matches.distance[matches.accepted]
    known = distance[np.isfinite(distance)]
    return {
        "all": len(matches.a),
        "accepted": int(matches.accepted.sum()),
        "distance": float(np.median(known)) if len(known) else None,
        "a": pack(ends[0][chosen].astype(np.uint32)),
        "b": pack(ends[1][chosen].astype(np.uint32)),
    }


def _positions(spots: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the position of each spot in the sorted `rows`, -1 if it is missing."""
    found = np.minimum(np.searchsorted(rows, spots), len(rows) - 1)
    return np.where(rows[found] == spots, found, -1)
