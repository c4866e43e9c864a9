"""Plots of QC: maps and violins of the metrics, with the removed spots."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.io.files import atomic_path
from spatialweave.qc.filters import Verdict
from spatialweave.qc.spot_metrics import SPOT_METRICS
from spatialweave.qc.thresholds import SPOT_THRESHOLDS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

    from spatialweave.io.tissue_image import TissueImage
    from spatialweave.qc.section import FilteredSection

REMOVED, KEPT, INK = "#d62728", "#4c78a8", "#333333"
PANEL = 3.4
MANY = 10_000
BESIDE = 0.08
"""Margin of an image beside the spots, as a fraction of their extent."""
MAX_VIOLIN = 20_000
"""Largest number of spots per violin: with more, only the time changes, not the density."""


def write_maps(result: FilteredSection, path: Path) -> None:
    """Write a map per modality and metric (PNG), on the image of the tissue; removed spots are red crosses."""
    extent = np.ptp(np.concatenate(list(result.coordinates.values())), axis=0)
    figure, panels = _grid(result.verdicts, PANEL * float(np.clip(extent[1] / max(extent[0], 1e-9), 0.4, 2)))
    image = result.image()
    for (modality, column), axes in panels.items():
        if image is not None:
            draw_image(axes, image, result.coordinates[modality], opacity=0.4)
        _map(axes, result.coordinates[modality], result.verdicts[modality], column)
        axes.set_title(f"{modality}: {_title(column, result.verdicts[modality])}", fontsize=10, color=INK)
    removed = {modality: int((~verdict.kept_spots).sum()) for modality, verdict in result.verdicts.items()}
    text = ", ".join(
        f"{modality} {count} of {len(result.coordinates[modality])}" for modality, count in removed.items()
    )
    figure.suptitle(f"{result.name}: spots removed (red): {text}", fontsize=11, color=INK)
    save(figure, path)


def write_violins(result: FilteredSection, thresholds: Mapping[str, float], path: Path) -> None:
    """Write a violin per modality and metric (PNG), with the threshold as a dashed line and removed spots in red."""
    figure, panels = _grid(result.verdicts, PANEL)
    for (modality, column), axes in panels.items():
        _violin(axes, result.verdicts[modality], column)
        known = result.verdicts[modality].metrics[column]
        for threshold in SPOT_THRESHOLDS:
            bound = thresholds[threshold.name]
            applies = modality in threshold.modalities and threshold.bound.metric == column
            # A threshold far outside of the data would squeeze the violin.
            if applies and known.min() <= bound <= known.max():
                axes.axhline(_shown(np.array([bound]), column)[0], color=REMOVED, linestyle="--", linewidth=1)
        axes.set_title(f"{modality}: {_title(column, result.verdicts[modality])}", fontsize=10, color=INK)
    figure.suptitle(f"{result.name}: metrics per spot (dashed: threshold; red: removed spots)", fontsize=11, color=INK)
    save(figure, path)


def _columns(verdict: Verdict) -> list[str]:
    """Return the metrics that are known in this modality."""
    return [column for column in SPOT_METRICS if verdict.metrics[column].notna().any()]


def _grid(verdicts: Mapping[str, Verdict], height: float) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """Make a row of panels (`height` inches) per modality, a column per metric; cells without a metric stay blank."""
    # The object interface: no display, no global state, nothing left open.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = {modality: _columns(verdict) for modality, verdict in verdicts.items()}
    width = max(2, *(len(names) for names in columns.values()))
    figure = Figure(figsize=(PANEL * width, (height + 0.3) * len(columns) + 0.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(columns), width, squeeze=False)
    panels = {}
    for cells, (modality, names) in zip(grid, columns.items(), strict=True):
        for axes, column in zip(cells, names, strict=False):
            panels[modality, column] = axes
        for axes in cells[len(names) :]:
            axes.set_axis_off()
    return figure, panels


def _title(column: str, verdict: Verdict) -> str:
    metric = SPOT_METRICS[column]
    title = "sum of intensities" if column == "total" and verdict.is_intensities else metric.title
    return title + (" (log scale)" if metric.log_scale else "")


def _shown(values: np.ndarray, column: str) -> np.ndarray:
    """Return the values as drawn: log10(1 + n) on a log scale, which allows zeros; see :func:`_label_axis`."""
    return np.log10(1 + np.maximum(values, 0)) if SPOT_METRICS[column].log_scale else values


def _label_axis(axis: Axis, shown: np.ndarray, column: str) -> None:
    """Label a log scale with round values of the metric itself, and a number of features with integers."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

    if column == "n_features":
        axis.set_major_locator(MaxNLocator(5, integer=True))
    if SPOT_METRICS[column].log_scale:
        round_values = np.array([0, *(digit * 10**power for power in range(9) for digit in (1, 2, 5))])
        ticks = np.log10(1 + round_values)
        if ((ticks >= shown.min()) & (ticks <= shown.max())).sum() > 1:
            axis.set_major_locator(FixedLocator(ticks.tolist()))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{10**value - 1:,.0f}"))


def _map(axes: Axes, coordinates: np.ndarray, verdict: Verdict, column: str) -> None:
    """Scatter one metric over the tissue; the size of the dots follows the distance between spots."""
    values = _shown(verdict.metrics[column].to_numpy(dtype=np.float64), column)
    size = dot_size(coordinates)
    kept, removed = coordinates[verdict.kept_spots], coordinates[~verdict.kept_spots]
    shades = axes.scatter(
        kept[:, 0],
        kept[:, 1],
        c=values[verdict.kept_spots],
        s=size,
        cmap="viridis",
        marker="o",
        linewidths=0,
        rasterized=True,
    )
    axes.scatter(
        removed[:, 0],
        removed[:, 1],
        s=size + 1,
        c=REMOVED,
        marker="x" if size > 6 else "s",
        linewidths=1 if size > 6 else 0,
        rasterized=True,
    )
    axes.set_aspect("equal")
    # Rows of images and arrays are counted downwards.
    axes.invert_yaxis()
    axes.set_axis_off()
    bar = axes.figure.colorbar(shades, ax=axes, shrink=0.75, pad=0.02)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8)
    _label_axis(bar.ax.yaxis, values[np.isfinite(values)], column)


def draw_image(axes: Axes, image: TissueImage, points: np.ndarray, opacity: float = 1.0) -> None:
    """Draw the part of an image around the points, below everything that is drawn later."""
    left, top, right, bottom = image.box()
    axes.imshow(image.pixels(), extent=(left, right, bottom, top), alpha=opacity, zorder=-1)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = BESIDE * max(float((high - low).max()), 1e-9)
    axes.set_xlim(low[0] - margin, high[0] + margin)
    # Upwards, as without an image: the caller inverts the axis.
    axes.set_ylim(low[1] - margin, high[1] + margin)


def dot_size(coordinates: np.ndarray) -> float:
    """Return the area of a dot in square points such that spots spread evenly over their bounding box nearly touch.

    With many spots they overlap a little, because gaps narrower than a pixel would show as stripes.
    """
    extent = np.maximum(np.ptp(coordinates, axis=0), 1e-9)
    filled = min(extent) / max(extent)
    points = (0.65 * PANEL * 72) ** 2 * max(filled, 0.05)
    return float(np.clip((0.8 if len(coordinates) < MANY else 1.8) * points / len(coordinates), 0.3, 60))


def _violin(axes: Axes, verdict: Verdict, column: str) -> None:
    """Draw the density of one metric over the spots, its median and quartiles, and the removed spots beside it."""
    values = _shown(verdict.metrics[column].to_numpy(dtype=np.float64), column)
    known = np.isfinite(values)
    shown = values[known]
    if len(shown) > 1 and np.ptp(shown) > 0:
        sample = np.sort(shown)[np.linspace(0, len(shown) - 1, min(len(shown), MAX_VIOLIN)).astype(int)]
        from matplotlib.artist import setp

        bodies = axes.violinplot(sample, showextrema=False, widths=0.8)["bodies"]
        setp(bodies, facecolor=KEPT, alpha=0.7, linewidth=0)
    low, middle, high = np.percentile(shown, [25, 50, 75])
    axes.vlines(1, low, high, color=INK, linewidth=4)
    axes.plot(1, middle, "o", color="white", markersize=4, markeredgecolor=INK)
    removed = values[known & ~verdict.kept_spots]
    # Spread evenly beside the violin, so that many removed spots stay visible and the plot is reproducible.
    axes.scatter(np.linspace(1.42, 1.58, len(removed)), removed, s=4, c=REMOVED, linewidths=0, rasterized=True)
    axes.set_xlim(0.5, 1.65)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(labelsize=8)
    _label_axis(axes.yaxis, shown, column)


def save(figure: Figure, path: Path) -> None:
    """Write a figure atomically: completely or not at all."""
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
