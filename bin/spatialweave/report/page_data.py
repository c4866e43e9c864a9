"""Data for the interactive part of a dataset report (read by static/data.js)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from spatialweave.domains import palette
from spatialweave.domains.palette import SpotClasses, colour_classes
from spatialweave.report import features
from spatialweave.report.encode import pack, pack_codes, pack_text, smallest_type
from spatialweave.report.feature_maps import mapped_features
from spatialweave.report.features import Marker
from spatialweave.report.layout import WIDE, arrange
from spatialweave.report.per_spot import MeasuredFeatures, drawn_runs, per_spot
from spatialweave.results.projection import choose_spots, project, shown_spots
from spatialweave.results.runs import MethodRun
from spatialweave.results.spots import DatasetSpots
from spatialweave.results.titles import modality_title
from spatialweave.results.values import FeatureTable

MAX_MARKERS = 60
"""Number of markers of domains on the page, whatever its size."""

MARKERS_PER_DOMAIN = 5
MAX_LOSS_POINTS = 400


def packed(classes: SpotClasses, rows: np.ndarray) -> dict[str, Any]:
    """Return classes for the page: names, counts over all spots, colours, and the codes of the spots in `rows`."""
    counts = np.bincount(classes.codes[classes.codes >= 0], minlength=len(classes.names))
    return {
        "names": classes.names,
        "counts": counts.tolist(),
        "colours": [palette.colour(index) for index in classes.colours],
        "stripes": [palette.stripes(index) for index in classes.colours],
        "codes": pack_codes(classes.codes[rows], len(classes.names)),
    }


def projected_spots(n_drawn: int, runs: list[MethodRun]) -> np.ndarray:
    """Return which of the drawn spots are in the UMAPs, the same for all runs."""
    return choose_spots(n_drawn, sum(run.embedding is not None for run in runs))


def page_data(
    dataset: str,
    spots: DatasetSpots,
    tables: list[FeatureTable],
    runs: list[MethodRun],
    titles: dict[str, str],
    best: int | None,
    wanted: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Return everything the page draws, as a value for JSON.

    Parameters
    ----------
    titles
        Title of each method.
    best
        Index of the run to show first; None if no run has domains.
    wanted
        Modality and name of features that get a map before all others, if they were measured.
    """
    rows = shown_spots(len(spots))
    section_codes, section_names = spots.stack()
    arrangement = arrange(spots.coordinates, section_codes, len(section_names))
    truth, classes = colour_classes(spots.labels, [run.domains for run in runs], best)
    markers = [{} if run.domains is None else _markers(tables, own) for run, own in zip(runs, classes, strict=True)]
    order = sorted(range(len(runs)), key=lambda index: index != best)
    found = features.positions(tables, wanted) + features.choose_features([markers[i] for i in order], MAX_MARKERS)
    # Wanted features replace others, so the page does not grow.
    chosen = list(dict.fromkeys(found))[:MAX_MARKERS]
    mapped = mapped_features(tables, chosen, rows)
    by_name = {table.modality: table for table in tables}
    projected = projected_spots(len(rows), runs)
    measured, drawn = MeasuredFeatures(tables, rows), drawn_runs(runs, best, len(rows))
    outputs = [per_spot(run, measured, rows) if index in drawn else None for index, run in enumerate(runs)]
    sections = packed(SpotClasses(section_codes, section_names, list(range(len(section_names)))), rows)
    sections |= {
        "scales": arrangement.scales,
        "offsets": arrangement.offsets,
        "titles": arrangement.titles,
        "room": arrangement.room,
    }
    return {
        "dataset": dataset,
        "layout": spots.layout,
        "spacing": arrangement.spacing,
        "aspect": round(arrangement.aspect, 4),
        "wide": len(section_names) >= WIDE,
        "barcodes": pack_text(spots.obs["barcode"].iloc[rows].tolist()),
        "x": pack(arrangement.coordinates[rows, 0].astype(np.float32)),
        "y": pack(arrangement.coordinates[rows, 1].astype(np.float32)),
        "sections": sections,
        "labels": packed(truth, rows) if truth else None,
        "unknown": palette.UNKNOWN_COLOUR,
        "umapSpots": None if len(projected) == len(rows) else pack(projected.astype(np.uint32)),
        "best": best,
        "runs": [
            {
                "method": run.method,
                "title": titles.get(run.method, run.method),
                "seed": run.seed,
                "domains": None if run.domains is None else packed(own, rows),
                "umap": _umap(run, rows[projected]),
                "losses": thin_losses(run.training.get("losses", {})),
                "markers": [
                    {
                        "modality": name,
                        "title": modality_title(name),
                        "domains": [[_marker(by_name[name], m) for m in domain] for domain in found],
                    }
                    for name, found in marked.items()
                ],
                "perSpot": output,
            }
            for run, own, marked, output in zip(runs, classes, markers, outputs, strict=True)
        ],
        "measured": measured.features,
        "features": mapped,
        "firstFeature": features.position_of_strongest(chosen, markers[order[0]] if order else {}),
        "topFeatures": [_top_features(table, rows) for table in tables],
    }


def _markers(tables: list[FeatureTable], classes: SpotClasses) -> dict[str, list[list[Marker]]]:
    return {
        table.modality: features.domain_markers(table, classes.codes, len(classes.names), MARKERS_PER_DOMAIN)
        for table in tables
    }


def _marker(table: FeatureTable, marker: Marker) -> list[Any]:
    return [table.names[marker.feature], round(marker.difference, 3), round(marker.inside, 3), round(marker.outside, 3)]


def _umap(run: MethodRun, rows: np.ndarray) -> dict[str, Any] | None:
    points = project(run.embedding[rows]) if run.embedding is not None else None
    return None if points is None else {"x": pack(points[:, 0]), "y": pack(points[:, 1])}


def _top_features(table: FeatureTable, rows: np.ndarray) -> dict[str, Any]:
    """Return names of the used features, and per spot positions of its top features in them (past the end = none)."""
    top = features.top_features(table)[rows]
    used = np.unique(top[top >= 0])
    codes = np.where(top < 0, len(used), np.searchsorted(used, top)).astype(smallest_type(len(used)))
    return {"modality": table.modality, "names": pack_text([table.names[f] for f in used]), "codes": pack(codes)}


def thin_losses(losses: dict[str, list[float]]) -> dict[str, dict[str, list[float]]]:
    """Return loss curves as epoch and value, thinned evenly to :data:`MAX_LOSS_POINTS`, with first and last epoch."""
    thinned = {}
    for term, values in losses.items():
        if values:
            kept = np.unique(np.linspace(0, len(values) - 1, min(len(values), MAX_LOSS_POINTS)).round().astype(int))
            thinned[term] = {"epoch": (kept + 1).tolist(), "value": [float(f"{values[k]:.6g}") for k in kept]}
    return thinned
