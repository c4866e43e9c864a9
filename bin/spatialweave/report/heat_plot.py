"""Heat maps of features in domains as numbers for inline SVG: depth for the mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from spatialweave.report.dot_plot import BOTTOM, FAINTEST, LEFT, RIGHT, TOP, depth_of

ROW, COLUMN, GAP = 17, 46, 1


@dataclass
class Cell:
    """Cell of one feature in one domain."""

    x: float
    y: float
    depth: float
    text: str


@dataclass
class HeatPlot:
    """Heat map in pixels, for templates/macros.html."""

    title: str
    width: int
    height: int
    left: int
    cell_width: int
    cell_height: int
    features: list[tuple[float, str]]
    domains: list[tuple[float, str]]
    cells: list[Cell]


def heat_plot(title: str, features: Sequence[str], domains: Sequence[str], mean: np.ndarray) -> HeatPlot:
    """Lay out features (rows) in domains (columns).

    Parameters
    ----------
    mean
        Features x domains: mean of the transformed values, NaN if the modality was not measured. Depth is the mean
        minus the smallest mean of the feature, over the range of the feature.
    """
    depth = depth_of(mean)
    cells = [
        Cell(
            LEFT + COLUMN * column + GAP / 2,
            TOP + ROW * row + GAP / 2,
            round(FAINTEST + (1 - FAINTEST) * float(depth[row, column]), 3),
            f"{feature} in {domain}: mean {mean[row, column]:.3g}",
        )
        for row, feature in enumerate(features)
        for column, domain in enumerate(domains)
        if np.isfinite(mean[row, column])
    ]
    return HeatPlot(
        title,
        LEFT + COLUMN * len(domains) + RIGHT,
        TOP + ROW * len(features) + BOTTOM,
        LEFT,
        COLUMN - GAP,
        ROW - GAP,
        [(TOP + ROW * (index + 0.5), feature) for index, feature in enumerate(features)],
        [(LEFT + COLUMN * (index + 0.5), domain) for index, domain in enumerate(domains)],
        cells,
    )
