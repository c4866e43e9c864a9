"""The table of modalities: that it is sound, that others agree with it, and that one entry is all a modality needs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest
import yaml
from scipy import sparse

from spatialweave.modalities import DECLARATIONS, MODALITIES, MODALITY_KINDS, fits, modality_of, read_declarations
from spatialweave.preprocess.preparations import PREPARATIONS
from spatialweave.qc.spot_metrics import COMMON, SPOT_METRICS
from spatialweave.qc.thresholds import MIN_SPOTS, SPOT_THRESHOLDS, WHOLE_NUMBERS, defaults


def test_names_and_aliases_are_distinct_and_plain() -> None:
    aliases = [alias for kind in MODALITY_KINDS.values() for alias in kind.aliases]
    assert len(aliases) == len(set(aliases))
    assert all(re.fullmatch(r"[a-z0-9]+", alias) for alias in aliases)
    for name, kind in MODALITY_KINDS.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", name) and modality_of(name) == name
        assert set(kind.accepts) <= set(MODALITIES)
        assert kind.preparation in PREPARATIONS


@pytest.mark.parametrize(
    ("name", "modality"),
    [
        ("Gene Expression", "rna"),
        ("Antibody Capture", "adt"),
        ("Peaks", "atac"),
        ("H3K27me3", "histone"),
        ("Metabolomics", "metabolite"),
        ("image_features", "morphology"),
        ("CRISPR Guide Capture", None),
    ],
)
def test_names_in_files(name: str, modality: str | None) -> None:
    assert modality_of(name) == modality


def test_peaks_may_be_given_as_histone_marks_but_not_the_other_way_round() -> None:
    assert fits("atac", "histone") and fits("rna", "rna")
    assert not fits("histone", "atac") and not fits("rna", "histone")


def test_every_threshold_bounds_a_metric_that_its_modalities_have() -> None:
    for threshold in SPOT_THRESHOLDS:
        assert threshold.bound.metric in SPOT_METRICS
        for name in threshold.modalities:
            known = [metric.name for metric in (*COMMON, *MODALITY_KINDS[name].metrics)]
            assert threshold.bound.metric in known, (threshold.name, name)


def test_the_pipelines_parameters_are_the_thresholds(project: Path) -> None:
    groups = json.loads((project / "nextflow_schema.json").read_text())["$defs"].values()
    rules = {name: rule for group in groups for name, rule in group["properties"].items()}
    parameters = {name.removeprefix("qc_"): rule for name, rule in rules.items() if name.startswith("qc_")}
    assert {name: rule["default"] for name, rule in parameters.items()} == defaults()
    for threshold in SPOT_THRESHOLDS:
        rule = parameters[threshold.name]
        assert rule["minimum"] == 0
        assert rule["type"] == ("integer" if threshold.bound.metric in WHOLE_NUMBERS else "number")
        assert rule.get("maximum") == (100 if threshold.bound.metric.endswith("_percent") else None)
    assert parameters[MIN_SPOTS]["type"] == "integer"


def test_the_recipes_of_the_project_treat_every_modality(project: Path) -> None:
    for path in (project / "assets" / "preprocess").glob("*.yml"):
        assert list(yaml.safe_load(path.read_text())["modalities"]) == list(MODALITIES), path


@pytest.mark.parametrize(
    "change",
    [
        {"tittle": "T"},
        {"values": "count"},
        {"thresholds": {"a": {"metric": "total", "help": "H"}}},
        {"thresholds": {"a": {"metric": "total", "least": 1, "most": 2, "help": "H"}}},
        {"metrics": {"a": {"titles": "T"}}},
    ],
)
def test_a_declaration_that_makes_no_sense_is_noticed(change: dict[str, object], tmp_path: Path) -> None:
    entry = {"title": "T", "file": "f", "feature_type": "T", "aliases": ["t"], "values": "counts", "preparation": "rna"}
    (tmp_path / "m.yml").write_text(yaml.safe_dump({"toy": entry}))
    assert read_declarations(tmp_path / "m.yml")["toy"].title == "T"
    (tmp_path / "m.yml").write_text(yaml.safe_dump({"toy": entry | change}))
    with pytest.raises((TypeError, KeyError)):
        read_declarations(tmp_path / "m.yml")


TOY = """
lipid:
  title: lipids
  file: lipid intensities
  feature_type: Lipid
  aliases: [lipid, lipids]
  values: intensities
  preparation: metabolite
  metrics:
    ceramide_percent: {title: ceramides %, features: '^cer'}
    n_pixels: {title: pixels, columns: [npixels]}
  thresholds:
    lipid_max_ceramide_percent: {metric: ceramide_percent, most: 100, help: 'Lipids: few ceramides.'}
    lipid_min_pixels: {metric: n_pixels, least: 0, help: 'Lipids: many pixels.'}
"""
RECIPE = "modalities: {lipid: {min_spots: 1, target_sum: 100, scale: true, components: 2}}\n"


@pytest.fixture
def toy_project(project: Path, tmp_path: Path) -> Path:
    """A copy of the scripts and the package whose table of modalities has one more entry, and nothing else changed."""
    shutil.copytree(project / "bin", tmp_path / "bin", ignore=shutil.ignore_patterns("__pycache__"))
    with (tmp_path / "bin" / "spatialweave" / DECLARATIONS.name).open("a") as file:
        file.write(TOY)
    return tmp_path


def test_one_entry_takes_a_new_modality_from_its_file_to_latents(toy_project: Path) -> None:
    random = np.random.default_rng(0)
    intensities = random.gamma(2.0, 1.5, (30, 6))
    # Spot 3 is almost all ceramide, spot 4 covers too few pixels.
    intensities[3] = [500, 0.5, 0.5, 0.5, 0.5, 0.5]
    obs = pd.DataFrame({"nPixels": [2.0 if i == 4 else 9.0 for i in range(30)]}, index=[f"s{i}" for i in range(30)])
    lipids = ad.AnnData(
        sparse.csr_matrix(intensities),
        obs=obs,
        var=pd.DataFrame(index=["Cer1", *(f"PC{i}" for i in range(5))]),
        obsm={"spatial": np.stack(np.divmod(np.arange(30.0), 6), axis=1)},
    )
    lipids.write_h5ad(toy_project / "lipids.h5ad")
    # Among other modalities, the file's own name for it is found.
    md.MuData({"Lipids": lipids}).write(toy_project / "lipids.h5mu")
    (toy_project / "recipe.yml").write_text(RECIPE)

    def run(script: str, *arguments: str) -> str:
        command = [sys.executable, str(toy_project / "bin" / f"{script}.py"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=toy_project, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    names = ("--dataset", "d", "--section", "s")
    run("ingest", *names, "--multi", "lipids.h5mu", "--out", "by_name.h5mu")
    assert list(md.read_h5mu(toy_project / "by_name.h5mu").mod) == ["lipid"]
    run("ingest", *names, "--lipid", "lipids.h5ad", "--out", "in.h5mu")
    thresholds = ("--lipid-max-ceramide-percent", "90", "--lipid-min-pixels", "5")
    output = run("qc", "--in-section", "in.h5mu", *thresholds, "--out", "kept.h5mu", "--out-dir", "qc")
    assert output == "s: 28 spots kept; removed: lipid 2 of 30\n"
    spots = pd.read_csv(toy_project / "qc" / "s.qc_spots.csv").set_index("barcode")
    assert spots.loc["s3", "reason"] == "lipid_max_ceramide_percent" and spots.loc["s4", "reason"] == "lipid_min_pixels"
    assert spots.loc["s3", "ceramide_percent"] == pytest.approx(100 * 500 / 502.5, abs=1e-3)
    files = ("--section", "kept.h5mu", "--recipe", "recipe.yml", "--out", "latents.h5mu", "--counts", "counts.h5mu")
    assert run("preprocess", *files) == "28 spots; latent dimensions: lipid 2\n"
    kept = np.delete(intensities, [3, 4], axis=0).astype(np.float32).astype(np.float64)
    logged = np.log1p(100 * kept / kept.sum(axis=1, keepdims=True))
    scaled = (logged - logged.mean(axis=0)) / logged.std(axis=0, ddof=1)
    left, values, _ = np.linalg.svd(scaled, full_matrices=False)
    found = md.read_h5mu(toy_project / "latents.h5mu")["lipid"].obsm["X_latent"]
    np.testing.assert_allclose(np.abs(found), np.abs((left * values)[:, :2]), atol=1e-4)
    np.testing.assert_array_equal(md.read_h5mu(toy_project / "counts.h5mu")["lipid"].X.toarray(), kept)


def test_exported_feature_types_are_read_as_the_modality_that_they_are_of() -> None:
    assert {name: modality_of(kind.feature_type) for name, kind in MODALITY_KINDS.items()} == {
        name: name for name in MODALITY_KINDS
    }
