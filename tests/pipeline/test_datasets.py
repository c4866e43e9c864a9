"""Datasets of many kinds through the whole pipeline, and all methods at once, of which one fails."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest

from spatialweave.io.embeddings import training_record
from spatialweave.method import load_method
from spatialweave.presets import read_preset

from .conftest import TO_DOMAINS, Pipeline

ROOT = Path(__file__).resolve().parents[2]

PRESETS = [read_preset(path) for path in sorted((ROOT / "assets" / "methods").glob("*.yml"))]
METHODS = [
    preset.name for preset in PRESETS if not (preset.variant_of or preset.sections or preset.control or preset.baseline)
]
METHODS.append("pca_smooth")
"""What `--methods all` runs on a dataset of one section."""


@pytest.fixture
def sheet(project: Path, tmp_path: Path) -> Path:
    """A dataset in different formats: an h5ad file, and a CSV matrix; coordinates and labels beside them."""
    import pandas as pd

    folder = tmp_path / "data"
    command = [sys.executable, str(project / "bin" / "simulate.py"), "--preset", "test", "--out-dir", str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    made = next(csv.DictReader((folder / "samplesheet.csv").open(newline="")))
    adt = anndata.read_h5ad(folder / made["adt"])
    matrix = pd.DataFrame(adt.X.toarray().astype(int), index=adt.obs_names, columns=adt.var_names)
    matrix.to_csv(folder / "protein matrix.csv")
    spatial = pd.DataFrame(adt.obsm["spatial"], index=adt.obs_names, columns=["x", "y"])
    spatial.to_csv(folder / "spatial.csv", index_label="barcode")
    adt.obs["label"].to_csv(folder / "labels.csv", index_label="barcode")
    path = folder / "mixed.csv"
    path.write_text(
        "dataset,rna,adt,spatial,labels,platform,n_domains\n"
        f"mixed,{made['rna']},protein matrix.csv,spatial.csv,labels.csv,square,{made['n_domains']}\n"
    )
    return path


def test_all_methods_and_one_that_fails_costs_only_itself(pipeline: Pipeline, sheet: Path) -> None:
    # `none` is no number of epochs; the others are made quicker.
    slow = [name for name in METHODS if name != "spamo" and hasattr(load_method(name).Config, "epochs")]
    quick = ",".join(f"{name}.epochs=20" for name in slow)
    options = ("--methods", "all", "--method_options", f"{quick},spamo.epochs=none", *TO_DOMAINS)
    run = pipeline.run("--input", str(sheet), *options)
    assert run.code != 0
    runs = list(csv.DictReader((run.results / "benchmark" / "runs.csv").open(newline="")))
    assert {(row["dataset"], row["method"], row["status"]) for row in runs} == {
        ("mixed", method, "failed" if method == "spamo" else "completed") for method in [*METHODS, "weave"]
    }
    for report in ("report.html", "mixed/report.html"):
        text = (run.results / report).read_text(encoding="utf-8")
        assert "epochs" in text
        assert ".command.err" in text
    for method in METHODS:
        assert (run.results / "mixed" / "domains" / method / "seed1.csv").is_file() == (method != "spamo")


def test_real_embryo_of_two_modalities(pipeline: Pipeline, shared_data: Path) -> None:
    """DBiT-seq mouse embryo: RNA and protein of the same pixels, with 13 published regions."""
    folder = shared_data / "dbitseq_mouse_embryo"
    sheet = pipeline.folder / "embryo.csv"
    sheet.write_text(
        "dataset,rna,adt,labels,platform,n_domains\n"
        f"embryo,{folder / 'rna.h5ad'},{folder / 'protein.h5ad'},domain,dbit,13\n"
    )
    run = pipeline.run("--input", str(sheet), "--control", "false", *TO_DOMAINS)
    assert run.code == 0, run.text
    table = list(csv.DictReader((run.results / "embryo" / "domains" / "smart" / "seed1.csv").open(newline="")))
    assert len(table) == 936
    assert {row["domain"] for row in table} == {str(number) for number in range(1, 14)}
    metrics = list(csv.DictReader((run.results / "benchmark" / "metrics.csv").open(newline="")))
    scores = {row["method"]: float(row["value"]) for row in metrics if row["metric"] == "ari"}
    # k-means on principal components of RNA alone, without coordinates, scores 0.19.
    assert scores["smart"] > 0.19


def test_choices_for_all_recipes_and_presets_of_single_methods(pipeline: Pipeline) -> None:
    """They reach their stages; and a graph without spatial neighbours, which leaves some metrics undefined, is fine."""

    run = pipeline.run(
        "--simulate", "test", "--methods", "spamo_paper,smart_paper", "--control", "false",
        "--preset", "spamo_paper:simulated,smart_paper:p22",
        "--variable_features", "60", "--components", "8", "--n_neighbours", "0", "--feature_neighbours", "9",
        "--method_options", "spamo_paper.epochs=3,smart_paper.epochs=3", *TO_DOMAINS,
    )  # fmt: skip
    assert run.code == 0, run.text
    for method, preset in (("spamo_paper", "simulated"), ("smart_paper", "p22")):
        data = anndata.read_h5ad(run.results / "test" / "embeddings" / method / "seed1.h5ad")
        assert training_record(data)["preset"] == preset
    data = mudata.read_h5mu(run.results / "test" / "integrated.h5mu")
    assert data["rna"].obsm["X_latent_smart"].shape[1] == data["atac"].obsm["X_latent_spatialglue"].shape[1] == 8
    rows = csv.DictReader((run.results / "test" / "graphs" / "spatialglue.spatialglue.graph.csv").open(newline=""))
    edges = {row["graph"]: float(row["value"]) for row in rows if row["statistic"] == "directed_edges"}
    assert edges == {"spatial": 0} | dict.fromkeys(data.mod, 9 * data.n_obs)


def test_normalised_peaks_with_latents_and_spots_outside_the_tissue(pipeline: Pipeline, project: Path) -> None:
    command = [sys.executable, str(project / "bin" / "simulate.py"), "--preset", "test", "--out-dir", "."]
    subprocess.run(command, check=True, capture_output=True, cwd=pipeline.folder)
    peaks = anndata.read_h5ad(pipeline.folder / "test_atac.h5ad")
    peaks.X = peaks.X.astype(np.float32) / 7
    peaks.obsm["X_lsi"] = np.random.default_rng(0).normal(size=(peaks.n_obs, 5)).astype(np.float32)
    peaks.obs["in_tissue"] = np.where(np.arange(peaks.n_obs) < 3, 0, 1)
    peaks.write_h5ad(pipeline.folder / "peaks.h5ad")
    sheet = pipeline.folder / "sheet.csv"
    sheet.write_text(
        "dataset,rna,atac,platform,n_domains,precomputed\none,test_rna.h5ad,peaks.h5ad,dbit,5,atac:X_lsi\n"
    )
    unneeded = ("--assess", "false", "--passports", "none", "--export", "none")
    run = pipeline.run("--input", str(sheet), "--control", "false", "--method_options", "smart.epochs=3", *unneeded)
    assert run.code == 0, run.text
    data = mudata.read_h5mu(run.results / "one" / "integrated.h5mu")
    atac = data["atac"]
    np.testing.assert_array_equal(atac.obsm["X_latent_smart"], peaks[atac.obs_names].obsm["X_lsi"])
    assert atac.obs_names.tolist() == peaks.obs_names[3:].tolist()
    # Domains are compared by the values as they were given.
    found = pd.read_csv(run.results / "one" / "domains" / "smart" / "seed1.csv").set_index("barcode")["domain"]
    profiles = pd.read_csv(run.results / "one" / "characterise" / "profiles.csv").query("modality == 'atac'")
    assert len(profiles) > 0
    for row in profiles.itertuples():
        members = found.index[found == row.domain].intersection(atac.obs_names)
        given = peaks[members, row.feature].X.toarray()
        assert row.mean == pytest.approx(given.mean(), rel=1e-2)
    # What INGEST warns of is on the console at the end, in a table and in the report.
    said = "peaks.h5ad, obs: 3 of 324 spots are outside the tissue"
    assert said in run.text.rpartition("notice(s), also in ")[2]
    (notice,) = csv.DictReader((run.results / "notices.csv").open(newline=""))
    assert (notice["process"], notice["task"]) == ("INGEST", "one/one") and said in notice["notice"]
    assert said in (run.results / "report.html").read_text(encoding="utf-8")
    assert "latents from the input file" in (run.results / "one" / "report.html").read_text(encoding="utf-8")
