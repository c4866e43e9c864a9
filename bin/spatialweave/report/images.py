"""Images of the tissue for the maps of the page (static/images.js and static/maps.js)."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from spatialweave.io.joined_counts import SectionSize
from spatialweave.io.tissue_image import LARGEST_SIDE, TissueImage
from spatialweave.report.layout import GAP
from spatialweave.results.spots import DatasetSpots

AROUND = 0.25
"""Margin of an image around the spots of a single section, as a fraction of their extent. With several sections the
margin is half the gap between them."""

SMALLEST_SIDE = 600
"""Least size of the images of many sections, which are made smaller to keep the page small."""

QUALITY = 85
"""Quality of the JPEG images, from 0 to 100."""


def map_images(
    images: Mapping[str, TissueImage], spots: DatasetSpots, sections: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Return the images on the map, one per section that has one.

    Parameters
    ----------
    sections
        Value `sections` of the page: names, and scales and offsets from platform units to the map (:mod:`.layout`).

    Returns
    -------
    `section` (code), `source` (data URI of a JPEG), and the position on the map: `x` and `y` of the upper left corner,
    `width`, `height`.
    """
    codes, names = spots.stack()
    points = [spots.coordinates[codes == code] for code in range(len(names))]
    extents = [float(np.ptp(part, axis=0).max()) for part in points]
    widest = max(extent * scale for extent, scale in zip(extents, sections["scales"], strict=True))
    side = max(SMALLEST_SIDE, int(LARGEST_SIDE / math.sqrt(max(len(images), 1))))
    drawn = []
    for code, name in enumerate(names):
        if name not in images:
            continue
        scale, (dx, dy) = sections["scales"][code], sections["offsets"][code]
        margin = AROUND * extents[code] if len(names) == 1 else GAP / 2 * widest / scale
        source, (left, top, right, bottom) = _cut_out(images[name], points[code], margin, side)
        drawn.append(
            {
                "section": code,
                "source": source,
                "x": left * scale + dx,
                "y": top * scale + dy,
                "width": (right - left) * scale,
                "height": (bottom - top) * scale,
            }
        )
    return drawn


def micrometres_on_map(sizes: list[SectionSize], sections: Mapping[str, Any]) -> list[float | None]:
    """Return for each section the micrometres per unit of the map, None if unknown."""
    known = {size.name: size.micrometres for size in sizes}
    lengths = [known.get(name) for name in sections["names"]]
    return [length and length / scale for length, scale in zip(lengths, sections["scales"], strict=True)]


def _cut_out(
    image: TissueImage, points: np.ndarray, margin: float, side: int
) -> tuple[str, tuple[float, float, float, float]]:
    """Return the part of an image around points as a data URI, and its edges in coordinate units."""
    (width, height), (x, y) = image.size, image.offset
    low = (points.min(axis=0) - margin) * image.scale + (x, y)
    high = (points.max(axis=0) + margin) * image.scale + (x, y)
    # Whole pixels inside the margin: the margin of the next section begins where it ends.
    left, top = (int(v) for v in np.clip(np.ceil(low), 0, (width - 1, height - 1)))
    right, bottom = (int(v) for v in np.clip(np.floor(high), (left + 1, top + 1), (width, height)))
    pixels = image.pixels().crop((left, top, right, bottom))
    pixels.thumbnail((side, side))
    buffer = io.BytesIO()
    pixels.save(buffer, format="JPEG", quality=QUALITY)
    uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    edges = [(edge - shift) / image.scale for edge, shift in zip((left, top, right, bottom), (x, y, x, y), strict=True)]
    return uri, (edges[0], edges[1], edges[2], edges[3])
