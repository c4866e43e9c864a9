"""The ingest command: what it writes, and one clear line for everything it refuses."""

from __future__ import annotations

import gzip
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anndata
import h5py
import mudata
import numpy as np
import pandas as pd
import pytest
import scanpy
from click.testing import CliRunner, Result
from scipy import sparse

from ingest import main
from spatialweave.io import contract

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

SPOTS = [f"b{i}" for i in range(12)]
GENES = ["A", "B", "C"]
COUNTS = np.arange(36).reshape(12, 3)
XY = np.array([(i % 4, i // 4) for i in range(12)], dtype=float)


def adata(counts: np.ndarray = COUNTS, spots: list[str] = SPOTS, xy: np.ndarray | None = XY) -> anndata.AnnData:
    genes = GENES if counts.shape[1] == 3 else [f"G{i}" for i in range(counts.shape[1])]
    data = anndata.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame({"region": ["left", "right"] * (len(spots) // 2)}, index=spots),
        var=pd.DataFrame(index=genes),
    )
    if xy is not None:
        data.obsm["spatial"] = xy
    return data


def h5ad(folder: Path, name: str = "rna.h5ad", **more: object) -> str:
    adata(**more).write_h5ad(folder / name)  # type: ignore[arg-type]
    return str(folder / name)


def text(folder: Path, name: str, content: str | bytes) -> str:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return str(folder / name)


def good_csv(folder: Path) -> str:
    rows = "".join(f"{s},{a},{b},{c}\n" for s, (a, b, c) in zip(SPOTS, COUNTS, strict=True))
    return text(folder, "rna.csv", "barcode,A,B,C\n" + rows)


def good_xy(folder: Path) -> str:
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


def csv_with(content: str | bytes, name: str = "bad.csv") -> Build:
    return lambda folder: ["--rna", text(folder, name, content), "--spatial", good_xy(folder)]


def xy_with(content: str | bytes, name: str = "bad.csv") -> Build:
    return lambda folder: ["--rna", good_csv(folder), "--spatial", text(folder, name, content)]


def labels_with(content: str, name: str = "bad.csv") -> Build:
    return lambda folder: ["--rna", h5ad(folder), "--labels", text(folder, name, content)]


def file_with(content: bytes, name: str) -> Build:
    return lambda folder: ["--rna", text(folder, name, content)]


def bad_value(value: float) -> Build:
    def build(folder: Path) -> list[str]:
        counts = COUNTS.astype(float)
        counts[4, 1] = value
        return ["--rna", h5ad(folder, "bad.h5ad", counts=counts)]

    return build


def bad_obsm(value: np.ndarray) -> Build:
    return lambda folder: ["--rna", h5ad(folder, "bad.h5ad", xy=value)]


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
    return ["--multi", tenx(folder, "g1\tA\tCRISPR Guide Capture\n"), "--spatial", good_xy(folder)]


def pickled_zarr(folder: Path) -> list[str]:
    adata().write_zarr(folder / "bad.zarr")
    meta = folder / "bad.zarr" / "obsm" / "spatial" / ".zarray"
    meta.write_text(meta.read_text().replace('"filters": null', '"filters": [{"id": "pickle"}]'))
    return ["--rna", str(folder / "bad.zarr")]


def broken_zarr(folder: Path) -> list[str]:
    text(folder, "bad.zarr/.zgroup", "{not json")
    return ["--rna", str(folder / "bad.zarr")]


def unequal_places(folder: Path) -> list[str]:
    return ["--rna", h5ad(folder), "--adt", h5ad(folder, "bad.h5ad", xy=XY + 1)]


def unequal_labels(folder: Path) -> list[str]:
    other = adata()
    other.obs["region"] = ["right", "left"] * 6
    other.write_h5ad(folder / "bad.h5ad")
    return ["--rna", h5ad(folder), "--adt", str(folder / "bad.h5ad"), "--labels", "region"]


def no_overlap(folder: Path) -> list[str]:
    return ["--rna", h5ad(folder), "--adt", h5ad(folder, "bad.h5ad", spots=[f"other{i}" for i in range(12)])]


def some_empty_labels(folder: Path) -> list[str]:
    data = adata()
    data.obs["empty"] = pd.Categorical([None] * 12, categories=["x"])
    data.write_h5ad(folder / "bad.h5ad")
    return ["--rna", str(folder / "bad.h5ad"), "--labels", "empty"]


HEADER = "barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres\n"

# name: how to make the input, what the one line has to name (file, place), and what it has to say.
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
    "two modalities alike": (lambda f: ["--multi", mu(f, ("rna", "GEX"))], "bad.h5mu", "holds rna twice"),
    "same modality twice": (lambda f: ["--rna", h5ad(f), "--multi", mu(f)], "bad.h5mu", "holds rna, which"),
    "multi without names": (lambda f: ["--multi", h5ad(f, "bad.h5ad")], "bad.h5ad", "does not say which modality"),
    "unknown feature type": (tenx_guides, "mtx", "features are of the types 'CRISPR Guide Capture'"),
    "wrong feature type": (
        lambda f: ["--adt", tenx(f), "--spatial", good_xy(f)],
        "mtx",
        "features are of the types 'Gene Expression'; expected adt",
    ),
    "unknown folder": (
        lambda f: ["--rna", str(Path(text(f, "bad/readme.txt", "x")).parent)],
        "bad",
        "unknown kind of folder",
    ),
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
        lambda f: ["--multi", str(Path(text(f, "outs/spatial/tissue_positions.csv", HEADER)).parent.parent)],
        "outs",
        "has no filtered_feature_bc_matrix",
    ),
    "HD outs": (
        lambda f: ["--multi", str(Path(text(f, "outs/binned_outputs/x", "")).parent.parent)],
        "outs",
        "give outs/binned_outputs/square_008um",
    ),
    "no coordinates": (lambda f: ["--rna", h5ad(f, "bad.h5ad", xy=None)], "bad.h5ad", "no coordinates (looked in obsm"),
    "CSV without coordinates": (lambda f: ["--rna", good_csv(f)], "rna.csv", "no coordinates"),
    "NaN coordinates": (bad_obsm(np.where(XY == 3, np.nan, XY)), "bad.h5ad", "3 of 12 spots have no coordinates"),
    "infinite coordinates": (bad_obsm(np.where(XY == 3, np.inf, XY)), "bad.h5ad", "of spot 'b3' is not finite"),
    "coordinates of one dimension": (bad_obsm(XY[:, :1]), "obsm['spatial']", "has the shape (12, 1)"),
    "all on one point": (bad_obsm(XY * 0), "bad.h5ad", "all 12 spots are at the same point"),
    "places that disagree": (unequal_places, "bad.h5ad", "in another modality at [0.0, 0.0]"),
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
        lambda f: ["--rna", h5ad(f, "bad.h5ad", counts=COUNTS[:0], spots=[], xy=XY[:0])],
        "bad.h5ad",
        "X is empty (0 spots",
    ),
    "no shared spot": (no_overlap, "bad.h5ad", "no barcode of adt (first: 'other0') is among those of the other"),
    "CSV empty": (csv_with("\n\n"), "bad.csv", "is empty"),
    "CSV header only": (csv_with("barcode,A,B\n"), "bad.csv", "has a header but no rows"),
    "CSV text cell": (
        csv_with("barcode,A,B\nb0,1,2\nb1,3,many\n"),
        "bad.csv, line 3, column 'B'",
        "'many' is not a number",
    ),
    "CSV empty cell": (csv_with("barcode,A,B\nb0,1,\nb1,3,4\n"), "bad.csv, line 2, column 'B'", "the cell is empty"),
    "CSV NaN cell": (
        csv_with("barcode,A,B\nb0,1,2\nb1,nan,4\n"),
        "bad.csv, line 3, column 'A'",
        "value nan is not finite",
    ),
    "CSV NA cell": (csv_with("barcode,A,B\nb0,1,2\nb1,NA,4\n"), "bad.csv, line 3, column 'A'", "'NA' is not a number"),
    "CSV infinite": (
        csv_with("barcode,A,B\nb0,1,2\nb1,inf,4\n"),
        "bad.csv, line 3, column 'A'",
        "value inf is not finite",
    ),
    "CSV negative": (
        csv_with("barcode,A,B\nb0,1,2\nb1,-1,4\n"),
        "bad.csv, matrix, row 2 ('b1'), column 'A'",
        "is negative",
    ),
    "CSV fraction": (csv_with("barcode,A,B\nb0,1,2\nb1,1,4.5\n"), "row 2 ('b1'), column 'B'", "is not a whole number"),
    "CSV short row": (csv_with("barcode,A,B\nb0,1,2\nb1,3\n"), "bad.csv, line 3", "has 2 cells"),
    "CSV long row": (csv_with("barcode,A,B\nb0,1,2\nb1,3,4,5\n"), "bad.csv, line 3", "has 4 cells"),
    "CSV all rows long": (
        csv_with("A,B\nb0,1,2\nb1,3,4\n"),
        "bad.csv, line 2",
        "has 3 cells; expected 2, as in the header",
    ),
    "CSV trailing comma": (csv_with("barcode,A,B\nb0,1,2,\nb1,3,4,\n"), "bad.csv, line 2", "has 4 cells"),
    "CSV nameless column": (csv_with("barcode,A,\nb0,1,2\n"), "bad.csv, line 1, column 3", "has no name"),
    "CSV semicolons": (csv_with("barcode;A;B\nb0;1;2\n"), "bad.csv", "has one column only, with ';' in it"),
    "CSV not UTF-8": (csv_with(b"barcode,A\nb0,1\nb\xe4,2\n"), "bad.csv, line 3", "byte 0xe4 is not UTF-8"),
    "CSV duplicated barcode": (csv_with("barcode,A\nb0,1\nb0,2\n"), "bad.csv", "barcode 'b0' names row 1 and row 2"),
    "CSV empty barcode": (csv_with("barcode,A\nb0,1\n,2\n"), "bad.csv", "spot 2 has no name"),
    "CSV gzip broken": (
        csv_with(gzip.compress(b"barcode,A\n" + b"b0,1\n" * 9999)[:40], "bad.csv.gz"),
        "bad.csv.gz",
        "not a readable",
    ),
    "CSV not gzip": (csv_with("barcode,A\nb0,1\n", "bad.csv.gz"), "bad.csv.gz", "not a readable text table"),
    "CSV transposed": (
        lambda f: [
            "--rna",
            text(f, "t.csv", "gene," + ",".join(SPOTS) + "\nA" + ",1" * 12 + "\n"),
            "--spatial",
            good_xy(f),
        ],
        "xy.csv",
        "transpose the matrix to spots x features",
    ),
    "coordinates missing": (
        lambda f: ["--rna", good_csv(f), "--spatial", str(f / "bad.csv")],
        "bad.csv",
        "no such file",
    ),
    "coordinates of unknown kind": (xy_with("barcode,x,y\nb0,1,2\n", "bad.xlsx"), "bad.xlsx", "unknown kind of table"),
    "coordinates parquet broken": (xy_with("PAR1", "bad.parquet"), "bad.parquet", "not a readable parquet file"),
    "coordinates empty": (xy_with(""), "bad.csv", "is empty"),
    "coordinates header only": (xy_with("barcode,x,y\n"), "bad.csv", "has a header but no rows"),
    "coordinates without y": (xy_with("barcode,x\nb0,1\n"), "bad.csv", "has no column 'y' (found: 'barcode', 'x')"),
    "coordinates without barcode": (xy_with("x,y\n1,2\n"), "bad.csv", "has no column 'barcode'"),
    "coordinates, x twice": (xy_with("barcode,x,X,y\nb0,1,2,3\n"), "bad.csv", "has 2 columns named 'x'"),
    "coordinates text": (xy_with("barcode,x,y\nb0,1,2\nb1,left,3\n"), "bad.csv, line 3, column 'x'", "'left' is not a"),
    "coordinates NaN": (
        xy_with("barcode,x,y\nb0,1,nan\n"),
        "bad.csv, line 2, column 'y'",
        "'nan' is not a finite number",
    ),
    "coordinates empty cell": (
        xy_with("barcode,x,y\nb0,1,\n"),
        "bad.csv, line 2, column 'y'",
        "'' is not a finite number",
    ),
    "coordinates duplicated": (
        xy_with("barcode,x,y\nb0,1,2\nb0,1,2\n"),
        "bad.csv, line 3",
        "'b0' appears a second time",
    ),
    "coordinates nameless": (xy_with("barcode,x,y\nb0,1,2\n,1,2\n"), "bad.csv, line 3, column 'barcode'", "is empty"),
    "coordinates ragged": (xy_with("barcode,x,y\nb0,1\n"), "bad.csv, line 2", "has 2 cells"),
    "coordinates not UTF-8": (xy_with(b"barcode,x,y\nb\xff,1,2\n"), "bad.csv, line 2", "is not UTF-8"),
    "coordinates of others": (
        xy_with("barcode,x,y\nz0,1,2\n"),
        "bad.csv",
        "match no barcode of the section (first: 'b0')",
    ),
    "coordinates of some": (
        xy_with("barcode,x,y\nb0,1,2\nb1,2,2\n"),
        "bad.csv",
        "10 of 12 spots have no coordinates (first: 'b2')",
    ),
    "labels missing": (lambda f: ["--rna", h5ad(f), "--labels", str(f / "bad.csv")], "bad.csv", "no such file"),
    "labels of others": (labels_with("barcode,label\nz,1\n"), "bad.csv", "match no barcode of the section"),
    "labels without label": (labels_with("barcode,what\nb0,1\n"), "bad.csv", "has no column 'label'"),
    "labels duplicated": (labels_with("barcode,label\nb0,1\nb0,2\n"), "bad.csv, line 3", "appears a second time"),
    "labels all empty": (labels_with("barcode,label\nb0,\nb1,NA\n"), "bad.csv", "holds no label"),
    "labels column absent": (
        lambda f: ["--rna", h5ad(f, "bad.h5ad"), "--labels", "regoin"],
        "bad.h5ad",
        "obs has no column 'regoin' for the labels; expected one of its columns ('region')",
    ),
    "labels column empty": (some_empty_labels, "bad.h5ad, obs column 'empty'", "holds no label"),
    "labels that disagree": (unequal_labels, "bad.h5ad, obs column 'region'", "spot 'b0' is 'right' here, 'left' in"),
    "section not a file name": (
        lambda f: ["--rna", h5ad(f), "--section", "a/b"],
        "--section",
        "'a/b' cannot name a file",
    ),
    "dataset not a file name": (lambda f: ["--rna", h5ad(f), "--dataset", "../x"], "--dataset", "cannot name a file"),
    "out of another kind": (lambda f: ["--rna", h5ad(f), "--out", str(f / "o.csv")], "--out", "does not end in .h5mu"),
}


def check_refusal(folder: Path, code: int, stderr: str, where: str, says: str) -> None:
    lines = stderr.splitlines()
    assert code == 2, stderr
    errors = [line for line in lines if line.startswith("ERROR:")]
    assert len(errors) == 1, stderr
    assert all(line.startswith("WARNING: ") for line in lines if line not in errors), stderr
    assert where in errors[0]
    assert says in errors[0]
    # Neither an output nor a temporary folder of one is left.
    assert not (folder / "out").exists() or not list((folder / "out").iterdir())


@pytest.mark.parametrize("case", REFUSED)
def test_refusals(case: str, tmp_path: Path) -> None:
    build, where, says = REFUSED[case]
    result = run(tmp_path, *build(tmp_path))
    check_refusal(tmp_path, result.exit_code, result.stderr, where, says)


@pytest.mark.parametrize("case", ["truncated h5ad", "no coordinates"])
def test_refusals_of_the_real_process(case: str, tmp_path: Path, project: Path) -> None:
    """A real process: no library may write to stderr at import or exit, and no traceback appears."""
    build, where, says = REFUSED[case]
    fixed_options = ["--dataset", "d", "--section", "s", "--out", str(tmp_path / "out" / "section.h5mu")]
    done = subprocess.run(
        [sys.executable, str(project / "bin" / "ingest.py"), *fixed_options, *build(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    check_refusal(tmp_path, done.returncode, done.stderr, where, says)
    assert done.stdout == ""


def test_an_older_output_survives_a_refusal(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "section.h5mu").write_text("older")
    assert run(tmp_path, "--rna", h5ad(tmp_path, xy=None)).exit_code == 2
    assert (tmp_path / "out" / "section.h5mu").read_text() == "older"
    assert len(list((tmp_path / "out").iterdir())) == 1


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = run(tmp_path, "--debug", "--rna", str(tmp_path / "none.h5ad"))
    assert result.exit_code == 2
    assert "Traceback" in result.stderr


def test_a_section_keeps_the_contract(tmp_path: Path) -> None:
    adt = adata(COUNTS[6:] + 1, SPOTS[6:], XY[6:])
    adt.write_h5ad(tmp_path / "adt.h5ad")
    arguments = ["--rna", h5ad(tmp_path), "--adt", str(tmp_path / "adt.h5ad"), "--labels", "region"]
    result = run(tmp_path, *arguments, "--platform", "dbit", "--order", "3")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    section = contract.read_h5mu(tmp_path / "out" / "section.h5mu", "section")
    assert dict(section.uns["spatialweave"]) == {
        "kind": "section",
        "contract": contract.CONTRACT_VERSION,
        "dataset": "d",
        "section": "s1",
        "platform": "dbit",
        "layout": "square",
        "coordinate_unit": "unknown",
        "order": 3,
    }
    assert section.obs_names.tolist() == SPOTS
    assert section.obs["section"].tolist() == ["s1"] * 12
    assert section.obs["label"].tolist() == ["left", "right"] * 6
    np.testing.assert_array_equal(section.obsm["spatial"], XY)
    np.testing.assert_array_equal(np.ravel(section.obsm["adt"]), [False] * 6 + [True] * 6)
    np.testing.assert_array_equal(section.mod["rna"].X.toarray(), COUNTS)
    np.testing.assert_array_equal(section.mod["adt"].X.toarray(), COUNTS[6:] + 1)
    for modality in section.mod.values():
        assert sparse.isspmatrix_csr(modality.X)
        assert modality.X.dtype == np.float32
        assert modality.obs_names.dtype == object
    # Scanpy, not the code under test, takes the file as raw counts.
    assert scanpy.pp.calculate_qc_metrics(section.mod["rna"], percent_top=None)[0]["total_counts"].sum() == COUNTS.sum()


def test_layout_is_inferred_and_a_contradiction_is_told(tmp_path: Path) -> None:
    xy = np.array([(i % 6, i // 6) for i in range(36)], dtype=float)
    path = h5ad(tmp_path, counts=np.ones((36, 3)), spots=[f"s{i}" for i in range(36)], xy=xy)
    assert run(tmp_path, "--rna", path).exit_code == 0
    facts = contract.read_h5mu(tmp_path / "out" / "section.h5mu", "section").uns["spatialweave"]
    assert (facts["platform"], facts["layout"]) == ("square", "square")
    result = run(tmp_path, "--rna", path, "--platform", "visium")
    assert result.exit_code == 0
    assert result.stderr.startswith("WARNING: ")
    assert len(result.stderr.splitlines()) == 1
    assert "look like the layout 'square', but the platform visium is 'hexagonal'" in result.stderr


def test_same_input_gives_the_same_content(tmp_path: Path) -> None:
    path = h5ad(tmp_path)
    sections = []
    for _ in range(2):
        assert run(tmp_path, "--rna", path).exit_code == 0
        sections.append(contract.read_h5mu(tmp_path / "out" / "section.h5mu", "section"))
    assert sections[0].obs.equals(sections[1].obs)
    assert (sections[0].mod["rna"].X != sections[1].mod["rna"].X).nnz == 0
