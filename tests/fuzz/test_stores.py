"""INGEST of files in which one part is damaged: every dataset of an HDF5 file, every file of a Zarr store."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anndata
import h5py
import mudata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from .harness import assert_ends_well, holds, text
from .hdf5_damage import DAMAGES, apply
from .text_damage import LONG

pytestmark = pytest.mark.filterwarnings("ignore")

SPOTS = [f"b{i}" for i in range(12)]
COUNTS = np.arange(36, dtype=np.float32).reshape(12, 3)
COORDINATES = np.array([(i % 4, i // 4) for i in range(12)], dtype=float)


def adata(kind: Callable[..., object] = sparse.csr_matrix) -> anndata.AnnData:
    data = anndata.AnnData(
        kind(COUNTS),
        obs=pd.DataFrame({"region": pd.Categorical(["left", "right"] * 6), "depth": np.arange(12.0)}, index=SPOTS),
        var=pd.DataFrame(index=["A", "B", "C"]),
    )
    data.obsm["spatial"] = COORDINATES
    return data


def h5ad(path: Path) -> None:
    adata().write_h5ad(path)


def dense_h5ad(path: Path) -> None:
    adata(np.asarray).write_h5ad(path)


def h5mu(path: Path) -> None:
    data = mudata.MuData({"rna": adata(), "adt": adata()})
    data.obs["shared"] = np.arange(12.0)
    data.obsm["spatial"] = COORDINATES
    data.write(path)


def tenx(path: Path) -> None:
    counts = sparse.csr_matrix(COUNTS)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["barcodes"] = np.array(SPOTS, dtype="S")
        group["data"], group["indices"], group["indptr"] = counts.data.astype(np.int32), counts.indices, counts.indptr
        group["shape"] = np.array([3, 12], dtype=np.int32)
        for name, values in (("id", "ABC"), ("name", "ABC"), ("feature_type", ["Gene Expression"] * 3)):
            group[f"features/{name}"] = np.array(list(values), dtype="S")


def gef(path: Path) -> None:
    records = np.array(
        [(10 * (i % 4), 10 * (i // 4), COUNTS[i, gene]) for gene in range(3) for i in range(12)],
        dtype=[("x", "<i4"), ("y", "<i4"), ("count", "<u2")],
    )
    genes = np.array(
        [(b"A", 0, 12), (b"B", 12, 12), (b"C", 24, 12)], dtype=[("gene", "S8"), ("offset", "<u4"), ("count", "<u4")]
    )
    with h5py.File(path, "w") as file:
        file["geneExp/bin10/expression"], file["geneExp/bin10/gene"] = records, genes
        file["geneExp/bin10/expression"].attrs["resolution"] = 500


def cell_gef(path: Path) -> None:
    cells = np.array(
        [(i, i % 4, i // 4, 3 * i, 3) for i in range(12)],
        dtype=[("id", "<u4"), ("x", "<i4"), ("y", "<i4"), ("offset", "<u4"), ("geneCount", "<u2")],
    )
    pairs = np.array(
        [(gene, COUNTS[i, gene]) for i in range(12) for gene in range(3)], dtype=[("geneID", "<u4"), ("count", "<u2")]
    )
    with h5py.File(path, "w") as file:
        file["cellBin/cell"], file["cellBin/cellExp"] = cells, pairs
        file["cellBin/gene"] = np.array([(b"A",), (b"B",), (b"C",)], dtype=[("geneName", "S8")])


FORMATS = {
    "bad.h5ad": (
        h5ad,
        ("X/data", "X/indices", "X/indptr", "obs/_index", "obs/depth", "obs/region/codes", "obs/region/categories",
         "var/_index", "obsm/spatial"),
    ),
    "dense.h5ad": (dense_h5ad, ("X",)),
    "bad.h5mu": (
        h5mu,
        ("obs/_index", "obs/shared", "obsm/spatial", "obsm/rna", "mod/rna/X/indices", "mod/adt/X/indptr",
         "mod/rna/obs/_index", "mod/rna/var/_index", "mod/adt/obsm/spatial"),
    ),
    "bad.h5": (
        tenx,
        ("matrix/barcodes", "matrix/data", "matrix/indices", "matrix/indptr", "matrix/shape", "matrix/features/id",
         "matrix/features/name", "matrix/features/feature_type"),
    ),
    "bad.gef": (gef, ("geneExp/bin10/expression", "geneExp/bin10/gene")),
    "cells.gef": (cell_gef, ("cellBin/cell", "cellBin/cellExp", "cellBin/gene")),
}  # fmt: skip

CASES = [(name, target, damage) for name, (_, targets) in FORMATS.items() for target in targets for damage in DAMAGES]


@pytest.mark.parametrize(("name", "target", "damage"), CASES if LONG else CASES[::4])
def test_damaged_dataset(name: str, target: str, damage: str, tmp_path: Path) -> None:
    write, _ = FORMATS[name]
    write(tmp_path / name)
    apply(tmp_path / name, damage, target)
    option = "--multi" if name.endswith((".h5mu", ".h5")) else "--rna"
    out = tmp_path / "out" / "section.h5mu"
    arguments = ["--dataset", "d", "--section", "s", option, str(tmp_path / name), "--labels", "region"]
    if name.endswith(".gef"):
        arguments[-2:] = [] if name == "cells.gef" else ["--bin", "10"]
    if name.endswith(".h5"):
        xy = "".join(f"{spot},{x},{y}\n" for spot, (x, y) in zip(SPOTS, COORDINATES, strict=True))
        arguments[-2:] = ["--spatial", str(text(tmp_path / "xy.csv", "barcode,x,y\n" + xy))]
    # What is taken must be good enough for the stages that follow.
    assert_ends_well("ingest", [*arguments, "--out", str(out)], out.parent, (name, "xy.csv"), lambda: holds(out))


def shuffled(content: bytes) -> bytes:
    return bytes(np.random.default_rng(len(content)).permutation(np.frombuffer(content, np.uint8)))


STORE_DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "deleted": lambda _: None,
    "empty": lambda _: b"",
    "half": lambda content: content[: len(content) // 2],
    "shuffled": shuffled,
    "no text": lambda _: b"\xff\xfe\x00" * 7,
    "an object": lambda _: b"{}",
    "a list": lambda _: b"[1]",
    "a huge number": lambda content: content.replace(b"12", b"9" * 400),
    "infinite": lambda content: content.replace(b"12", b"Infinity"),
}


@pytest.mark.parametrize("damage", STORE_DAMAGES)
def test_damaged_zarr_store(damage: str, tmp_path: Path) -> None:
    """Every file of a Zarr store in turn: metadata and chunks."""
    whole = tmp_path / "whole.zarr"
    adata().write_zarr(whole)
    files = sorted(path.relative_to(whole) for path in whole.rglob("*") if path.is_file())
    assert {"X", "obs", "var", "obsm"} <= {path.parts[0] for path in files}
    # Of two dozen files each damage is done to a third, so that three neighbouring damages reach all.
    first = list(STORE_DAMAGES).index(damage) % 3
    for number, file in enumerate(files if LONG else files[first::3]):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder / "bad.zarr")
        content = STORE_DAMAGES[damage]((whole / file).read_bytes())
        (folder / "bad.zarr" / file).unlink()
        if content is not None:
            (folder / "bad.zarr" / file).write_bytes(content)
        out = folder / "out" / "section.h5mu"
        arguments = ["--dataset", "d", "--section", "s", "--rna", str(folder / "bad.zarr"), "--labels", "region"]
        try:
            assert_ends_well("ingest", [*arguments, "--out", str(out)], out.parent, "bad.zarr", partial(holds, out))
        except AssertionError as error:
            raise AssertionError(f"{file}, {damage}: {error}") from error
