"""Small files of every kind for INGEST, and what every refusal has in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
from click.testing import CliRunner, Result
from scipy import sparse

from ingest import main

SPOTS = [f"b{i}" for i in range(12)]
GENES = ["A", "B", "C"]
COUNTS = np.arange(36).reshape(12, 3)
COORDINATES = np.array([(i % 4, i // 4) for i in range(12)], dtype=float)


def adata(
    counts: np.ndarray = COUNTS, spots: list[str] = SPOTS, coordinates: np.ndarray | None = COORDINATES
) -> anndata.AnnData:
    genes = GENES if counts.shape[1] == 3 else [f"G{i}" for i in range(counts.shape[1])]
    data = anndata.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame({"region": ["left", "right"] * (len(spots) // 2)}, index=spots),
        var=pd.DataFrame(index=genes),
    )
    if coordinates is not None:
        data.obsm["spatial"] = coordinates
    return data


def h5ad(folder: Path, name: str = "rna.h5ad", **more: Any) -> str:
    adata(**more).write_h5ad(folder / name)
    return str(folder / name)


def text(folder: Path, name: str, content: str | bytes) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return str(folder / name)


def good_csv(folder: Path) -> str:
    rows = "".join(f"{s},{a},{b},{c}\n" for s, (a, b, c) in zip(SPOTS, COUNTS, strict=True))
    return text(folder, "rna.csv", "barcode,A,B,C\n" + rows)


def good_coordinates(folder: Path) -> str:
    return text(folder, "xy.csv", "barcode,x,y\n" + "".join(f"b{i},{i % 4},{i // 4}\n" for i in range(12)))


def tenx(folder: Path, features: str = "g1\tA\tGene Expression\n", size: str = "1 2 1") -> str:
    text(folder, "mtx/matrix.mtx", f"%%MatrixMarket matrix coordinate integer general\n{size}\n1 1 5\n")
    text(folder, "mtx/features.tsv", features)
    text(folder, "mtx/barcodes.tsv", "b0\nb1\n")
    return str(folder / "mtx")


def outs(folder: Path, positions: str | None, name: str = "tissue_positions.csv") -> str:
    text(
        folder,
        "outs/filtered_feature_bc_matrix/matrix.mtx",
        "%%MatrixMarket matrix coordinate integer general\n1 2 1\n1 1 5\n",
    )
    text(folder, "outs/filtered_feature_bc_matrix/features.tsv", "g1\tA\tGene Expression\n")
    text(folder, "outs/filtered_feature_bc_matrix/barcodes.tsv", "b0\nb1\n")
    if positions is not None:
        text(folder, f"outs/spatial/{name}", positions)
    return str(folder / "outs")


def run(folder: Path, *arguments: str) -> Result:
    out = str(folder / "out" / "section.h5mu")
    return CliRunner().invoke(main, ["--dataset", "d", "--section", "s1", "--out", out, *arguments])


Build = Callable[[Path], list[str]]


HEADER = "barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres\n"


def check_refusal(folder: Path, code: int, stderr: str, where: str, message: str) -> None:
    lines = stderr.splitlines()
    assert code == 2, stderr
    errors = [line for line in lines if line.startswith("ERROR:")]
    assert len(errors) == 1, stderr
    assert all(line.startswith("WARNING: ") for line in lines if line not in errors), stderr
    assert where in errors[0]
    assert message in errors[0]
    # Neither an output nor a temporary folder of one is left.
    assert not (folder / "out").exists() or not list((folder / "out").iterdir())
