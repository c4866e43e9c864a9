"""What the report reads of several sections."""

from __future__ import annotations

from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
from scipy import sparse

from spatialweave.io import contract
from spatialweave.report.inputs import Spots, read_sections


def write_section(folder: Path, name: str, peak: str, counts: list[int]) -> Path:
    """A section of chromatin: counts of `peak`, and of a peak that no other section has."""
    spots = pd.DataFrame(index=[f"spot{number}" for number in range(len(counts))])
    matrix = sparse.csr_matrix(np.column_stack([counts, np.ones(len(counts))]).astype(np.float32))
    atac = anndata.AnnData(matrix, spots, pd.DataFrame(index=[peak, f"chr2:{len(name)}00-{len(name)}50"]))
    data = mudata.MuData({"atac": atac})
    data.uns["spatialweave"] = contract.stamp("section", dataset="one", section=name, platform="square")
    contract.write(data, folder / f"{name}.section.h5mu")
    return folder / f"{name}.section.h5mu"


def test_overlapping_peaks_of_sections_are_one_feature(tmp_path: Path) -> None:
    files = [
        write_section(tmp_path, "a", "chr1:100-600", [0, 5]),
        write_section(tmp_path, "bb", "chr1:300-700", [7, 0]),
    ]
    names = pd.Index(["a:spot0", "a:spot1", "bb:spot0", "bb:spot1"])
    spots = Spots(names, ["spot0", "spot1"] * 2, ["a", "a", "bb", "bb"], None, np.zeros((4, 2)), "square")
    sections, tables = read_sections(files, spots)
    assert [section.name for section in sections] == ["a", "bb"]
    (table,) = tables
    assert table.names == ["chr1:100-700"]
    np.testing.assert_array_equal(table.values.toarray().ravel() > 0, [False, True, True, False])
    assert table.present.all()
