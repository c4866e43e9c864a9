"""The folders for Seurat: their matrices read by scanpy and by the pipeline, their tables by pandas."""

from __future__ import annotations

import gzip
import json
import re
import shutil
import subprocess
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scanpy
from scipy import sparse

from spatialweave.export.formats import export
from spatialweave.io.contract import join_modalities, write
from spatialweave.io.readers import read

from .conftest import BARCODES, RNA, SMART, SPOTS, content


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
    assert tables["metadata.csv"].columns.tolist() == [
        "section", "meta_donor", "label", "smart_1", "weave_1", "weave_1_confidence", "smart_1_pseudotime"
    ]  # fmt: skip
    assert tables["metadata.csv"]["weave_1_confidence"].tolist() == [0, 1 / 8, 2 / 8, 3 / 8]
    assert tables["metadata.csv"]["smart_1_pseudotime"].tolist() == pytest.approx([k / 7 for k in range(4)])
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
    tables = {"parameters.json", "versions.json", "colours.json"}
    assert named | tables | {"load.R", "spatial"} == names
    assert all(script.count(opening) == script.count(closing) for opening, closing in ("()", "[]", "{}"))


def test_no_time_is_in_the_files(folder: Path) -> None:
    """The same content gives the same bytes: the header of gzip has room for a time."""
    packed = list(folder.rglob("*.gz"))
    assert packed
    for path in packed:
        assert path.read_bytes()[4:8] == bytes(4)


def test_parameters_versions_and_colours_go_along(folder: Path) -> None:
    contents = {name: json.loads((folder / f"{name}.json").read_text()) for name in
                ("parameters", "versions", "colours")}  # fmt: skip
    assert contents["parameters"] == {"seeds": 1} and contents["versions"] == {"python": "3"}
    assert contents["colours"]["smart_1"] == {"1": "#0072B2", "2": "#E69F00", "10": "#009E73"}
    assert list(contents["colours"]["smart_1"]) == ["1", "2", "10"]


def test_a_symmetric_matrix_is_written_whole(tmp_path: Path) -> None:
    """As many features as spots, and counts that are the same both ways: Seurat reads but what is written."""
    data = content()
    counts = sparse.csr_matrix([[1, 2, 0, 0], [2, 3, 4, 0], [0, 4, 5, 6], [0, 0, 6, 7]] * 2, dtype=np.float32)
    features = pd.DataFrame(index=["a\tb", "c\nd", "e", "f"])
    data.mod["rna"] = anndata.AnnData(counts, pd.DataFrame(index=SPOTS), features)
    write(data, tmp_path / "i.h5mu")
    export(tmp_path / "i.h5mu", ["seurat"], tmp_path)
    folder = tmp_path / "seurat" / "one" / "rna"
    with gzip.open(folder / "matrix.mtx.gz", "rt") as stream:
        assert stream.readline().split()[-1] == "general"
    with gzip.open(folder / "features.tsv.gz", "rt") as stream:
        assert [line.split("\t")[1] for line in stream] == ["a b", "c d", "e", "f"]
    assert scanpy.read_10x_mtx(folder).X.toarray().tolist() == counts.toarray()[:4].tolist()


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
colours <- unlist(object@misc$colours$smart_1)
plot <- DimPlot(object, reduction = "spatial", group.by = "smart_1", cols = colours)
found$colours <- ggplot2::layer_data(plot)$colour
cat(jsonlite::toJSON(found))
"""


def in_r(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run R in the folder; the test is skipped where R lacks what `load.R` needs."""
    program = shutil.which("Rscript")
    needed = ["Seurat", "jsonlite", "png"]
    check = f"q(status = sum(!sapply(c({', '.join(map(repr, needed))}), requireNamespace, quietly = TRUE)))"
    if program is None or subprocess.run([program, "-e", check], capture_output=True).returncode:
        pytest.skip(f"Rscript with {', '.join(needed)} is not installed")
    return subprocess.run([program, "-e", code], cwd=folder, capture_output=True, text=True)


def test_seurat_loads_the_folder(folder: Path) -> None:
    """By R itself, where it has Seurat: two of four spots have both modalities."""
    done = in_r(folder, REPORT)
    assert done.returncode == 0, done.stderr
    assert "2 of 4 spots are left out" in done.stderr
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert (found["assays"], found["spots"], found["donors"]) == (["RNA", "ADT"], ["AAA-1", "GGG-1"], ["P1", "P1"])
    assert found["domains"] == ["1", "2"] and found["genes"] == ["CD3", "ACTB", "5'X"]
    assert found["rna"] == RNA[[0, 2]].T.tolist() and found["adt"] == [[7, 0], [0, 9]]
    # y goes up in Seurat's plots.
    assert found["spatial"] == [[0, -1], [4, -5]] and found["embedding"] == [[0, 1, 2], [6, 7, 8]]
    # Pixels of the image, 4 per unit, of which the origin is at (8, -4).
    assert (found["row"], found["column"]) == ([0, 16], [8, 24])
    assert (folder / "drawn.png").stat().st_size > 0
    assert found["colours"] == ["#0072B2", "#E69F00"]


NUMBERS = ["007", "7", "123456789012345678901234", "123456789012345678901235"]

CONTENT = """
source("load.R", chdir = TRUE)
found <- list(
  spots = colnames(object), features = rownames(object), domains = as.character(object$smart_1),
  levels = levels(object$smart_1), labels = as.character(object$label), confidence = unname(object$weave_1_confidence),
  embedding = unname(Embeddings(object, "X_smart_1")), misc = object@misc
)
cat(jsonlite::toJSON(found, auto_unbox = TRUE))
"""


def test_seurat_keeps_names_that_are_numbers(tmp_path: Path) -> None:
    """Barcodes of MERSCOPE and features of imzML; one label is a number, too."""
    data = content()
    obs = data.obs.assign(barcode=NUMBERS * 2, label=data.obs["label"].cat.rename_categories({"hilum": "01"}))
    spectra = anndata.AnnData(data.mod["rna"].X, obs[[]], pd.DataFrame(index=["104.1070", "104.107", "NA"]))
    renamed = join_modalities({"metabolite": spectra}, obs, data.obsm["spatial"], data.uns)
    renamed.obsm.update({key: data.obsm[key] for key in ("X_smart_1", "confidence_weave_1")})
    write(renamed, tmp_path / "i.h5mu")
    export(tmp_path / "i.h5mu", ["seurat"], tmp_path)
    done = in_r(tmp_path / "seurat" / "one", CONTENT)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["spots"] == NUMBERS and found["features"] == ["104.1070", "104.107", "NA"]
    assert found["domains"] == SMART[:4] and found["levels"] == ["1", "2", "10"]
    assert found["labels"] == ["cortex", None, "01", "01"]
    assert found["confidence"] == [0, 1 / 8, 2 / 8, 3 / 8]
    assert found["embedding"] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]
    assert found["misc"]["parameters"] == {"seeds": 1} and found["misc"]["versions"] == {"python": "3"}
    assert found["misc"]["colours"]["smart_1"] == {"1": "#0072B2", "2": "#E69F00", "10": "#009E73"}


def test_modalities_without_a_common_spot_are_told(tmp_path: Path) -> None:
    """One spot can be an object of its own; none cannot."""
    data = content()
    data.mod["rna"] = data.mod["rna"][[1, 3, 4, 5]].copy()
    data.mod["adt"] = data.mod["adt"][["one:AAA-1", "two:CCC-1"]].copy()
    write(data, tmp_path / "i.h5mu")
    export(tmp_path / "i.h5mu", ["seurat"], tmp_path)
    done = in_r(tmp_path / "seurat" / "one", CONTENT)
    assert done.returncode != 0 and "no spot has all of the assays: in load.R" in done.stderr
    done = in_r(tmp_path / "seurat" / "two", CONTENT)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout[done.stdout.index("{") :])["spots"] == "CCC-1"
