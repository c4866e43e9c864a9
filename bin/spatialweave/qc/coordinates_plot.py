"""Plot of a section's coordinates: positions of the spots, and the distance between them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.io.contract import MICROMETRES
from spatialweave.io.layout import spacing
from spatialweave.qc.plots import INK, KEPT, PANEL, REMOVED, dot_size, draw_image, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from spatialweave.io.tissue_image import TissueImage
    from spatialweave.qc.section import FilteredSection

AROUND = 6.0
"""Number of spacings to each side of the middle spot in the enlarged panel."""


def write_coordinates(result: FilteredSection, path: Path) -> None:
    """Write the spots of a section before quality control (PNG): all of them, and those around the middle enlarged.

    They are drawn on the image of the tissue, if there is one. Spacing is the median distance of a spot to the nearest
    one. A bar beside the whole section shows several spacings, and a line in the enlarged part shows one, from spot to
    spot. They reveal a wrong scale, swapped axes or overlapping fields.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    points = np.unique(np.concatenate(list(result.coordinates.values())), axis=0)
    step = spacing(points)
    image = result.image()
    figure = Figure(figsize=(2.2 * PANEL, PANEL + 0.6), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    whole, part = figure.subplots(1, 2)
    _scatter(whole, points, dot_size(points), image)
    if step > 0:
        number = bar_spacings(float(np.ptp(points, axis=0).max()), step)
        low, bottom = points.min(axis=0)[0], points.max(axis=0)[1] + 0.04 * np.ptp(points, axis=0).max()
        whole.plot([low, low + number * step], [bottom, bottom], color=REMOVED, linewidth=3, solid_capstyle="butt")
        whole.set_title(f"red bar: {number} x spacing = {_length(number * step, result)}", fontsize=9, color=INK)
        spot, nearest = middle_pair(points)
        near = points[(np.abs(points - spot) <= AROUND * step).all(axis=1)]
        _scatter(part, near, 30, image)
        part.plot(*np.column_stack([spot, nearest]), color=REMOVED, linewidth=2)
        part.set_title(f"around the middle; spacing {_length(step, result)}", fontsize=9, color=INK)
    figure.suptitle(f"{result.name}: {len(points)} positions of spots", fontsize=11, color=INK)
    save(figure, path)


def _length(value: float, result: FilteredSection) -> str:
    """Format a length in coordinate units, and in micrometres if these differ and are known."""
    facts = result.section.uns["spatialweave"]
    unit = str(facts.get("coordinate_unit", "unknown"))
    text = f"{value:.6g}" + ("" if unit == "unknown" else f" {unit}")
    if MICROMETRES in facts and unit != "micrometre":
        text += f" = {value * float(facts[MICROMETRES]):.4g} µm"
    return text


def bar_spacings(extent: float, step: float) -> int:
    """Return how many spacings a bar shows: the largest of 1, 2, 5, 10, 20 ... that takes at most a quarter."""
    fitting = [digit * 10**power for power in range(9) for digit in (1, 2, 5) if digit * 10**power * step <= extent / 4]
    return max(fitting, default=1)


def middle_pair(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the point nearest to the middle of all points, and its nearest neighbour; needs two distinct points."""
    middle = points[np.argmin(((points - np.median(points, axis=0)) ** 2).sum(axis=1))]
    distances = ((points - middle) ** 2).sum(axis=1)
    distances[distances == 0] = np.inf
    return middle, points[np.argmin(distances)]


def _scatter(axes: Axes, points: np.ndarray, size: float, image: TissueImage | None) -> None:
    if image is not None:
        draw_image(axes, image, points)
    opacity = 1.0 if image is None else 0.8
    axes.scatter(points[:, 0], points[:, 1], s=size, c=KEPT, alpha=opacity, linewidths=0, rasterized=True)
    axes.set_aspect("equal")
    # Rows of images and arrays are counted downwards.
    axes.invert_yaxis()
    axes.set_axis_off()
