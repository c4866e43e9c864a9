"""The contract is checked at the door: files of another kind, version or set of spots are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io import contract
from spatialweave.io.dataset import read_dataset
from spatialweave.io.embeddings import read_embedding, training_record, write_embedding
from spatialweave.io.files import atomic_path
from spatialweave.io.graph_file import SPATIAL_GRAPH, read_graph, read_spatial_graph

SPOTS = ["a", "b", "c"]


def latents(folder: Path) -> Path:
    """RNA of all three spots, protein of the last and the first one only."""
    modalities = {}
    for name, spots in (("rna", SPOTS), ("adt", ["c", "a"])):
        part = anndata.AnnData(obs=pd.DataFrame(index=spots))
        part.obsm["X_latent"] = np.array([[ord(spot), 1] for spot in spots], dtype=np.float32)
        modalities[name] = part
    data = mudata.MuData(modalities)
    data.obs = pd.DataFrame({"barcode": SPOTS, "section": "s"}, index=SPOTS)
    data.obsm["spatial"] = np.arange(6.0).reshape(3, 2)
    data.uns["spatialweave"] = contract.stamp("latents", dataset="d", layout="square")
    contract.write(data, folder / "x.latents.h5mu")
    return folder / "x.latents.h5mu"


def graph(folder: Path, spots: list[str] = SPOTS, kind: str = "graph", version: int | None = None) -> Path:
    """A graph with one edge, from the first spot to the second."""
    data = anndata.AnnData(obs=pd.DataFrame(index=spots))
    data.obsp["spatial_connectivities"] = sparse.csr_matrix(([1.0], ([0], [1])), shape=(len(spots), len(spots)))
    data.uns["spatialweave"] = contract.stamp(kind, dataset="d", layout="square")
    if version is not None:
        data.uns["spatialweave"]["contract"] = version
    contract.write(data, folder / "graph.h5ad")
    return folder / "graph.h5ad"


def test_a_dataset_aligns_every_modality_with_all_spots(tmp_path: Path) -> None:
    dataset = read_dataset(latents(tmp_path), graph(tmp_path))
    rna, adt = dataset.modalities
    assert (rna.name, adt.name) == ("rna", "adt")
    assert adt.present.tolist() == [True, False, True]
    assert adt.latent.tolist() == [[ord("a"), 1], [0, 0], [ord("c"), 1]]
    assert dataset.graphs["spatial_connectivities"].nonzero()[1].tolist() == [1]
    assert dataset.n_spots == 3


def test_of_a_graph_only_what_is_asked_for_is_read(tmp_path: Path) -> None:
    path, spots = graph(tmp_path), pd.Index(SPOTS)
    data = anndata.read_h5ad(path)
    damaged = data.obsp["spatial_connectivities"].copy()
    damaged.data[:] = np.nan
    data.obsp["rna_connectivities"] = damaged
    contract.write(data, path)
    assert set(read_graph(path, spots, [SPATIAL_GRAPH]).obsp) == {SPATIAL_GRAPH}
    assert read_spatial_graph(path, spots).nonzero()[1].tolist() == [1]
    assert set(read_dataset(latents(tmp_path), path, graphs=[SPATIAL_GRAPH]).graphs) == {SPATIAL_GRAPH}
    with pytest.raises(InputError, match=r"rna_connectivities.*negative or not finite"):
        read_graph(path, spots)
    with pytest.raises(InputError, match=r"graph.h5ad: obsp has no 'adt_connectivities'"):
        read_graph(path, spots, ["adt_connectivities"])


def test_of_an_embedding_only_the_tables_that_are_asked_for_are_read(tmp_path: Path) -> None:
    dataset = read_dataset(latents(tmp_path), graph(tmp_path))
    extras = {name: pd.DataFrame({"value": [1.0, 2.0, 3.0]}, index=SPOTS) for name in ("weights", "confidence")}
    write_embedding(tmp_path / "e.h5ad", dataset, np.ones((3, 2)), {"method": "m", "seed": 1}, extras)
    assert set(read_embedding(tmp_path / "e.h5ad", pd.Index(SPOTS), ["confidence", "absent"]).obsm) == {"confidence"}
    assert set(read_embedding(tmp_path / "e.h5ad", keys=()).obsm) == set()
    assert set(read_embedding(tmp_path / "e.h5ad").obsm) == {"spatial", "weights", "confidence"}
    with pytest.raises(InputError, match=r"its spots are not those of x.h5mu"):
        read_embedding(tmp_path / "e.h5ad", pd.Index(SPOTS[::-1]), spots_of="x.h5mu")


def test_latents_of_another_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its encoding-type is anndata, not MuData"):
        read_dataset(graph(tmp_path))
    section = mudata.MuData({"rna": anndata.AnnData(obs=pd.DataFrame(index=SPOTS))})
    contract.write(section, tmp_path / "bare.h5mu")
    with pytest.raises(InputError, match="is another file; expected a latents file"):
        read_dataset(tmp_path / "bare.h5mu")
    section.uns["spatialweave"] = contract.stamp("section")
    contract.write(section, tmp_path / "section.h5mu")
    with pytest.raises(InputError, match="is of kind section of contract 1; expected a latents file"):
        read_dataset(tmp_path / "section.h5mu")


def test_a_dataset_is_the_same_as_mudata_reads_it(tmp_path: Path) -> None:
    path = latents(tmp_path)
    dataset, data = read_dataset(path), mudata.read_h5mu(path)
    pd.testing.assert_frame_equal(dataset.obs, data.obs)
    assert np.array_equal(dataset.coordinates, data.obsm["spatial"])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: latents(folder), "its encoding-type is MuData, not anndata"),
        (lambda folder: graph(folder, kind="embedding"), "is of kind embedding of contract 1; expected a graph file"),
        (lambda folder: graph(folder, version=0), "is of kind graph of contract 0"),
        (lambda folder: graph(folder, spots=["a", "c", "b"]), "its spots are not those of"),
        (lambda folder: folder / "absent.h5ad", "no such file or folder; expected .h5ad file"),
    ],
)
def test_a_graph_that_does_not_fit_is_refused(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_dataset(latents(tmp_path), make(tmp_path))


def test_an_embedding_comes_back_with_its_record(tmp_path: Path) -> None:
    dataset = read_dataset(latents(tmp_path))
    embedding = np.arange(6, dtype=np.float32).reshape(3, 2)
    table = pd.DataFrame({"rna spatial": [0.25, 0.5, 1]}, index=SPOTS, dtype=np.float32)
    record = {"method": "m", "seed": 3, "losses": {"total": [1.0, 0.5]}, "peak_gpu_mb": None}
    write_embedding(tmp_path / "e.h5ad", dataset, embedding, record, {"weights": np.eye(3), "table": table})
    back = contract.read_h5ad(tmp_path / "e.h5ad", "embedding")
    assert np.array_equal(back.X, embedding)
    assert np.array_equal(back.obsm["weights"], np.eye(3))
    pd.testing.assert_frame_equal(back.obsm["table"], table)
    assert training_record(back) == record


def test_a_failing_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "table.csv"
    target.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(target) as path:
        path.write_text("half")
        raise RuntimeError("disk full")
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.csv"]
    assert target.read_text() == "old"


@pytest.mark.parametrize("folder", [False, True])
def test_a_folder_with_other_files_is_not_replaced(tmp_path: Path, folder: bool) -> None:
    target = tmp_path / "project"
    target.mkdir()
    (target / "raw.csv").write_text("data")

    def write(path: Path) -> None:
        if folder:
            path.mkdir()
            (path / "model.json").write_text("new")
        else:
            path.write_text("new")

    with (
        pytest.raises(InputError, match=r"project: is a folder with raw.csv, which would be lost"),
        atomic_path(target) as path,
    ):
        write(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["project"]
    assert (target / "raw.csv").read_text() == "data"


def test_a_folder_is_replaced_by_its_successor(tmp_path: Path) -> None:
    target = tmp_path / "model"
    for text in ("old", "new"):
        with atomic_path(target) as path:
            path.mkdir()
            (path / "model.json").write_text(text)
    assert [(path.name, path.read_text()) for path in target.iterdir()] == [("model.json", "new")]
