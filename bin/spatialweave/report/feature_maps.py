"""Features that a reader can look up on the page: all markers, then as many others as fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from spatialweave.report.encode import pack
from spatialweave.report.features import most_variable, quantise
from spatialweave.results.values import FeatureTable

ROOM = 12_000_000
"""Size of the page's feature maps in characters, over all modalities; the most variable features fill it."""


@dataclass
class Lookup:
    """Number of features of a modality on the page, and in the data."""

    modality: str
    held: int
    measured: int

    @property
    def partial(self) -> bool:
        """Whether some features are missing on the page."""
        return self.held < self.measured


def mapped_features(
    tables: list[FeatureTable], markers: list[tuple[str, int]], rows: np.ndarray, room: int = ROOM
) -> list[dict[str, Any]]:
    """Return maps of features for the page.

    Parameters
    ----------
    markers
        Modality and feature of those that are always included, first and in this order.
    rows
        Spots on the maps.
    room
        Characters for all maps. Modalities share it equally; what one with few features leaves goes to the others.
    """
    by_name = {table.modality: table for table in tables}
    found = [_feature(by_name[name], feature, rows) for name, feature in markers]
    taken = set(markers)
    smallest_first = sorted(tables, key=lambda table: len(table.names))
    left = room - sum(map(_size, found))
    for position, table in enumerate(smallest_first):
        own = left // (len(smallest_first) - position)
        for feature in most_variable(table):
            if (table.modality, feature) in taken:
                continue
            drawn = _feature(table, feature, rows)
            if _size(drawn) > own:
                break
            own -= _size(drawn)
            left -= _size(drawn)
            found.append(drawn)
    return found


def lookups(tables: list[FeatureTable], found: list[dict[str, Any]]) -> list[Lookup]:
    """Return for each modality how many of its features are among those of :func:`mapped_features`."""
    held = [feature["modality"] for feature in found]
    return [Lookup(table.modality, held.count(table.modality), len(table.names)) for table in tables]


def _feature(table: FeatureTable, feature: int, rows: np.ndarray) -> dict[str, Any]:
    steps, top = quantise(table, feature, rows)
    return {
        "name": table.names[feature],
        "modality": table.modality,
        "top": top,
        "unit": table.unit,
        "steps": pack(steps),
    }


def _size(feature: dict[str, Any]) -> int:
    return len(feature["steps"]["bytes"]) + len(feature["name"]) + 100
