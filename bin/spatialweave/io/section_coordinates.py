"""The coordinates of all spots of a section, from its files or from a separate table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.coordinates import LOOKED, likely_axes
from spatialweave.io.measurement import Coordinates
from spatialweave.io.notices import warn
from spatialweave.io.parts import ModalityPart
from spatialweave.io.readers.space_ranger import outs_around
from spatialweave.io.spot_names import no_match

FARTHEST = 1e12
"""Largest coordinate that is accepted; computations with larger ones would lose precision."""


def section_coordinates(parts: Mapping[str, ModalityPart], spots: pd.Index, given: Coordinates | None) -> Coordinates:
    """Return coordinates of all spots: from the table if given, else from the modalities' files, which must agree."""
    sources = [part.coordinates for part in parts.values() if part.coordinates is not None]
    if given is not None:
        if not given.names.isin(spots).any():
            error = no_match(given.where, given.names, spots, *(part.data.var_names for part in parts.values()))
            if any(given.names.isin(part.data.var_names).any() for part in parts.values()):
                raise InputError(error.where, error.found, error.expected, "transpose the matrix to spots x features")
            raise error
        if sources and not sources[0].where.startswith(f"{given.where},"):
            warn(given.where, f"its coordinates are used, not those of {sources[0].where}")
        sources = [given]
    if not sources:
        files = list(dict.fromkeys(part.where for part in parts.values()))
        outs = next(filter(None, map(outs_around, files)), None)
        fix = "give a table barcode,x,y by --spatial"
        likely = next(filter(None, (likely_axes(part.data.obs) for part in parts.values())), None)
        if outs:
            fix = f"give the folder {outs}, which holds tissue positions"
        elif likely:
            fix = f"call the columns '{likely[0]}' and '{likely[1]}' x and y, if they hold them, or {fix}"
        raise InputError(", ".join(files), f"no coordinates (looked in {LOOKED})", fix=fix)
    coordinates = np.full((len(spots), 2), np.nan)
    for source in sources:
        rows = spots.get_indexer(source.names)
        usable = (rows >= 0) & ~np.isnan(source.values).any(axis=1)
        _agree(coordinates, rows[usable], spots, source, source.values[usable])
        coordinates[rows[usable]] = source.values[usable]
    missing = np.flatnonzero(np.isnan(coordinates).any(axis=1))
    if len(missing):
        raise InputError(
            sources[0].where,
            f"{len(missing)} of {len(spots)} spots have no coordinates (first: '{spots[missing[0]]}')",
            "x and y of every spot",
            "complete the table, or leave those spots out of the matrices",
        )
    far = np.flatnonzero((np.abs(coordinates) > FARTHEST).any(axis=1))
    if len(far):
        found = f"spot '{spots[far[0]]}' is at {coordinates[far[0]].tolist()}"
        raise InputError(sources[0].where, found, f"coordinates up to {FARTHEST:g}", "give pixels or micrometres")
    same = len(coordinates) - len(np.unique(coordinates, axis=0))
    if len(coordinates) > 1 and (same == len(coordinates) - 1 or np.ptp(coordinates, axis=0).max() < 1 / FARTHEST):
        raise InputError(
            sources[0].where, f"all {len(coordinates)} spots are at the same point", "coordinates that differ"
        )
    if same:
        warn(sources[0].where, f"{same} spots are at the same point as another spot")
    return Coordinates(
        spots,
        coordinates,
        sources[0].where,
        sources[0].unit,
        global_by_name=all(source.global_by_name for source in sources),
        micrometres=sources[0].micrometres,
    )


def _agree(coordinates: np.ndarray, rows: np.ndarray, spots: pd.Index, source: Coordinates, values: np.ndarray) -> None:
    """Refuse coordinates that contradict coordinates of the same spots from an earlier source."""
    before = coordinates[rows]
    extent = float(np.ptp(values, axis=0).max()) if len(values) else 0.0
    differ = (np.abs(before - values) > 1e-6 * extent).any(axis=1)
    if differ.any():
        first = int(differ.argmax())
        raise InputError(
            source.where,
            f"spot '{spots[rows[first]]}' is at {values[first].tolist()}, in another modality at "
            f"{before[first].tolist()}",
            "the same coordinates in all modalities",
            "give one table barcode,x,y by --spatial",
        )
