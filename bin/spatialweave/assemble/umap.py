"""The UMAPs of the integrated file, equal to those in the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spatialweave.io.integrated import IntegratedRun
from spatialweave.results.projection import choose_spots, project, shown_spots

if TYPE_CHECKING:
    import mudata


def add_umaps(integrated: mudata.MuData, runs: list[IntegratedRun]) -> None:
    """Add the UMAP of every embedding, two columns; NaN for spots that are not in the report's UMAP."""
    embedded = [run for run in runs if run.embedding_key in integrated.obsm]
    rows = shown_spots(integrated.n_obs)
    rows = rows[choose_spots(len(rows), len(embedded))]
    for run in embedded:
        points = project(integrated.obsm[run.embedding_key][rows])
        if points is not None:
            umap = np.full((integrated.n_obs, 2), np.nan, dtype=np.float32)
            umap[rows] = points
            integrated.obsm[run.umap_key] = umap
