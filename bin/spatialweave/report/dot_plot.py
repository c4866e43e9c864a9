"""Dot plots of features in domains as numbers for inline SVG: size for the fraction of spots, depth for the mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ROW, COLUMN, LEFT, TOP, BOTTOM, RIGHT = 20, 46, 190, 28, 92, 40
MOST = 8.0
"""Radius of a dot that stands for all spots, in pixels."""

FAINTEST = 0.08


@dataclass
class Dot:
    """Dot of one feature in one domain."""

    x: float
    y: float
    radius: float
    depth: float
    text: str


@dataclass
class DotPlot:
    """Dot plot in pixels, for templates/macros.html."""

    title: str
    width: int
    height: int
    left: int
    features: list[tuple[float, str]]
    domains: list[tuple[float, str]]
    dots: list[Dot]


def dot_plot(
    title: str, features: Sequence[str], domains: Sequence[str], mean: np.ndarray, fraction: np.ndarray
) -> DotPlot:
    """Lay out features (rows) in domains (columns).

    Parameters
    ----------
    mean, fraction
        Features x domains: mean of the transformed values, and fraction of the spots with the feature. Depth is the
        mean minus the smallest mean of the feature, over the range of the feature.
    """
    depth = depth_of(mean)
    xs = [LEFT + COLUMN * (index + 0.5) for index in range(len(domains))]
    ys = [TOP + ROW * (index + 0.5) for index in range(len(features))]
    dots = [
        Dot(
            xs[column],
            ys[row],
            round(MOST * float(np.sqrt(max(np.nan_to_num(fraction[row, column]), 0.0))), 2),
            round(FAINTEST + (1 - FAINTEST) * float(depth[row, column]), 3),
            f"{feature} in {domain}: mean {mean[row, column]:.3g}, in {100 * fraction[row, column]:.0f}% of the spots",
        )
        for row, feature in enumerate(features)
        for column, domain in enumerate(domains)
    ]
    return DotPlot(
        title,
        LEFT + COLUMN * len(domains) + RIGHT,
        TOP + ROW * len(features) + BOTTOM,
        LEFT,
        list(zip(ys, features, strict=True)),
        list(zip(xs, domains, strict=True)),
        dots,
    )


def depth_of(mean: np.ndarray) -> np.ndarray:
    """Scale each row from its smallest (0) to its largest value (1); 0 if a value is missing or all are equal."""
    low, high = np.nanmin(mean, axis=1, keepdims=True), np.nanmax(mean, axis=1, keepdims=True)
    return np.asarray(np.nan_to_num((mean - low) / np.where(high > low, high - low, 1.0)))
