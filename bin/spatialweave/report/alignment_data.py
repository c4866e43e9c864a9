"""The data behind the pictures of the alignment (drawn by static/alignment.js)."""

from __future__ import annotations

from typing import Any

import numpy as np

from spatialweave.report.alignment import Alignment, Matches, pair_name
from spatialweave.report.encode import pack
from spatialweave.report.inputs import Run, Spots
from spatialweave.report.layout import median_spacing

MAX_POINTS = 20_000
"""Spots drawn in each picture; beyond, a random subset, so that the pictures can be turned without delay."""

MAX_LINES = 300
"""Lines drawn per pair of sections; more would hide each other."""


def alignment_data(
    alignment: Alignment, spots: Spots, rows: np.ndarray, runs: list[Run], titles: dict[str, str]
) -> dict[str, Any]:
    """What the pictures of the alignment draw, as a value for JSON.

    Parameters
    ----------
    rows
        The spots of the page; the value names spots by their position in it.
    titles
        Per method its name for people.
    """
    codes, names = spots.stack()
    frame = alignment.xy if alignment.xy is not None else centred(spots.coordinates, codes, len(names))
    drawn = _sample(len(rows), MAX_POINTS)
    thinner = np.sqrt(len(codes) / max(len(drawn), 1))
    keys = sorted(
        {(one.method, one.seed) for one in alignment.matches} | {(run.method, run.seed) for run in runs if run.domains}
    )
    place = {(run.method, run.seed): index for index, run in enumerate(runs)}
    pairs = sorted({one.sections for one in alignment.matches})
    return {
        "x": pack(frame[rows, 0].astype(np.float32)),
        "y": pack(frame[rows, 1].astype(np.float32)),
        "points": pack(drawn.astype(np.uint32)),
        "spacing": _spacing(frame, codes, len(names)) * thinner,
        "givenSpacing": _spacing(spots.coordinates, codes, len(names)) * thinner,
        "pairs": [{"name": pair_name(names, pair), "sections": pair} for pair in pairs],
        "runs": [{"title": titles.get(key[0], key[0]), "seed": key[1], "run": place.get(key)} for key in keys],
        "matches": [
            {"run": keys.index((one.method, one.seed)), "pair": pairs.index(one.sections), **_lines(one, rows)}
            for one in alignment.matches
        ],
    }


def centred(spatial: np.ndarray, codes: np.ndarray, n_sections: int) -> np.ndarray:
    """Coordinates with the middle of every section at 0: a stand-in where no common frame was given."""
    result = np.empty_like(spatial)
    for code in range(n_sections):
        part = spatial[codes == code]
        result[codes == code] = part - (part.min(axis=0) + part.max(axis=0)) / 2
    return result


def _spacing(xy: np.ndarray, codes: np.ndarray, n_sections: int) -> float:
    return float(np.median([median_spacing(xy[codes == code]) for code in range(n_sections)]))


def _lines(matches: Matches, rows: np.ndarray) -> dict[str, Any]:
    """Counts of a match, and the ends of a sample of its accepted pairs of which the page draws both spots."""
    ends = [_positions(side[matches.accepted], rows) for side in (matches.a, matches.b)]
    both = np.flatnonzero((ends[0] >= 0) & (ends[1] >= 0))
    chosen = both[_sample(len(both), MAX_LINES)]
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
    """Where each spot stands in the sorted `rows`, -1 = nowhere."""
    place = np.minimum(np.searchsorted(rows, spots), len(rows) - 1)
    return np.where(rows[place] == spots, place, -1)


def _sample(n: int, limit: int, seed: int = 0) -> np.ndarray:
    """0..n-1, or a sorted random subset of `limit` of them."""
    return np.arange(n) if n <= limit else np.sort(np.random.default_rng(seed).choice(n, limit, replace=False))
