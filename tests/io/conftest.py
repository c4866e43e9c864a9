"""A small tissue with known counts and coordinates, and writers of the formats that do not use the readers."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import h5py
import mudata
import numpy as np
import pandas as pd
import pytest


@dataclass
class Tissue:
    """20 spots on a square grid, 5 features of each of two kinds."""

    spots: list[str]
    genes: list[str]
    proteins: list[str]
    rna: np.ndarray
    adt: np.ndarray
    coordinates: np.ndarray

    def table(self, modality: str) -> pd.DataFrame:
        """Counts of `modality` as a table."""
        columns = self.genes if modality == "rna" else self.proteins
        return pd.DataFrame(getattr(self, modality), index=self.spots, columns=columns)


@pytest.fixture
def tissue() -> Tissue:
    rng = np.random.default_rng(3)
    return Tissue(
        spots=[f"SPOT{i:02d}-1" for i in range(20)],
        genes=[f"Gene{i}" for i in range(5)],
        proteins=[f"CD{i}" for i in range(5)],
        rna=rng.poisson(1.5, (20, 5)),
        adt=rng.poisson(6.0, (20, 5)) + 1,
        coordinates=np.array([(10.0 * (i % 5), 10.0 * (i // 5)) for i in range(20)]),
    )


@pytest.fixture
def spatial_csv(tissue: Tissue, tmp_path: Path) -> Path:
    path = tmp_path / "spatial.csv"
    pd.DataFrame({"barcode": tissue.spots, "x": tissue.coordinates[:, 0], "y": tissue.coordinates[:, 1]}).to_csv(
        path, index=False
    )
    return path


def tenx_h5(path: Path, spots: list[str], features: list[tuple[str, str]], counts: np.ndarray) -> Path:
    """Write the 10x HDF5 layout as 10x Genomics documents it: columns are barcodes, CSC, one group `matrix`."""
    indptr, indices, data = [0], [], []
    for row in counts:
        for column in np.flatnonzero(row):
            indices.append(int(column))
            data.append(int(row[column]))
        indptr.append(len(data))
    with h5py.File(path, "w") as file:
        matrix = file.create_group("matrix")
        matrix["barcodes"] = np.array(spots, dtype="S")
        matrix["data"] = np.array(data, dtype=np.int32)
        matrix["indices"] = np.array(indices, dtype=np.int64)
        matrix["indptr"] = np.array(indptr, dtype=np.int64)
        matrix["shape"] = np.array([len(features), len(spots)], dtype=np.int32)
        group = matrix.create_group("features")
        group["id"] = np.array([f"ID_{name}" for name, _ in features], dtype="S")
        group["name"] = np.array([name for name, _ in features], dtype="S")
        group["feature_type"] = np.array([kind for _, kind in features], dtype="S")
        group["genome"] = np.array(["GRCh38"] * len(features), dtype="S")
    return path


def tenx_folder(
    path: Path, spots: list[str], features: list[tuple[str, str]], counts: np.ndarray, version: int, gz: bool
) -> Path:
    """Write a 10x matrix folder by hand, in Matrix Market text."""
    path.mkdir(parents=True)
    triples = [(j + 1, i + 1, int(counts[i, j])) for i, j in zip(*np.nonzero(counts), strict=True)]
    body = "".join(f"{a} {b} {c}\n" for a, b, c in triples)
    texts = {
        "matrix.mtx": "%%MatrixMarket matrix coordinate integer general\n"
        f"{len(features)} {len(spots)} {len(triples)}\n{body}",
        "barcodes.tsv": "".join(f"{spot}\n" for spot in spots),
    }
    if version == 3:
        texts["features.tsv"] = "".join(f"ID_{name}\t{name}\t{kind}\n" for name, kind in features)
    else:
        texts["genes.tsv"] = "".join(f"ID_{name}\t{name}\n" for name, _ in features)
    for name, text in texts.items():
        if gz:
            with gzip.open(path / f"{name}.gz", "wt") as stream:
                stream.write(text)
        else:
            (path / name).write_text(text)
    return path


@pytest.fixture
def write_tenx_h5() -> Callable[..., Path]:
    return tenx_h5


@pytest.fixture
def write_tenx_folder() -> Callable[..., Path]:
    return tenx_folder


@pytest.fixture
def holds() -> Callable[..., None]:
    """Check that a section holds exactly this tissue in `modality`, by name, whatever the order of rows."""

    def check(section: mudata.MuData, tissue: Tissue, modality: str, spots: list[str] | None = None) -> None:
        data = section.mod[modality]
        wanted = tissue.table(modality).loc[spots or tissue.spots]
        assert sorted(data.obs_names) == sorted(wanted.index)
        assert list(data.var_names) == list(wanted.columns)
        assert data.X.format == "csr"
        assert data.X.dtype == np.float32
        assert data.X.has_sorted_indices
        np.testing.assert_array_equal(data[wanted.index].X.toarray(), wanted.to_numpy())
        coordinates = pd.DataFrame(tissue.coordinates, index=tissue.spots).loc[data.obs_names].to_numpy()
        np.testing.assert_array_equal(data.obsm["spatial"], coordinates)
        assert data.obs_names.dtype == object
        assert data.obsm["spatial"].dtype == np.float64

    return check
