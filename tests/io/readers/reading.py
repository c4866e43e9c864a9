"""One call that reads a section, and counts of any size, for the tests of the readers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import anndata
import mudata
import numpy as np
import pandas as pd
from hypothesis import strategies as st
from scipy import sparse

from spatialweave.io.section import SectionInput, read_section

matrices = st.lists(st.lists(st.integers(0, 100_000), min_size=3, max_size=3).filter(any), min_size=2, max_size=8).map(
    np.array
)
"""Counts of 2 to 8 spots and 3 features, none of the spots empty."""


def section(files: dict[str, Path] | None = None, name: str = "s", **more: Any) -> mudata.MuData:
    return read_section(SectionInput("d", name, files or {}, **more))


def adata(tissue, modality: str = "rna", kind: type = sparse.csr_matrix, **more: object) -> anndata.AnnData:
    """An AnnData of one modality of the tissue, with its coordinates."""
    table = tissue.table(modality)
    return anndata.AnnData(
        kind(table.to_numpy().astype(np.float32)),
        obs=pd.DataFrame(index=table.index),
        var=pd.DataFrame(index=table.columns),
        obsm={"spatial": tissue.coordinates},
        **more,
    )
