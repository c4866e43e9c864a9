"""Files that promise or expand to far more than there is memory: refused by name, in little memory and time."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import resource
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import ingest

from .harness import judge, text
from .test_stores import adata, gef
from .tissue import beside, coordinates, counts, matrix_folder

pytestmark = pytest.mark.filterwarnings("ignore")

MEMORY = 6 * 2**30
"""Address space beyond what is taken at the start; what a case really uses is far less."""

HUGE = 10**9

FORK = multiprocessing.get_context("fork")
"""A child has all libraries loaded already."""


def matrix(folder: Path, header: bytes) -> list[object]:
    body = b"%%MatrixMarket matrix coordinate integer general\n" + header + b"\n1 1 5\n"
    return ["--rna", matrix_folder(folder / "mtx", matrix=body), *beside(folder)]


def zeros(path: Path, head: bytes, line: bytes, times: int) -> Path:
    """A gzipped file of one line very many times; the pieces are compressed once."""
    piece = gzip.compress(line * (2**20 // len(line)), 9, mtime=0)
    return text(path, gzip.compress(head, mtime=0) + piece * times)


def bomb(name: str, line: bytes) -> Callable[[Path], list[object]]:
    def build(folder: Path) -> list[object]:
        if name.startswith("bad"):
            return ["--rna", zeros(folder / name, b"barcode,A\n", line, 4000), *beside(folder)]
        option = "--spatial" if name.startswith("coordinates") else "--labels"
        bad = zeros(folder / name, b"barcode,x,y,label\n", line, 4000)
        rest = [] if option == "--spatial" else beside(folder)
        return ["--rna", text(folder / "rna.csv", counts(",")), *rest, option, bad]

    return build


def folder_bomb(name: str, head: bytes, line: bytes) -> Callable[[Path], list[object]]:
    def build(folder: Path) -> list[object]:
        matrix_folder(folder / "mtx")
        (folder / "mtx" / name).unlink()
        zeros(folder / "mtx" / f"{name}.gz", head, line, 300 if name == "matrix.mtx" else 4000)
        return ["--rna", folder / "mtx", *beside(folder)]

    return build


def dense(shape: tuple[int, int], kind: str) -> Callable[[Path], list[object]]:
    def build(folder: Path) -> list[object]:
        adata().write_h5ad(folder / "bad.h5ad")
        with h5py.File(folder / "bad.h5ad", "r+") as file:
            del file["X"]
            file.create_dataset("X", shape, kind, chunks=tuple(min(side, 1000) for side in shape), compression="gzip")
            file["X"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        return ["--rna", folder / "bad.h5ad"]

    return build


def far_index(path: str, value: int) -> Callable[[Path], list[object]]:
    def build(folder: Path) -> list[object]:
        adata().write_h5ad(folder / "bad.h5ad")
        with h5py.File(folder / "bad.h5ad", "r+") as file:
            if path.endswith("shape"):
                file["X"].attrs["shape"] = np.array([value, value])
            else:
                file[path][-1] = value
        return ["--rna", folder / "bad.h5ad"]

    return build


def zarr_shape(array: str) -> Callable[[Path], list[object]]:
    def build(folder: Path) -> list[object]:
        adata().write_zarr(folder / "bad.zarr")
        meta = folder / "bad.zarr" / array / ".zarray"
        content = json.loads(meta.read_text())
        content["shape"] = [HUGE * 100] * len(content["shape"])
        content["chunks"] = [1000] * len(content["shape"])
        meta.write_text(json.dumps(content))
        (folder / "bad.zarr" / ".zmetadata").unlink(missing_ok=True)
        return ["--rna", folder / "bad.zarr"]

    return build


def cells(name: str, content: bytes) -> Callable[[Path], list[object]]:
    def build(folder: Path) -> list[object]:
        option = "--spatial" if name.startswith("coordinates") else "--rna"
        rest = beside(folder) if option == "--rna" else ["--rna", text(folder / "rna.csv", counts(","))]
        return [option, text(folder / name, content), *rest]

    return build


def machine_bomb(option: str, name: str, head: bytes, line: bytes) -> Callable[[Path], list[object]]:
    def build(folder: Path) -> list[object]:
        return [option, zeros(folder / name, head, line, 4000), *beside(folder)]

    return build


def hole_in_gef(folder: Path) -> list[object]:
    gef(folder / "bad.gef")
    with h5py.File(folder / "bad.gef", "r+") as file:
        kind = file["geneExp/bin10/expression"].dtype
        del file["geneExp/bin10/expression"]
        file["geneExp/bin10"].create_dataset("expression", (HUGE,), kind, chunks=(1000,))
    return ["--rna", folder / "bad.gef", "--bin", "10"]


# name: how the files are made, and what a refusal names.
CASES: dict[str, tuple[Callable[[Path], list[object]], str]] = {
    "mtx of a million million entries": (lambda folder: matrix(folder, b"3 12 1000000000000"), "matrix.mtx"),
    "mtx of a thousand million rows": (lambda folder: matrix(folder, b"1000000000 12 12"), "matrix.mtx"),
    "mtx beyond 64 bits": (lambda folder: matrix(folder, b"3 12 99999999999999999999999"), "matrix.mtx"),
    "mtx of negative size": (lambda folder: matrix(folder, b"3 12 -5"), "matrix.mtx"),
    "bomb in matrix lines": (bomb("bad.csv.gz", b"a,1\n"), "bad.csv.gz"),
    "bomb in one matrix line": (bomb("bad.csv.gz", b"0"), "bad.csv.gz"),
    "bomb in matrix cells": (bomb("bad.tsv.gz", b"0\t"), "bad.tsv.gz"),
    "bomb in coordinates": (bomb("coordinates.csv.gz", b"a,1,2,b\n"), "coordinates.csv.gz"),
    "bomb in coordinates, not named .gz": (bomb("coordinates.csv", b"a,1,2,b\n"), "coordinates.csv"),
    "bomb in a matrix, not named .gz": (bomb("bad.txt", b"a,1\n"), "bad.txt"),
    "bomb of quotes": (bomb("coordinates.csv.gz", b'"'), "coordinates.csv.gz"),
    "bomb in labels": (bomb("labels.csv.gz", b"a,1,2,b\n"), "labels.csv.gz"),
    "dense 10^9 x 10^9": (dense((HUGE, HUGE), "f4"), "bad.h5ad"),
    "dense 12 x 10^12": (dense((12, 1000 * HUGE), "f8"), "bad.h5ad"),
    "dense 10^12 x 3": (dense((1000 * HUGE, 3), "i1"), "bad.h5ad"),
    "sparse shape": (far_index("X/shape", 1000 * HUGE), "bad.h5ad"),
    "sparse shape beyond 64 bits": (far_index("X/shape", 2**63 - 1), "bad.h5ad"),
    "row ends": (far_index("X/indptr", 2**31 - 1), "bad.h5ad"),
    "column": (far_index("X/indices", 2**31 - 1), "bad.h5ad"),
    "gef of a thousand million records": (hole_in_gef, "bad.gef"),
    "bomb of fragments": (
        machine_bomb("--atac", "fragments.tsv.gz", b"#\n", b"chr1\t10\t90\tb1\t1\n"),
        "fragments.tsv.gz",
    ),
    "bomb of a gem": (machine_bomb("--rna", "bad.gem.gz", b"geneID\tx\ty\tMIDCount\n", b"A\t1\t1\t1\n"), "bad.gem.gz"),
    "zarr matrix": (zarr_shape("X/data"), "bad.zarr"),
    "zarr coordinates": (zarr_shape("obsm/spatial"), "bad.zarr"),
    "zarr names": (zarr_shape("obs/_index"), "bad.zarr"),
    "cell of 10 MB": (cells("bad.csv", counts(",") + b"b12," + b"1" * 10_000_000 + b",2,3\n"), "bad.csv"),
    "barcode of 10 MB": (cells("bad.csv", counts(",") + b"b" * 10_000_000 + b",1,2,3\n"), "b"),
    "header of 10 MB": (cells("bad.csv", b"barcode," + b"A" * 10_000_000 + b"\nb0,1\n"), "bad.csv"),
    "coordinate of 10 MB": (
        cells("coordinates.csv", coordinates(",") + b"b12," + b"1" * 10_000_000 + b",2\n"),
        "coordinates.csv",
    ),
}


def in_little_memory(arguments: list[str], send: Connection) -> None:
    """What a child process does: run INGEST, and say how it ended and how much memory it has taken more."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reserved = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (reserved + MEMORY, reserved + MEMORY))
    result = CliRunner().invoke(ingest.main, arguments)
    taken = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    send.send((result.exit_code, result.stdout, result.stderr, taken >> 10))


@pytest.mark.parametrize("case", CASES)
def test_more_than_there_is(case: str, tmp_path: Path) -> None:
    build, names = CASES[case]
    out = tmp_path / "out" / "section.h5mu"
    arguments = ["--dataset", "d", "--section", "s", "--out", str(out), *map(str, build(tmp_path))]
    receive, send = FORK.Pipe(duplex=False)
    child = FORK.Process(target=in_little_memory, args=(arguments, send))
    child.start()
    try:
        assert receive.poll(120), "it hangs"
        code, stdout, stderr, taken = receive.recv()
    finally:
        child.kill()
        child.join()
    judge(code, stdout, stderr, out.parent, names)
    assert taken < 2000, f"{taken} MiB"
