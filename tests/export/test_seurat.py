"""The folders for Seurat: their matrices read by scanpy and by the pipeline, their tables by pandas."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import scanpy

from spatialweave.export.formats import export
from spatialweave.io.readers import read

from .conftest import BARCODES, RNA, SMART


@pytest.fixture
def folder(integrated: Path, tmp_path: Path) -> Path:
    export(integrated, ["seurat"], tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "seurat").iterdir()) == ["one", "two"]
    return tmp_path / "out" / "seurat" / "one"


def test_scanpy_reads_the_matrices(folder: Path) -> None:
    rna = scanpy.read_10x_mtx(folder / "rna")
    assert rna.obs_names.tolist() == BARCODES and rna.var_names.tolist() == ["CD3", "ACTB", "5'X"]
    assert rna.X.toarray().tolist() == RNA[:4].tolist()
    assert rna.var["gene_ids"].tolist() == ["ENSG1", "ENSG2", "ENSG3"]
    # Seurat's Read10X takes counts as they are written: whole numbers.
    with gzip.open(folder / "rna" / "matrix.mtx.gz", "rt") as stream:
        assert stream.readline().split()[3] == "integer"
    adt = scanpy.read_10x_mtx(folder / "adt", gex_only=False)
    assert adt.obs_names.tolist() == ["AAA-1", "GGG-1"] and adt.X.toarray().tolist() == [[7, 0], [0, 9]]
    assert adt.var["feature_types"].tolist() == ["Antibody Capture"] * 2


def test_the_pipeline_reads_the_matrices(folder: Path) -> None:
    found = read(folder / "adt")[0]
    matrix, features = found.slots["matrix"]()
    assert found.obs.index.tolist() == ["AAA-1", "GGG-1"] and matrix.toarray().tolist() == [[7, 0], [0, 9]]
    assert features.index.tolist() == ["CD3", "IgG"] and set(features["feature_types"]) == {"Antibody Capture"}


def test_tables_have_every_spot(folder: Path) -> None:
    tables = {name: pd.read_csv(folder / name, index_col=0, dtype={"smart_1": str}) for name in
              ("metadata.csv", "coordinates.csv", "embeddings/X_smart_1.csv")}  # fmt: skip
    assert all(table.index.tolist() == BARCODES for table in tables.values())
    assert tables["metadata.csv"].columns.tolist() == ["section", "meta_donor", "label", "smart_1", "weave_1"]
    assert set(tables["metadata.csv"]["meta_donor"]) == {"P1"}
    assert tables["metadata.csv"]["smart_1"].tolist() == SMART[:4]
    assert tables["coordinates.csv"]["y"].tolist() == [1, 3, 5, 7]
    umap = pd.read_csv(folder / "embeddings" / "X_umap_smart_1.csv", index_col=0)
    assert umap.iloc[:, 0].dropna().to_dict() == {"AAA-1": 0, "GGG-1": 4, "TTT-1": 6}
    assert tables["embeddings/X_smart_1.csv"].iloc[:, 2].tolist() == [2, 5, 8, 11]


def test_the_script_names_what_is_there(folder: Path) -> None:
    script = (folder / "load.R").read_text()
    assert 'c(RNA = "rna", ADT = "adt")' in script
    names = {path.name for path in folder.iterdir()}
    named = set(re.findall(r'"([a-z]+[.]csv|embeddings|rna|adt)"', script))
    assert named | {"load.R", "spatial"} == names
    assert all(script.count(opening) == script.count(closing) for opening, closing in ("()", "[]", "{}"))


def test_no_time_is_in_the_files(folder: Path) -> None:
    """The same content gives the same bytes: the header of gzip has room for a time."""
    packed = list(folder.rglob("*.gz"))
    assert packed
    for path in packed:
        assert path.read_bytes()[4:8] == bytes(4)


REPORT = """
source("load.R", chdir = TRUE)
place <- GetTissueCoordinates(object[["tissue"]])
found <- list(
  assays = Assays(object), spots = colnames(object), domains = as.character(object$smart_1),
  donors = as.character(object$meta_donor), rna = as.matrix(GetAssayData(object, "counts", assay = "RNA")),
  adt = as.matrix(GetAssayData(object, "counts", assay = "ADT")), genes = rownames(object[["RNA"]]),
  spatial = unname(Embeddings(object, "spatial")), embedding = unname(Embeddings(object, "X_smart_1")),
  row = place$imagerow, column = place$imagecol
)
plot <- SpatialDimPlot(object, group.by = "smart_1")
png("drawn.png"); print(plot); invisible(dev.off())
cat(jsonlite::toJSON(found))
"""


def test_seurat_loads_the_folder(folder: Path) -> None:
    """By R itself, where it has Seurat: two of four spots have both modalities."""
    program = shutil.which("Rscript")
    needed = ["Seurat", "jsonlite", "png"]
    check = f"q(status = sum(!sapply(c({', '.join(map(repr, needed))}), requireNamespace, quietly = TRUE)))"
    if program is None or subprocess.run([program, "-e", check], capture_output=True).returncode:
        pytest.skip(f"Rscript with {', '.join(needed)} is not installed")
    done = subprocess.run([program, "-e", REPORT], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert (found["assays"], found["spots"], found["donors"]) == (["RNA", "ADT"], ["AAA-1", "GGG-1"], ["P1", "P1"])
    assert found["domains"] == ["1", "2"] and found["genes"] == ["CD3", "ACTB", "5'X"]
    assert found["rna"] == RNA[[0, 2]].T.tolist() and found["adt"] == [[7, 0], [0, 9]]
    assert found["spatial"] == [[0, 1], [4, 5]] and found["embedding"] == [[0, 1, 2], [6, 7, 8]]
    # Pixels of the image, 4 per unit.
    assert (found["row"], found["column"]) == ([4, 20], [0, 16])
    assert (folder / "drawn.png").stat().st_size > 0
