"""INGEST refuses files, counts and options that it cannot use in one clear line each."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import mudata
import numpy as np
import pytest

from .ingest_inputs import (
    COORDINATES,
    COUNTS,
    HEADER,
    SPOTS,
    Build,
    adata,
    check_refusal,
    good_coordinates,
    good_csv,
    h5ad,
    outs,
    run,
    tenx,
    text,
)

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


def file_with(content: bytes, name: str) -> Build:
    return lambda folder: ["--rna", text(folder, name, content)]


def bad_value(value: float) -> Build:
    def build(folder: Path) -> list[str]:
        counts = COUNTS.astype(float)
        counts[4, 1] = value
        return ["--rna", h5ad(folder, "bad.h5ad", counts=counts)]

    return build


def bad_obsm(value: np.ndarray) -> Build:
    return lambda folder: ["--rna", h5ad(folder, "bad.h5ad", coordinates=value)]


def edited(name: str, edit: Callable[[h5py.File], object]) -> Build:
    def build(folder: Path) -> list[str]:
        path = h5ad(folder, name)
        with h5py.File(path, "r+") as file:
            edit(file)
        return ["--rna", path]

    return build


def truncated(name: str) -> Build:
    def build(folder: Path) -> list[str]:
        path = Path(h5ad(folder, name))
        path.write_bytes(path.read_bytes()[:1500])
        return ["--rna", str(path)]

    return build


def looked_in(folder: Path) -> list[str]:
    data = adata(COUNTS * 0.5)
    data.layers["counts"] = data.X.copy()
    data.write_h5ad(folder / "bad.h5ad")
    return ["--rna", str(folder / "bad.h5ad")]


def strings_as_matrix(file: h5py.File) -> None:
    del file["X"]
    file["X"] = np.array([["a"] * 3] * 12, dtype="S1")


def index_out_of_range(file: h5py.File) -> None:
    file["X/indices"][0] = 10_000_000


def mu(folder: Path, names: tuple[str, ...] = ("rna",)) -> str:
    mudata.MuData({name: adata() for name in names}).write(folder / "bad.h5mu")
    return str(folder / "bad.h5mu")


def tenx_guides(folder: Path) -> list[str]:
    return ["--multi", tenx(folder, "g1\tA\tCRISPR Guide Capture\n"), "--spatial", good_coordinates(folder)]


def pickled_zarr(folder: Path) -> list[str]:
    adata().write_zarr(folder / "bad.zarr")
    meta = folder / "bad.zarr" / "obsm" / "spatial" / ".zarray"
    meta.write_text(meta.read_text().replace('"filters": null', '"filters": [{"id": "pickle"}]'))
    return ["--rna", str(folder / "bad.zarr")]


def broken_zarr(folder: Path) -> list[str]:
    text(folder, "bad.zarr/.zgroup", "{not json")
    return ["--rna", str(folder / "bad.zarr")]


def unequal_coordinates(folder: Path) -> list[str]:
    return ["--rna", h5ad(folder), "--adt", h5ad(folder, "bad.h5ad", counts=COUNTS + 1, coordinates=COORDINATES + 1)]


def no_overlap(folder: Path) -> list[str]:
    return ["--rna", h5ad(folder), "--adt", h5ad(folder, "bad.h5ad", spots=[f"other{i}" for i in range(12)])]


# name: how to make the input, what the one line has to name (file, position), and its message.
REFUSED: dict[str, tuple[Build, str, str]] = {
    "no modality": (lambda f: [], "command line", "no modality is given"),
    "unknown platform": (lambda f: ["--rna", h5ad(f), "--platform", "visum"], "platform", "'visum' is not known"),
    "missing file": (lambda f: ["--rna", str(f / "bad.h5ad")], "bad.h5ad", "no such file"),
    "unknown extension": (file_with(b"x", "bad.docx"), "bad.docx", "unknown kind of file '.docx'"),
    "pickle": (file_with(pickle.dumps({"a": 1}), "bad.pkl"), "bad.pkl", "pickles are never opened"),
    "pickle named h5ad": (file_with(pickle.dumps({"a": 1}), "bad.h5ad"), "bad.h5ad", "not a readable .h5ad"),
    "object array": (file_with(b"\x93NUMPY", "bad.npy"), "bad.npy", "unknown kind of file"),
    "pickled zarr": (pickled_zarr, "bad.zarr", "pickled objects"),
    "broken zarr": (broken_zarr, "bad.zarr", "not a readable AnnData .zarr"),
    "empty file": (file_with(b"", "bad.h5ad"), "bad.h5ad", "is empty (0 bytes)"),
    "not HDF5": (file_with(b"hello world", "bad.h5ad"), "bad.h5ad", "not a readable .h5ad file"),
    "truncated h5ad": (truncated("bad.h5ad"), "bad.h5ad", "not a readable .h5ad file"),
    "no obs": (edited("bad.h5ad", lambda f: f.__delitem__("obs")), "bad.h5ad", "not a readable .h5ad file"),
    "no matrix": (edited("bad.h5ad", lambda f: f.__delitem__("X")), "bad.h5ad", "there is no matrix"),
    "matrix of text": (edited("bad.h5ad", strings_as_matrix), "bad.h5ad", "a matrix of numbers was expected"),
    "index out of range": (edited("bad.h5ad", index_out_of_range), "bad.h5ad", "not a readable matrix in X"),
    "h5 of another kind": (
        lambda f: ["--rna", str(Path(h5ad(f)).rename(f / "bad.h5"))],
        "bad.h5",
        "not a readable 10x .h5 file",
    ),
    "not h5mu": (lambda f: ["--multi", str(Path(h5ad(f)).rename(f / "bad.h5mu"))], "bad.h5mu", "no group 'mod'"),
    "unknown modalities": (lambda f: ["--multi", mu(f, ("foo", "bar"))], "bad.h5mu", "holds the modalities bar, foo"),
    "modality not in file": (lambda f: ["--adt", mu(f, ("rna", "atac"))], "bad.h5mu", "holds no adt"),
    "another modality": (lambda f: ["--adt", mu(f)], "bad.h5mu", "holds rna; expected adt"),
    "one modality under two names": (lambda f: ["--multi", mu(f, ("rna", "GEX"))], "bad.h5mu", "holds rna, which"),
    "same modality twice": (lambda f: ["--rna", h5ad(f), "--multi", mu(f)], "bad.h5mu", "holds rna, which"),
    "multi without names": (lambda f: ["--multi", h5ad(f, "bad.h5ad")], "bad.h5ad", "does not name the modality"),
    "unknown feature type": (tenx_guides, "mtx", "features are of the types 'CRISPR Guide Capture'"),
    "wrong feature type": (
        lambda f: ["--adt", tenx(f), "--spatial", good_coordinates(f)],
        "mtx",
        "features are of the types 'Gene Expression'; expected adt",
    ),
    "unknown folder": (
        lambda f: ["--rna", str(Path(text(f, "bad/readme.txt", "x")).parent)],
        "bad",
        "unknown kind of folder",
    ),
    "folder above outs": (
        lambda f: ["--rna", str(Path(outs(f, HEADER)).parent)],
        "",
        "outs in it",
    ),
    "archive": (file_with(b"PK", "bad.zarr.zip"), "bad.zarr.zip", "is an archive; "),
    "archive of a folder": (
        file_with(b"\x1f\x8b", "bad.tar.gz"),
        "bad.tar.gz",
        "fix this, unpack it, and give the file",
    ),
    "compressed h5ad": (file_with(b"\x1f\x8b", "bad.h5ad.gz"), "bad.h5ad.gz", "fix this, unpack it (gunzip)"),
    "loom": (file_with(b"x", "bad.loom"), "bad.loom", "write it as .h5ad"),
    "parquet": (file_with(b"PAR1", "bad.parquet"), "bad.parquet", "write it as CSV"),
    "no barcodes.tsv": (
        lambda f: ["--rna", str(Path(text(f, "bad/matrix.mtx", "x")).parent)],
        "bad",
        "has no barcodes.tsv",
    ),
    "matrix of other size": (lambda f: ["--rna", tenx(f, size="3 2 1")], "matrix.mtx", "has 3 rows and 2 columns"),
    "mtx that is none": (lambda f: ["--rna", tenx(f, size="nonsense")], "matrix.mtx", "not a readable matrix.mtx"),
    "one mtx file": (file_with(b"x", "bad.mtx"), "bad.mtx", "give the folder"),
    "outs without positions": (lambda f: ["--multi", outs(f, None)], "outs", "no coordinates (it has no spatial/"),
    "outs, spots not placed": (
        lambda f: ["--multi", outs(f, HEADER + "b0,1,0,0,5,5\n")],
        "tissue_positions.csv",
        "1 spots of the matrix are not in it (first: 'b1')",
    ),
    "outs, ragged list": (
        lambda f: ["--multi", outs(f, "b0,1,0,0,5,5\nb1,1,0\n", "tissue_positions_list.csv")],
        "tissue_positions_list.csv, line 2",
        "has 3 cells",
    ),
    "outs, in_tissue": (
        lambda f: ["--multi", outs(f, HEADER + "b0,1,0,0,5,5\nb1,7,0,1,5,6\n")],
        "tissue_positions.csv, line 3, column 'in_tissue'",
        "'7' is neither 0 nor 1",
    ),
    "outs, none in tissue": (
        lambda f: ["--multi", outs(f, HEADER + "b0,0,0,0,5,5\nb1,0,0,1,5,6\n")],
        "tissue_positions.csv",
        "no spot of the matrix is in the tissue",
    ),
    "outs without matrix": (
        lambda f: [
            "--multi",
            str(Path(text(f, "outs/spatial/tissue_positions.csv", HEADER + "b0,1,0,0,1,1\n")).parent.parent),
        ],
        "outs",
        "has no filtered_feature_bc_matrix",
    ),
    "HD outs": (
        lambda f: ["--multi", str(Path(text(f, "outs/binned_outputs/x", "")).parent.parent)],
        "outs",
        "holds no bins; expected a folder such as square_008um",
    ),
    "no coordinates": (
        lambda f: ["--rna", h5ad(f, "bad.h5ad", coordinates=None)],
        "bad.h5ad",
        "no coordinates (looked in obsm",
    ),
    "CSV without coordinates": (lambda f: ["--rna", good_csv(f)], "rna.csv", "no coordinates"),
    "NaN coordinates": (
        bad_obsm(np.where(COORDINATES == 3, np.nan, COORDINATES)),
        "bad.h5ad",
        "3 of 12 spots have no coordinates",
    ),
    "infinite coordinates": (
        bad_obsm(np.where(COORDINATES == 3, np.inf, COORDINATES)),
        "bad.h5ad",
        "of spot 'b3' is not finite",
    ),
    "coordinates of one dimension": (bad_obsm(COORDINATES[:, :1]), "obsm['spatial']", "has the shape (12, 1)"),
    "all on one point": (bad_obsm(COORDINATES * 0), "bad.h5ad", "all 12 spots are at the same point"),
    "coordinates that disagree": (unequal_coordinates, "bad.h5ad", "in another modality at [0.0, 0.0]"),
    "duplicated barcodes": (
        lambda f: ["--rna", h5ad(f, "bad.h5ad", spots=[*SPOTS[:-1], "b3"])],
        "bad.h5ad",
        "barcode 'b3' names row 4 and row 12",
    ),
    "nameless barcode": (
        lambda f: ["--rna", h5ad(f, "bad.h5ad", spots=[*SPOTS[:-1], ""])],
        "bad.h5ad",
        "spot 12 has no",
    ),
    "negative": (bad_value(-2), "bad.h5ad, X, row 5 ('b4'), column 'B'", "value -2 is negative"),
    "NaN": (bad_value(np.nan), "bad.h5ad, X, row 5 ('b4'), column 'B'", "value nan is not finite"),
    "infinite": (bad_value(np.inf), "bad.h5ad, X, row 5 ('b4'), column 'B'", "value inf is not finite"),
    "not counts": (bad_value(1.5), "bad.h5ad, X, row 5 ('b4'), column 'B'", "layers['counts']: absent; raw: absent"),
    "not counts anywhere": (looked_in, "bad.h5ad, X", "raw: absent; layers['counts']: value 0.5 is not a whole number"),
    "negative metabolite": (
        lambda f: ["--metabolite", bad_value(-0.5)(f)[1]],
        "column 'B'",
        "value -0.5 is negative",
    ),
    "all zero": (lambda f: ["--rna", h5ad(f, "bad.h5ad", counts=COUNTS * 0)], "bad.h5ad", "X is empty (12 spots x 3"),
    "no features": (
        lambda f: ["--rna", h5ad(f, "bad.h5ad", counts=COUNTS[:, :0])],
        "bad.h5ad",
        "X is empty (12 spots x 0",
    ),
    "no spots": (
        lambda f: ["--rna", h5ad(f, "bad.h5ad", counts=COUNTS[:0], spots=[], coordinates=COORDINATES[:0])],
        "bad.h5ad",
        "X is empty (0 spots",
    ),
    "no shared spot": (no_overlap, "bad.h5ad", "no barcode of adt is among those of the other"),
    "section not a file name": (
        lambda f: ["--rna", h5ad(f), "--section", "a/b"],
        "--section",
        "'a/b' cannot name a file",
    ),
    "dataset not a file name": (lambda f: ["--rna", h5ad(f), "--dataset", "../x"], "--dataset", "cannot name a file"),
    "out of another kind": (lambda f: ["--rna", h5ad(f), "--out", str(f / "o.csv")], "--out", "does not end in .h5mu"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str, tmp_path: Path) -> None:
    build, where, message = REFUSED[case]
    result = run(tmp_path, *build(tmp_path))
    check_refusal(tmp_path, result.exit_code, result.stderr, where, message)


@pytest.mark.parametrize("case", ["truncated h5ad", "no coordinates"])
def test_refusals_of_the_real_process(case: str, tmp_path: Path, project: Path) -> None:
    """A real process: no library may write to stderr at import or exit, and no traceback appears."""
    build, where, message = REFUSED[case]
    fixed_options = ["--dataset", "d", "--section", "s", "--out", str(tmp_path / "out" / "section.h5mu")]
    done = subprocess.run(
        [sys.executable, str(project / "bin" / "ingest.py"), *fixed_options, *build(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    check_refusal(tmp_path, done.returncode, done.stderr, where, message)
    assert done.stdout == ""
