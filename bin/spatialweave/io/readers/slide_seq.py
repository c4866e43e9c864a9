"""Slide-seq folders: digital expression (genes x beads) and the locations of the beads."""

from __future__ import annotations

from pathlib import Path

from spatialweave.errors import InputError
from spatialweave.io.coordinates import read_coordinates
from spatialweave.io.measurement import Measurement
from spatialweave.io.notices import warn
from spatialweave.io.readers import table
from spatialweave.io.readers.folder import find, need

COUNTS = ("digital_expression.txt", "MappedDGEForR.csv")
BEADS = ("bead_locations.csv", "BeadLocationsForR.csv", "BeadLocations.csv")
"""Names of the files, after the name of the puck."""


def is_slide_seq(path: Path) -> bool:
    """Return whether a folder was written by the pipeline of Slide-seq."""
    return find(path, *COUNTS) is not None


def read(path: Path) -> list[Measurement]:
    """Read the beads with known locations."""
    beads_file = need(path, *BEADS, what="the locations of the beads beside the digital expression of Slide-seq")
    beads = read_coordinates(beads_file)
    genes_in_rows = table.read(need(path, *COUNTS, what="a Slide-seq folder"))[0]
    assert genes_in_rows.turned is not None
    measurement = genes_in_rows.turned()
    rows = beads.names.get_indexer(measurement.obs.index)
    located = (rows >= 0).nonzero()[0]
    if not len(located):
        raise InputError(
            str(beads_file),
            f"its beads (first: '{beads.names[0]}') are not those of the matrix (first: '{measurement.obs.index[0]}')",
            "the beads of the matrix",
        )
    if len(located) < len(rows):
        warn(str(path), f"{len(rows) - len(located)} of {len(rows)} beads are not in {beads_file.name}, left out")
    measurement.keep(located)
    measurement.coordinates = beads.at(rows[located])
    measurement.where, measurement.platform, measurement.modality = str(path), "slide_seq", "rna"
    return [measurement]
