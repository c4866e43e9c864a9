"""Shapes of cells: facts about them beside genes, features where the modality is morphology."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning
from spatialweave.io.section import SectionInput, read_section

NAMES = [f"c{i}" for i in range(12)]
SHAPES = pd.DataFrame(
    np.random.default_rng(0).integers(1, 9, size=(12, 3)), index=NAMES, columns=["area", "eccentricity", "texture"]
)
POINTS = np.array([(i % 4, i // 4) for i in range(12)], dtype=float)


def written(folder: Path, kind: str, table: pd.DataFrame) -> Path:
    path = folder / f"cells.{kind}"
    if kind == "csv":
        table.to_csv(path, index_label="cell")
    else:
        data = ad.AnnData(table.to_numpy(dtype=np.float32), pd.DataFrame(index=table.index), obsm={"spatial": POINTS})
        data.var_names = table.columns
        data.write_h5ad(path)
    return path


@pytest.fixture
def places(tmp_path: Path) -> Path:
    pd.DataFrame(POINTS, NAMES, ["x", "y"]).to_csv(tmp_path / "places.csv", index_label="barcode")
    return tmp_path / "places.csv"


@pytest.mark.parametrize("kind", ["csv", "h5ad"])
def test_shapes_are_features_of_morphology(tmp_path: Path, places: Path, kind: str) -> None:
    table = SHAPES.assign(fov=1)
    with pytest.warns(InputWarning, match="'fov'.* facts about spots"):
        found = read_section(
            SectionInput("d", "s", {"morphology": written(tmp_path, kind, table)}, spatial=places, platform="cells")
        )
    part = found.mod["morphology"]
    assert part.var_names.tolist() == list(SHAPES)
    np.testing.assert_array_equal(part.X.toarray(), SHAPES.to_numpy())


def test_shapes_are_no_genes(tmp_path: Path, places: Path) -> None:
    with pytest.warns(InputWarning, match="'area', 'eccentricity' are coordinates or facts"):
        found = read_section(
            SectionInput("d", "s", {"rna": written(tmp_path, "h5ad", SHAPES)}, spatial=places, platform="cells")
        )
    assert found.mod["rna"].var_names.tolist() == ["texture"]


def test_a_matrix_of_facts_alone_is_refused_by_name(tmp_path: Path, places: Path) -> None:
    table = pd.DataFrame(1, NAMES, ["fov", "total_counts"])
    with pytest.raises(InputError, match="has no feature of rna: 'fov', 'total_counts' are coordinates or facts"):
        read_section(
            SectionInput("d", "s", {"rna": written(tmp_path, "h5ad", table)}, spatial=places, platform="cells")
        )
