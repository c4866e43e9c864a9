"""The integrated file, from files whose content the test knows."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from scipy import sparse

from spatialweave.assemble.join import assemble
from spatialweave.domains.palette import PALETTE
from spatialweave.errors import InputError
from spatialweave.io.contract import join_modalities, read_h5ad, stamp, write
from spatialweave.io.count_matrix import in_memory
from spatialweave.io.dataset import Dataset
from spatialweave.io.embeddings import write_embedding
from spatialweave.io.integrated import read_integrated
from spatialweave.io.result_tables import NAMES, PSEUDOTIME

SPOTS = ["s1", "s2", "s3"]
SECTIONS = json.dumps([{"name": "one", "platform": "dbit", "spots": {"rna": 3}, "features": {"rna": 2}}])


def dataset(name: str) -> Dataset:
    """Three spots on a line."""
    obs = pd.DataFrame({"barcode": SPOTS, "section": name}, index=SPOTS)
    return Dataset(name, obs, np.array([[0.0, 0], [1, 0], [2, 0]]), [])


def embedding(path: Path, name: str, method: str, seed: int) -> Path:
    """An embedding whose values identify the spot."""
    training = {"method": method, "seed": seed, "epochs": 7, "seconds": 1.5, "peak_rss_mb": 100, "peak_gpu_mb": None}
    write_embedding(path, dataset(name), np.arange(6, dtype=np.float32).reshape(3, 2), training)
    return path


def modality(name: str, spots: list[str], counts: list[list[int]]) -> anndata.AnnData:
    """Counts of the given spots; their coordinates do not matter here."""
    features = pd.DataFrame(index=[f"{name}{number}" for number in range(len(counts[0]))])
    data = anndata.AnnData(sparse.csr_matrix(np.array(counts, dtype=np.float32)), pd.DataFrame(index=spots), features)
    data.obsm["spatial"] = np.zeros((len(spots), 2))
    return data


def assembled(files: Path, *texts: Path) -> mudata.MuData:
    """The integrated file with its counts in memory."""
    data, counts = assemble(files, *texts)
    for name, stored in counts.items():
        data.mod[name].X = in_memory(stored).astype(np.float32)
    return data


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """A dataset whose protein misses spot s2, with one embedding and its domains."""
    folder = tmp_path / "files"
    rna = modality("rna", SPOTS, [[1, 0], [2, 5], [3, 0]])
    adt = modality("adt", ["s3", "s1"], [[30], [10]])
    counts = mudata.MuData({"rna": rna.copy(), "adt": adt.copy()})
    counts.obs = dataset("one").obs.reindex(counts.obs_names)
    counts.obsm["spatial"] = np.arange(6.0).reshape(3, 2)
    counts.uns["spatialweave"], counts.uns["sections"] = (
        stamp("counts", dataset="one", platform="dbit", layout="square"),
        SECTIONS,
    )
    write(counts, folder / "smart.counts.h5mu")
    for part, latent in ((rna, [[1.0], [2], [3]]), (adt, [[30.0], [10]])):
        part.obsm["X_latent"] = np.array(latent, dtype=np.float32)
    # In another order than the counts.
    latents = mudata.MuData({"rna": rna[["s2", "s3", "s1"]].copy(), "adt": adt[["s1", "s3"]].copy()})
    latents.obs = dataset("one").obs.reindex(latents.obs_names)
    latents.obsm["spatial"] = dataset("one").coordinates[[SPOTS.index(name) for name in latents.obs_names]]
    latents.uns["spatialweave"] = stamp("latents", dataset="one", layout="square")
    write(latents, folder / "smart.latents.h5mu")
    embedding(folder / "smart.seed1.h5ad", "one", "smart", 1)
    (folder / "smart.seed1.domains.csv").write_text("barcode,section,domain\ns3,one,2\ns1,one,1\ns2,one,12\n")
    return folder


def with_more(files: Path) -> mudata.MuData:
    """The integrated file of a method that also reconstructs latents and weighs modalities; a gene is left out."""
    path = files / "smart.latents.h5mu"
    latents = mudata.read_h5mu(path)
    rna = latents["rna"][:, ["rna1"]].copy()
    rna.varm["loadings"] = np.array([[0.5]], dtype=np.float32)
    rna.var["mean"], rna.var["scale"] = 2.0, 10.0
    changed = mudata.MuData({"rna": rna, "adt": latents["adt"]}, obs=latents.obs)
    changed.obsm["spatial"], changed.uns["spatialweave"] = latents.obsm["spatial"], latents.uns["spatialweave"]
    write(changed, path)
    run = read_h5ad(files / "smart.seed1.h5ad", "embedding")
    run.uns["spatialweave"]["recipe"] = "smart"
    run.obsm["modality_weights"] = pd.DataFrame({"rna": [0.1, 0.2, 0.3], "adt": [0.9, 0.8, 0.7]}, index=SPOTS)
    run.obsm["denoised_rna"] = pd.DataFrame({"rna1": [0.0, 0, 0]}, index=SPOTS)
    for name in ("rna", "adt"):
        run.obsm[f"denoised_latent_{name}"] = np.array([[4.0], [6], [8]], dtype=np.float32)
    # In another order than the spots of the latents.
    write(run[["s3", "s1", "s2"]].copy(), files / "smart.seed1.h5ad")
    return assembled(files)


def test_integrated_file_has_the_per_spot_outputs(files: Path, tmp_path: Path) -> None:
    write(with_more(files), tmp_path / "integrated.h5mu")
    data = mudata.read_h5mu(tmp_path / "integrated.h5mu")
    weights = data.obsm["modality_weights_smart_1"]
    assert weights.loc[["s1", "s2", "s3"], "rna"].tolist() == [0.1, 0.2, 0.3]
    assert data["adt"].obsm["X_denoised_smart_smart_1"].ravel().tolist() == [8, 4]  # its spots are s3 and s1
    assert not [key for key in data.obsm if key.startswith("denoised")]


def test_a_gene_is_reconstructed_in_one_line(files: Path, project: Path) -> None:
    """The line of docs/outputs.md, on this file."""
    data = with_more(files)
    text = (project / "docs" / "outputs.md").read_text()
    start = text.index("    rna, gene =")
    lines = [line.strip() for line in text[start:].split("\n\n")[0].splitlines()]
    names: dict[str, Any] = {"data": data}
    exec("\n".join(lines).replace("Gene0001", "rna1"), names)
    # (latent 4, 6, 8 x loading 0.5 + mean 2) x standard deviation 10
    assert pd.Series(names["denoised"], names["rna"].obs_names).to_dict() == {"s1": 40, "s2": 50, "s3": 60}
    # The gene that the recipe left out is not known.
    assert np.isnan(data["rna"].varm["loadings_smart"][0]).all() and np.isnan(data["rna"].var["mean_smart"].iloc[0])


def test_integrated_file_keeps_every_spot_with_its_own_values(files: Path) -> None:
    data = assembled(files)
    assert data.obs["smart_1"].to_dict() == {"s1": "1", "s2": "12", "s3": "2"}
    rows = pd.Series(data.obsm["X_smart_1"][:, 0], index=data.obs_names)
    assert rows.to_dict() == {"s1": 0, "s2": 2, "s3": 4}
    assert data.mod["adt"].obs_names.tolist() == ["s3", "s1"]
    assert data.mod["adt"].obsm["X_latent_smart"].ravel().tolist() == [30, 10]
    assert data.mod["rna"].X.toarray().tolist() == [[1, 0], [2, 5], [3, 0]]
    assert data.mod["rna"].obsm["X_latent_smart"].ravel().tolist() == [1, 2, 3]
    assert pd.Series(data.obsm["spatial"][:, 0], index=data.obs_names).to_dict() == {"s1": 0, "s2": 1, "s3": 2}
    assert "spatial_aligned" not in data.obsm


def test_integrated_file_has_aligned_coordinates(files: Path) -> None:
    (files / "coordinates.csv").write_text("section,barcode,x,y\none,s3,5,6\none,s1,1,2\none,s2,3,4\n")
    data = assembled(files)
    assert dict(zip(data.obs_names, data.obsm["spatial_aligned"].tolist(), strict=True)) == {
        "s1": [1, 2], "s2": [3, 4], "s3": [5, 6]
    }  # fmt: skip


def test_modalities_have_what_is_known_of_their_spots(files: Path, tmp_path: Path) -> None:
    """Also where their own coordinates, as of several sections, are not there."""
    counts = mudata.read_h5mu(files / "smart.counts.h5mu")
    for part in counts.mod.values():
        del part.obsm["spatial"]
    write(counts, files / "smart.counts.h5mu")
    (files / "coordinates.csv").write_text("section,barcode,x,y\none,s3,5,6\none,s1,1,2\none,s2,3,4\n")
    write(assembled(files), tmp_path / "integrated.h5mu")
    adt = mudata.read_h5mu(tmp_path / "integrated.h5mu")["adt"]
    assert adt.obs_names.tolist() == adt.obs["barcode"].tolist() == ["s3", "s1"]
    assert adt.obs["section"].tolist() == ["one", "one"] and adt.obs["smart_1"].tolist() == ["2", "1"]
    assert adt.obsm["spatial"].tolist() == [[2, 0], [0, 0]]
    assert adt.obsm["spatial_aligned"].tolist() == [[5, 6], [1, 2]]
    # The order of the categories is that of the numbers, and so are the colours.
    assert dict(zip(adt.obs["smart_1"].cat.categories, adt.uns["smart_1_colors"], strict=True)) == {
        "1": PALETTE[0], "2": PALETTE[1], "12": PALETTE[11]
    }  # fmt: skip


def test_colours_are_those_of_the_report(files: Path) -> None:
    """Those of the labels that domains overlap most; a spot without a label has no category."""
    latents = mudata.read_h5mu(files / "smart.latents.h5mu")
    latents.obs["label"] = pd.Series({"s1": "b", "s2": "", "s3": "a"})
    write(latents, files / "smart.latents.h5mu")
    data = assembled(files)
    assert data.obs["label"].isna().to_dict() == {"s1": False, "s2": True, "s3": False}
    assert data.uns["label_colors"].tolist() == [PALETTE[0], PALETTE[1]]
    # Domain 1 is label b, domain 2 is a, and domain 12 is neither.
    assert data.uns["smart_1_colors"].tolist() == [PALETTE[1], PALETTE[0], PALETTE[2]]


def test_names_of_domains_are_a_column(files: Path, tmp_path: Path) -> None:
    """Two domains may have one name; a domain without one keeps its number."""
    rows = [
        ("smart.seed1", domain, name, given, 0.5, 0.2, 0.01, 3, 3, "", "")
        for domain, name, given in ((1, "cortex", True), (12, "cortex", True), (2, "cortex", False))
    ]
    NAMES.write(files / "names.csv", NAMES.frame([*rows, ("gone.seed1", *rows[0][1:])]))
    write(assembled(files), tmp_path / "integrated.h5mu")
    content = read_integrated(tmp_path / "integrated.h5mu")
    assert content.classes == ["smart_1", "smart_1_name"]
    column = content.data.obs["smart_1_name"]
    assert column.to_dict() == {"s1": "cortex", "s2": "cortex", "s3": "2"}
    assert content.data["adt"].obs["smart_1_name"].tolist() == ["2", "cortex"]
    colours = dict(zip(column.cat.categories, content.data.uns["smart_1_name_colors"], strict=True))
    assert colours == {"cortex": PALETTE[0], "2": PALETTE[1]}


def test_pseudotime(files: Path, tmp_path: Path) -> None:
    rows = [
        ("smart.seed1", "smart.seed1", "one", spot, value) for spot, value in (("s2", 0.5), ("s3", None), ("s1", 0.0))
    ]
    PSEUDOTIME.write(files / "pseudotime.csv", PSEUDOTIME.frame(rows))
    write(assembled(files), tmp_path / "integrated.h5mu")
    data = read_integrated(tmp_path / "integrated.h5mu").data
    assert data.obs["smart_1_pseudotime"].dropna().to_dict() == {"s1": 0.0, "s2": 0.5}
    own = data.obs.loc[data["adt"].obs_names, "smart_1_pseudotime"]
    np.testing.assert_array_equal(data["adt"].obs["smart_1_pseudotime"].to_numpy(), own.to_numpy())


@pytest.mark.parametrize("best", ["smart", "other"])
def test_without_labels_colours_follow_the_first_method_that_was_given(files: Path, best: str) -> None:
    embedding(files / "other.seed3.h5ad", "one", "other", 3)
    (files / "other.seed3.domains.csv").write_text("barcode,section,domain\ns1,one,2\ns2,one,1\ns3,one,1\n")
    (files / "methods.json").write_text(json.dumps(["smart", "other"] if best == "smart" else ["other", "smart"]))
    data = assembled(files)
    assert json.loads(data.uns["runs"]) == [{"method": "other", "seed": 3}, {"method": "smart", "seed": 1}]
    other, smart = data.uns["other_3_colors"].tolist(), data.uns["smart_1_colors"].tolist()
    # Spot s1 is domain 1 by smart and domain 2 by other.
    if best == "smart":
        assert smart == [PALETTE[0], PALETTE[1], PALETTE[11]] and other[1] == PALETTE[0]
    else:
        assert other == list(PALETTE[:2]) and smart[0] == PALETTE[1]


def test_integrated_file_has_the_graph_the_parameters_and_the_versions(files: Path, tmp_path: Path) -> None:
    graph = anndata.AnnData(obs=pd.DataFrame(index=["s2", "s3", "s1"]))
    # s2 - s3, 5 apart; and a graph of similar spots, which is not the tissue's.
    distances = sparse.csr_matrix(([5.0], ([0], [1])), shape=(3, 3))
    graph.obsp["spatial_distances"], graph.obsp["rna_distances"] = distances, distances
    graph.obsp["spatial_connectivities"] = ((distances + distances.T) > 0).astype(float)
    graph.uns["spatialweave"] = stamp("graph", dataset="one")
    write(graph, files / "graph.h5ad")
    (tmp_path / "params.json").write_text('{"seeds": 2, "preset": null}')
    (tmp_path / "versions.yml").write_text("python: 3.11.7\ntorch: 2.10.0\n")
    write(assembled(files, tmp_path / "params.json", tmp_path / "versions.yml"), tmp_path / "integrated.h5mu")
    content = read_integrated(tmp_path / "integrated.h5mu")
    data = content.data
    edge = data.obs_names.get_loc("s2"), data.obs_names.get_loc("s3")
    assert data.obsp["spatial_distances"].nnz == 1 and data.obsp["spatial_distances"][edge] == 5
    assert data.obsp["spatial_connectivities"].nnz == 2 and "rna_distances" not in data.obsp
    assert json.loads(data.uns["parameters"]) == {"seeds": 2, "preset": None}
    assert json.loads(data.uns["versions"]) == {"python": "3.11.7", "torch": "2.10.0"}
    assert [run.key for run in content.runs] == content.classes == ["smart_1"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("smart.latents.h5mu", "lacks 1 spots of the counts, the first is 's2'"),
        ("smart.seed1.h5ad", "lacks 1 spots of the counts, the first is 's2'"),
    ],
)
def test_files_that_lack_spots_are_refused(files: Path, name: str, message: str) -> None:
    data = mudata.read_h5mu(files / name) if name.endswith("h5mu") else anndata.read_h5ad(files / name)
    write(data[["s1", "s3"]].copy(), files / name)
    with pytest.raises(InputError, match=name) as raised:
        assemble(files)
    assert message in str(raised.value)


def test_spots_are_in_the_order_of_the_latents(tmp_path: Path) -> None:
    """Sections without a common modality: row numbers of long-range neighbours still mean the same spots."""
    spots = ["a:1", "a:2", "b:1", "b:2"]
    obs = pd.DataFrame({"barcode": ["1", "2"] * 2, "section": ["a", "a", "b", "b"]}, index=spots)
    parts = {"rna": modality("rna", spots[2:], [[1, 0], [2, 5]]), "adt": modality("adt", spots[:2], [[30], [10]])}
    points = np.arange(8.0).reshape(4, 2)
    facts = {"dataset": "one", "platform": "dbit", "layout": "square"}
    sizes = [("a", {"adt": 2}, {"adt": 1}), ("b", {"rna": 2}, {"rna": 2})]
    sections = [{"name": n, "platform": "dbit", "spots": spots_of, "features": f} for n, spots_of, f in sizes]
    uns = {"spatialweave": stamp("counts", **facts), "sections": json.dumps(sections)}
    counts = join_modalities({name: part.copy() for name, part in parts.items()}, obs, points, uns)
    write(counts, tmp_path / "smart.counts.h5mu")
    for part in parts.values():
        part.obsm["X_latent"] = np.ones((2, 1), dtype=np.float32)
    latents = join_modalities(parts, obs, points, {"spatialweave": stamp("latents", **facts)})
    write(latents, tmp_path / "smart.latents.h5mu")
    partners = pd.DataFrame({"1": [1, 0, 3, 2]}, index=spots)
    training = {"method": "spatialfuser", "seed": 1}
    values = np.arange(8, dtype=np.float32).reshape(4, 2)
    write_embedding(
        tmp_path / "spatialfuser.seed1.h5ad",
        Dataset("one", obs, points, []),
        values,
        training,
        {"long_range": partners},
    )
    found = assembled(tmp_path)
    assert found.obs_names.tolist() == spots
    assert found.obsm["spatial"].tolist() == points.tolist()
    assert found.obs_names[found.obsm["long_range_spatialfuser_1"]["1"]].tolist() == ["a:2", "a:1", "b:2", "b:1"]


def test_assemble_script_writes_a_readable_file(files: Path, tmp_path: Path, project: Path) -> None:
    main = runpy.run_path(str(project / "bin" / "assemble.py"))["main"]
    out = tmp_path / "integrated.h5mu"
    done = CliRunner().invoke(main, ["--files", str(files), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert mudata.read_h5mu(out).uns["spatialweave"]["kind"] == "integrated"
    empty = CliRunner().invoke(main, ["--files", str(tmp_path), "--out", str(tmp_path / "none.h5mu")])
    assert empty.exit_code == 2
    assert "holds no *.latents.h5mu file" in empty.output
    assert not (tmp_path / "none.h5mu").exists()
