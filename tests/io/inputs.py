"""Small files of counts and their coordinates, and one call that reads them as a section."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anndata
import mudata
import numpy as np
import pandas as pd
from scipy import sparse

from spatialweave.io.section import SectionInput, read_section


def grid(n_rows: int, n_columns: int, step: float = 10.0) -> np.ndarray:
    """x and y of the spots of a square lattice, row by row."""
    return np.array([(step * column, step * row) for row in range(n_rows) for column in range(n_columns)])


def h5ad(
    path: Path,
    spots: Sequence[str],
    obs: Mapping[str, Any] | None = None,
    obsm: Mapping[str, Any] | None = None,
    features: Sequence[str] = ("A", "B", "C"),
    seed: int = 0,
    **more: Any,
) -> Path:
    """Write random counts; spot i has 1 + i of the first feature."""
    counts = np.random.default_rng(seed).poisson(2.0, (len(spots), len(features)))
    counts[:, 0] = 1 + np.arange(len(spots))
    data = anndata.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame(dict(obs or {}), index=list(spots)),
        var=pd.DataFrame(index=list(features)),
        obsm=dict(obsm or {}),
        **more,
    )
    data.write_h5ad(path)
    return path


def read(files: Mapping[str, Path], section: str = "s", **more: Any) -> mudata.MuData:
    """The section of these files."""
    return read_section(SectionInput("d", section, dict(files), **more))
