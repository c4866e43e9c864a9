"""Plots of quality control for a page."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path

from spatialweave.report.render import image_uri


@dataclass
class QcPlots:
    """QC plots of one section, as (caption, data URI)."""

    section: str
    plots: list[tuple[str, str]]


def qc_plots(folder: Path | None) -> list[QcPlots]:
    """Read the available QC plots by section."""
    if folder is None or not folder.is_dir():
        return []
    names = sorted({path.name.split(".qc_")[0] for path in folder.rglob("*.qc_*")})
    return [_section_plots(folder, name) for name in names]


def _section_plots(folder: Path, section: str) -> QcPlots:
    files = {path.name.removeprefix(f"{section}."): path for path in folder.rglob(f"{glob.escape(section)}.qc_*")}
    captions = {
        "qc_coordinates.png": "Coordinates and the spacing of spots",
        "qc_maps.png": "Quality metrics on the tissue",
        "qc_violins.png": "Distribution of the quality metrics",
    }
    plots = [(caption, image_uri(files[name])) for name, caption in captions.items() if name in files]
    return QcPlots(section, [(caption, uri) for caption, uri in plots if uri])
