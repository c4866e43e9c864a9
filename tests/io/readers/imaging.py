"""Thirty cells measured by an imaging machine, and what a reader must make of them."""

from __future__ import annotations

from pathlib import Path

import mudata
import numpy as np
import pandas as pd

from spatialweave.io import contract
from spatialweave.io.section import SectionInput, understand_section
from spatialweave.io.understood import Understood

CELLS = [f"abcd{i:04d}-1" for i in range(30)]
GENES = ["Actb", "Gad1", "Sst"]
PROTEINS = ["CD3E", "CD20"]
POSITIONS = np.random.default_rng(4).uniform(0, 300, (30, 2))
RNA = np.random.default_rng(5).poisson(3, (30, 3)) + 1
PROTEIN = np.random.default_rng(6).gamma(2, 10, (30, 2)).round(3)


def holds(part, names: list[str], features: list[str], values: np.ndarray, positions: np.ndarray = POSITIONS) -> None:
    assert list(part.var_names) == features
    rows = pd.Index(names).get_indexer(part.obs_names)
    assert sorted(rows) == list(range(len(names)))
    np.testing.assert_allclose(part.X.toarray(), values[rows], rtol=1e-6)
    np.testing.assert_array_equal(part.obsm["spatial"], positions[rows])


def written(folder: Path, tmp_path: Path) -> tuple[mudata.MuData, Understood]:
    """The section of a folder as INGEST writes it to a file, read from there, and what was understood of it."""
    result, understood = understand_section(SectionInput("d", "s", multi=folder))
    contract.write(result.data, tmp_path / "section.h5mu", counts=result.counts)
    return contract.read_h5mu(tmp_path / "section.h5mu", "section"), understood
