"""The image of a section, given or from its files, if the spots are on it; and the unit of length."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.image_files import read_image
from spatialweave.io.layout import spacing
from spatialweave.io.measurement import Coordinates
from spatialweave.io.notices import warn
from spatialweave.io.parts import ModalityPart
from spatialweave.io.patches import STATISTICS, patch_size, patch_statistics
from spatialweave.io.readers.library_image import scale_beside
from spatialweave.io.tissue_image import TissueImage
from spatialweave.platforms import platform

OUTSIDE = 0.5
"""An image with more than this fraction of the spots outside it is misplaced."""

SMALL = 0.05
"""Spots that span less than this fraction of both sides of an image may have coordinates in another unit."""

TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".h5ad", ".h5mu", ".h5", ".zarr", ".npy")
"""Endings of files that may hold features of an image, and are no pictures."""

MORPHOLOGY = "morphology"
"""The modality of features of the image."""

BIN = re.compile(r"s_(\d{3})um_")
"""Names of the bins of Visium HD by Space Ranger, with their width in micrometres."""

UNITS = {"micrometre": 1.0, "millimetre": 1000.0}
"""Micrometres per unit of coordinates."""


def section_image(
    section: str, given: Path | None, scale: float | None, parts: Mapping[str, ModalityPart], coordinates: Coordinates
) -> tuple[TissueImage, str] | None:
    """Return the image of a section and its source, None if there is none.

    Parameters
    ----------
    given
        An image file. It is an error if it cannot be used; an image from a data file is left out with a warning
        instead.
    scale
        Pixels of that file per coordinate unit; by default from Space Ranger's scale factors beside it, or 1.

    Raises
    ------
    InputError
        When the file cannot be read, or more than half of the spots are not on it.
    """
    if given is not None:
        if given.name.lower().endswith(TABLES):
            raise InputError(
                str(given),
                "is a table or a matrix",
                "a picture of the tissue (PNG, JPEG or TIFF) as image",
                f"give features of the image in the column {MORPHOLOGY}",
            )
        if scale is None:
            scale = scale_beside(given) or 1.0
        image = TissueImage.of_pixels(read_image(given), scale)
        problem = _misplaced(image, coordinates)
        if problem:
            raise InputError(
                str(given),
                problem,
                "the spots on the image",
                f"give the image pixels per coordinate unit in the column scale ({scale:g} was used)",
            )
        return image, str(given)
    if scale is not None:
        raise InputError("--scale", "is given without an image", "--image with it")
    for part in parts.values():
        held = _held(section, part, coordinates) if part.image is not None else None
        if held is not None:
            return held, part.where
    return None


def _held(section: str, part: ModalityPart, coordinates: Coordinates) -> TissueImage | None:
    """Return the image in the file of a modality, if it can be used."""
    try:
        image = part.image(section) if part.image is not None else None
    except InputError as error:
        warn(error.where, f"{error.found}; no image is used")
        return None
    if image is None:
        return None
    if coordinates.unit == "array":
        warn(part.where, "its image is not used: the coordinates are rows and columns, not positions on the image")
        return None
    problem = _misplaced(image, coordinates)
    if problem:
        warn(part.where, f"its image is not used: {problem}")
        return None
    return image


def morphology(image: TissueImage, where: str, coordinates: Coordinates) -> ModalityPart:
    """Return the statistics of the image around every spot on the image as a modality.

    A patch is as wide as a spot: by the scale factors of the image, else the distance of neighbouring spots.
    """
    import anndata
    from scipy import sparse

    on_it = np.flatnonzero(image.inside(coordinates.values))
    side = patch_size(image, image.spot_diameter or spacing(coordinates.values))
    values = patch_statistics(image, coordinates.values[on_it], side)
    data = anndata.AnnData(
        sparse.csr_matrix(values),
        obs=pd.DataFrame(index=coordinates.names[on_it]),
        var=pd.DataFrame(index=list(STATISTICS)),
    )
    return ModalityPart(where, f"patches of {side} x {side} pixels", data, data.X, None, (), None)


def _misplaced(image: TissueImage, coordinates: Coordinates) -> str:
    """Return the problem if most spots are not on an image, else ""; warn if the image may be misplaced."""
    points = coordinates.values
    beside = ~image.inside(points, margin=spacing(points))
    (width, height), (left, top, right, bottom) = image.size, image.box()
    low, high = points.min(axis=0), points.max(axis=0)
    placed = (
        f"the image shows x {left:.6g} to {right:.6g} and y {top:.6g} to {bottom:.6g}, the spots are at "
        f"x {low[0]:.6g} to {high[0]:.6g} and y {low[1]:.6g} to {high[1]:.6g}"
    )
    if beside.mean() > OUTSIDE:
        return f"{int(beside.sum())} of {len(points)} spots are beside the image: {placed}"
    if beside.any():
        warn(coordinates.where, f"{int(beside.sum())} of {len(points)} spots are beside the image: {placed}")
    elif len(points) > 1 and ((high - low) * image.scale < SMALL * np.array([width, height])).all():
        warn(coordinates.where, f"all spots are on a small part of the image, its scale may be wrong: {placed}")
    return ""


def micrometres(coordinates: Coordinates, named: str) -> float | None:
    """Return micrometres per coordinate unit, None if unknown.

    They follow from the unit of the coordinates, from the files of Visium HD's cells, or else from the bin width of
    Visium HD or the pitch of the platform `named`, which are set equal to the median distance of neighbouring spots.
    (The diameter in Space Ranger's scale factors is that of a spot of 55 micrometres only in some versions.)
    """
    if coordinates.unit in UNITS:
        return UNITS[coordinates.unit]
    if coordinates.micrometres is not None:
        return coordinates.micrometres
    pitch = _bin_width(coordinates.names) or platform(named).pitch
    step = spacing(coordinates.values)
    return pitch / step if pitch and step > 0 else None


def _bin_width(barcodes: pd.Index) -> float | None:
    match = BIN.match(str(barcodes[0])) if len(barcodes) else None
    return float(match[1]) if match else None
