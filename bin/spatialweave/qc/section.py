"""QC of one section file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spatialweave.graphs.lattice import square_lattice
from spatialweave.io.contract import CARRIED, TRUE_SPATIAL, join_modalities
from spatialweave.io.count_matrix import FilteredCounts, SpotBlocks
from spatialweave.io.measurement import plain_column
from spatialweave.io.result_tables import GRID_LINES
from spatialweave.io.section_file import read_section_file
from spatialweave.io.tissue_image import IMAGE, TissueImage
from spatialweave.qc.filters import Verdict, judge
from spatialweave.qc.grid_lines import grid_lines
from spatialweave.qc.tables import spots_table, summary_table

if TYPE_CHECKING:
    import mudata


@dataclass
class FilteredSection:
    """Filtered section with the results of QC.

    Attributes
    ----------
    name
        The section's name.
    section
        The kept spots and features, without X.
    counts
        Modality -> raw counts of these.
    verdicts
        Modality -> result of QC.
    coordinates
        Modality -> coordinates of its spots before QC, spots x 2.
    spots, summary
        The tables (:mod:`spatialweave.qc.tables`).
    lines
        Rows and columns of a square grid (:func:`~spatialweave.qc.grid_lines.grid_lines`); None without such a grid.
    """

    name: str
    section: mudata.MuData
    counts: dict[str, SpotBlocks]
    verdicts: dict[str, Verdict]
    coordinates: dict[str, np.ndarray]
    spots: pd.DataFrame
    summary: pd.DataFrame
    lines: pd.DataFrame | None

    def image(self) -> TissueImage | None:
        """Return the image of the tissue, if there is one."""
        return TissueImage.of_uns(self.name, self.section.uns[IMAGE]) if IMAGE in self.section.uns else None


def check_section(path: Path, thresholds: Mapping[str, float]) -> FilteredSection:
    """Read a section file and filter it.

    A spot that fails in one modality is removed only from that modality, and then counts as not measured there. It is
    removed from the section if no modality is left.

    Raises
    ------
    InputError
        When the file is not a section, or the thresholds leave nothing of a modality.
    """
    file = read_section_file(path)
    data = file.data
    name = str(data.uns["spatialweave"]["section"])
    all_coordinates = np.asarray(data.obsm["spatial"], dtype=np.float64)
    places = square_lattice(all_coordinates)
    verdicts, coordinates, parts = {}, {}, {}
    lines: list[dict[str, Any]] = []
    counts: dict[str, SpotBlocks] = {}
    for modality, part in data.mod.items():
        verdict = judge(modality, part, file.counts[modality], thresholds, str(path))
        verdicts[modality] = verdict
        rows = data.obs_names.get_indexer(part.obs_names)
        coordinates[modality] = all_coordinates[rows]
        if places is not None:
            totals = verdict.metrics["total"].to_numpy(dtype=np.float64)
            lines += grid_lines(name, modality, coordinates[modality], places[rows], totals)
        whole = verdict.kept_spots.all() and verdict.kept_features.all()
        parts[modality], counts[modality] = part, file.counts[modality]
        if not whole:
            kept = verdict.kept_spots, verdict.kept_features
            parts[modality], counts[modality] = part[kept].copy(), FilteredCounts(file.counts[modality], *kept)
    left = np.logical_or.reduce([data.obs_names.isin(part.obs_names) for part in parts.values()])
    known = [column for column in data.obs.columns if column in ("section", "label") or column.startswith(CARRIED)]
    obs = pd.DataFrame({column: plain_column(data.obs[column])[left] for column in known}, index=data.obs_names[left])
    section = join_modalities(parts, obs, all_coordinates[left], dict(data.uns))
    if TRUE_SPATIAL in data.obsm:
        section.obsm[TRUE_SPATIAL] = np.asarray(data.obsm[TRUE_SPATIAL])[left]
    return FilteredSection(
        name,
        section,
        counts,
        verdicts,
        coordinates,
        spots_table(name, verdicts),
        summary_table(name, verdicts, thresholds, len(left), int(left.sum())),
        None if places is None else GRID_LINES.frame(lines),
    )
