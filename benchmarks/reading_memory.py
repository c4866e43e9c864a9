#!/usr/bin/env python3
"""Time and peak memory of reading a million cells from the files of instruments, each in its own process.

    .venv/bin/python benchmarks/reading_memory.py --cells 1000000 --genes 300

The matrix is sparse, with 10 % of its values above 0. The table has, for each format: the size of the file, that of the
matrix in memory (CSR, float32), which is read by blocks, the growth of the process once the section is read and checked
(names and tables of cells), and how far the peak was beyond that, also in units of the file.
"""

from __future__ import annotations

import ctypes
import gc
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import anndata
import click
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bin"))

DENSITY = 0.1


def tissue(n_cells: int, n_genes: int) -> tuple[sparse.csr_matrix, np.ndarray]:
    """Return counts and positions of cells."""
    draw = np.random.default_rng(0)
    per_cell = draw.binomial(n_genes, DENSITY, n_cells)
    indptr = np.concatenate([[0], np.cumsum(per_cell)]).astype(np.int32)
    genes = np.argsort(draw.random((1000, n_genes)), axis=1).astype(np.int32)
    indices = np.concatenate([np.sort(genes[i % 1000, :n]) for i, n in enumerate(per_cell)])
    data = draw.integers(1, 20, len(indices)).astype(np.float32)
    counts = sparse.csr_matrix((data, indices, indptr), shape=(n_cells, n_genes))
    return counts, draw.uniform(0, 10_000, (n_cells, 2))


def h5ad(folder: Path, counts: sparse.csr_matrix, positions: np.ndarray) -> Path:
    """Write an AnnData file."""
    obs = pd.DataFrame(index=[f"c{i}" for i in range(counts.shape[0])])
    data = anndata.AnnData(counts, obs=obs, obsm={"spatial": positions})
    data.write_h5ad(folder / "cells.h5ad")
    return folder / "cells.h5ad"


def tenx(path: Path, counts: sparse.csr_matrix) -> Path:
    """Write the .h5 of 10x, compressed as 10x does."""
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        arrays = {
            "barcodes": np.array([f"c{i}" for i in range(counts.shape[0])], dtype="S"),
            "data": counts.data.astype(np.int32),
            "indices": counts.indices.astype(np.int64),
            "indptr": counts.indptr.astype(np.int64),
            "shape": np.array(counts.shape[::-1], dtype=np.int32),
        }
        names = np.array([f"Gene{i}" for i in range(counts.shape[1])], dtype="S")
        # The last tenth are controls, as in a panel.
        kinds = np.where(
            np.arange(counts.shape[1]) < 0.9 * counts.shape[1], "Gene Expression", "Negative Control Probe"
        )
        arrays |= {"features/id": names, "features/name": names, "features/feature_type": kinds.astype("S")}
        for name, values in arrays.items():
            group.create_dataset(
                name,
                data=values,
                compression=None if name == "shape" else "gzip",
                compression_opts=None if name == "shape" else 1,
            )
    return path


def xenium(folder: Path, counts: sparse.csr_matrix, positions: np.ndarray) -> Path:
    """Write a Xenium output folder."""
    outs = folder / "xenium"
    outs.mkdir()
    tenx(outs / "cell_feature_matrix.h5", counts)
    names = [f"c{i}" for i in range(len(positions))]
    table = pd.DataFrame({"cell_id": names, "x_centroid": positions[:, 0], "y_centroid": positions[:, 1]})
    for name in ("transcript_counts", "cell_area", "nucleus_area"):
        table[name] = positions[:, 0]
    table.to_parquet(outs / "cells.parquet")
    (outs / "experiment.xenium").write_text("{}")
    return outs


def tenx_with_table(folder: Path, counts: sparse.csr_matrix, positions: np.ndarray) -> Path:
    """Write a 10x .h5 and a table of its coordinates."""
    names = [f"c{i}" for i in range(len(positions))]
    table = pd.DataFrame({"barcode": names, "x": positions[:, 0], "y": positions[:, 1]})
    table.to_parquet(folder / "spatial.parquet")
    return tenx(folder / "matrix.h5", counts)


FORMATS: dict[str, Callable[[Path, sparse.csr_matrix, np.ndarray], Path]] = {
    ".h5ad": h5ad,
    "10x .h5": tenx_with_table,
    "Xenium folder": xenium,
}


def memory(what: str) -> int:
    """Return memory (VmRSS) or its peak (VmHWM) in bytes; getrusage would include the parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(what))


def read(path: Path, spatial: Path | None, send: Connection) -> None:
    """Read a file in this process, and print the size of the result and of the peak."""
    import scanpy  # noqa: F401
    import spatialdata  # noqa: F401

    from spatialweave.io.section import SectionInput, understand_section

    before, start = memory("VmRSS"), time.monotonic()
    section = understand_section(SectionInput("d", "s", {"rna": path}, spatial=spatial, platform="cells"))[0]
    assert section.data.n_obs == section.counts["rna"].shape[0]
    seconds = time.monotonic() - start
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    send.send((memory("VmRSS") - before, memory("VmHWM") - before, seconds))


@click.command()
@click.option("--cells", default=1_000_000, help="Number of cells.")
@click.option("--genes", default=300, help="Number of features.")
@click.option("--format", "formats", multiple=True, type=click.Choice(list(FORMATS)), help="Only these formats.")
def main(cells: int, genes: int, formats: tuple[str, ...]) -> None:
    """Write the files, read each, and print a table."""
    spawn = multiprocessing.get_context("spawn")
    print("| format | seconds | file, GB | matrix, GB | section, GB | peak beyond it, GB | in files |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for kind in formats or FORMATS:
            counts, positions = tissue(cells, genes)
            path = FORMATS[kind](folder, counts, positions)
            files = [path] if path.is_file() else list(path.iterdir())
            stored = sum(file.stat().st_size for file in files)
            matrix = counts.data.nbytes + counts.indices.nbytes + counts.indptr.nbytes
            del counts
            spatial = folder / "spatial.parquet" if kind == "10x .h5" else None
            receive, send = spawn.Pipe(duplex=False)
            child = spawn.Process(target=read, args=(path, spatial, send))
            child.start()
            result, highest, seconds = receive.recv()
            child.join()
            beyond = highest - result
            sizes = " | ".join(f"{size / 1e9:.2f}" for size in (stored, matrix, result, beyond))
            print(f"| {kind} | {seconds:.0f} | {sizes} | {beyond / stored:.1f} |", flush=True)


if __name__ == "__main__":
    main()
