"""What INGEST understood of the files of a section is said in one line, and comes back from its table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from spatialweave.io.result_tables import UNDERSTOOD
from spatialweave.io.section import SectionInput, understand_section
from spatialweave.io.understood import understood

from .inputs import grid, h5ad

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def test_line_and_table_say_what_was_understood(tmp_path: Path) -> None:
    spots = [f"b{i}" for i in range(40)]
    xy = grid(5, 8, 12.5)
    obs = {"in_tissue": np.where(np.arange(40) < 3, 0, 1), "region": ["a", "b"] * 20}
    rna = h5ad(tmp_path / "rna.h5ad", spots, obs, {"spatial": xy})
    adt = h5ad(tmp_path / "adt.h5ad", spots[:30], features=["CD4", "CD8"], seed=1)
    result, found = understand_section(SectionInput("d", "s1", {"rna": rna, "adt": adt}, labels="region"))
    data = result.in_memory()
    assert data.n_obs == 37
    assert found.line() == (
        "s1: 37 spots; rna 37 spots x 3 features (counts of rna.h5ad, X); "
        "adt 27 spots x 2 features (counts of adt.h5ad, X); 27 spots in all modalities; "
        "platform square (by the coordinates); spacing 12.5 (median distance to the nearest spot); "
        "coordinates rna.h5ad, obsm['spatial']; labels region (2 labels on 37 spots); "
        "notices: rna.h5ad, obs: 3 of 40 spots are outside the tissue (in_tissue is 0), left out"
    )
    UNDERSTOOD.write(tmp_path / "s1.ingest.csv", found.table())
    assert understood(UNDERSTOOD.read(tmp_path / "s1.ingest.csv")).line() == found.line()
