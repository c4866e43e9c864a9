"""The HTML of the dataset report, without a browser."""

from __future__ import annotations

import base64
import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources
from spatialweave.results.spots import read_spots

from .dataset_files import write_latents
from .page import EVIL, dataset_page, loads_nothing, unpack
from .recipe import Recipe

pytestmark = pytest.mark.usefixtures("fast_umap")


def test_page_is_self_contained_and_allows_its_own_script_only(sources: DatasetSources, tmp_path: Path) -> None:
    page = dataset_page(sources, tmp_path)
    assert loads_nothing(page)
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "'unsafe-inline'" not in policy.split("style-src")[0]
    code = [
        text for text, tag in zip(page.scripts, (t for t in page.tags if t[0] == "script"), strict=True) if not tag[1]
    ]
    assert len(code) == 1
    # No script may compile text as code.
    assert "unsafe-eval" not in policy
    for text in code:
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy


def test_without_scripts_it_names_the_run_and_what_is_lacking(sources: DatasetSources, tmp_path: Path) -> None:
    page = dataset_page(sources, tmp_path)
    assert page.text.count("SMART, seed 1. ") >= 2 and "Loss per epoch of SMART, seed 1." in page.text
    assert "the markers of the domains and the passports need JavaScript" in page.text


def test_same_input_same_page(sources: DatasetSources, tmp_path: Path) -> None:
    first, second = dataset_page(sources, tmp_path).html, dataset_page(sources, tmp_path).html
    assert first == second


def test_metrics_table_equals_the_metrics_files(sources: DatasetSources, tmp_path: Path) -> None:
    page = dataset_page(sources, tmp_path)
    assert sources.files is not None
    table = pd.concat(pd.read_csv(path) for path in sources.files.glob("*.metrics.csv"))
    header = next(row for row in page.rows if row[0] == "metric")
    assert header == ["metric", "pca_smooth", "SMART"]
    for metric, title in [
        ("ari", "Adjusted Rand index"),
        ("pas", "PAS"),
        ("knn_overlap_rna", "Neighbourhood overlap, RNA"),
    ]:
        row = next(row for row in page.rows if row[0].strip().startswith(title))
        for cell, method in zip(row[1:], ["pca_smooth", "smart"], strict=True):
            values = table.loc[(table["metric"] == metric) & (table["method"] == method), "value"]
            shown = [float(part) for part in cell.split(" ± ")]
            assert shown == pytest.approx([values.mean(), values.std()], abs=6e-4)


def test_embedded_domains_and_coordinates_equal_the_files(sources: DatasetSources, tmp_path: Path) -> None:
    data = dataset_page(sources, tmp_path).data()
    assert sources.files is not None
    barcodes = unpack(data["barcodes"])
    for run in data["runs"]:
        table = pd.read_csv(sources.files / f"{run['method']}.seed{run['seed']}.domains.csv", dtype=str)
        codes = unpack(run["domains"]["codes"])
        assert [run["domains"]["names"][code] for code in codes] == table["domain"].tolist()
        assert barcodes == table["barcode"].tolist()
    assert unpack(data["x"])[13] == pytest.approx(10)
    assert unpack(data["y"])[13] == pytest.approx(10)


def test_says_what_was_read(sources: DatasetSources, tmp_path: Path) -> None:
    html = dataset_page(sources, tmp_path).html
    assert sources.files is not None
    for path in sources.files.glob("*.ingest.csv"):
        table = pd.read_csv(path, dtype=str).set_index(["modality", "item"])["value"]
        assert f"{table['all', 'spots']} spots; rna {table['rna', 'spots']} spots x 3 features (X of rna.h5ad)" in html


def test_same_colours_in_all_runs(sources: DatasetSources, tmp_path: Path) -> None:
    data = dataset_page(sources, tmp_path).data()

    def colours(classes: dict[str, Any]) -> np.ndarray:
        return np.array([*classes["colours"], "none"])[unpack(classes["codes"])]

    labels = colours(data["labels"])
    for run in data["runs"]:
        # The made-up domains are the labels, numbered anew, with 5 or 20 per cent of the spots wrong.
        assert (colours(run["domains"]) == labels).mean() > 0.75


def test_top_features_are_those_of_the_spots_region(sources: DatasetSources, tmp_path: Path) -> None:
    data = dataset_page(sources, tmp_path).data()
    top = data["topFeatures"][0]
    names = [*unpack(top["names"]), None]
    first = [names[code] for code in unpack(top["codes"]).reshape(-1, 3)[:, 0]]
    region = unpack(data["labels"]["codes"])
    # Region r raises the features whose number is r modulo 4.
    right = [int(name.removeprefix("rna")) % 4 == code for name, code in zip(first, region, strict=True) if name]
    assert np.mean(right) > 0.6


def test_failures_of_this_dataset_only(sources: DatasetSources, tmp_path: Path) -> None:
    page = dataset_page(sources, tmp_path)
    rows = [row for row in page.rows if "TRAIN" in row]
    assert rows == [["demo", "SMART", "9", "TRAIN", "1", "loss is NaN at step 3", "/tmp/w/.command.err"]]


def test_names_cannot_become_markup(make_dataset: Callable[..., DatasetSources], tmp_path: Path) -> None:
    page = dataset_page(make_dataset(dataset=f"d{EVIL}", prefix=EVIL), tmp_path)
    assert sum(tag == "script" for tag, _ in page.tags) == 2  # the script and its data
    assert not any("hacked" in script for script in page.scripts if script not in (page.scripts[0],))
    assert unpack(page.data()["barcodes"])[0] == f"{EVIL}spot0"
    assert EVIL in page.text


def test_all_runs_failed(make_dataset: Callable[..., DatasetSources], tmp_path: Path) -> None:
    made = make_dataset(rows=2, columns=5, modalities={"rna": 9}, n_domains=2, labels=False, methods=())
    page = dataset_page(made, tmp_path)
    assert "No run of this dataset has domains" in page.text
    assert "loss is NaN at step 3" in page.text
    assert page.data()["features"]


def test_only_latents(sources: DatasetSources, tmp_path: Path) -> None:
    page = dataset_page(DatasetSources(sources.dataset, latents=sources.latents), tmp_path)
    assert "No run of this dataset has domains" in page.text


def test_embedding_without_domains(make_dataset: Callable[..., DatasetSources], tmp_path: Path) -> None:
    made = make_dataset()
    assert made.files is not None
    (made.files / "smart.seed2.domains.csv").unlink()
    data = dataset_page(made, tmp_path).data()
    run = next(run for run in data["runs"] if (run["method"], run["seed"]) == ("smart", 2))
    assert run["domains"] is None
    assert run["umap"]


def test_sections_are_side_by_side(make_dataset: Callable[..., DatasetSources], tmp_path: Path) -> None:
    data = dataset_page(make_dataset(sections=("s1", "s2", "s3")), tmp_path).data()
    x, y, section = unpack(data["x"]), unpack(data["y"]), unpack(data["sections"]["codes"])
    boxes = [
        (x[section == k].min(), x[section == k].max(), y[section == k].min(), y[section == k].max()) for k in range(3)
    ]
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert a[1] < b[0] or b[1] < a[0] or a[3] < b[2] or b[3] < a[2]
    for k, (dx, dy) in enumerate(data["sections"]["offsets"]):
        assert x[section == k].min() - dx == pytest.approx(0, abs=1e-3)
        assert y[section == k].min() - dy == pytest.approx(0, abs=1e-3)


def test_embedding_of_other_spots_is_refused(
    make_dataset: Callable[..., DatasetSources], sources: DatasetSources, tmp_path: Path
) -> None:
    other = make_dataset(rows=5)
    assert other.files is not None
    shutil.copy(other.files / "smart.seed1.h5ad", tmp_path)
    with pytest.raises(InputError, match="its spots are not those of the latents"):
        write_dataset_report(replace(sources, files=tmp_path), tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_each_recipe_is_stated_for_its_methods_and_harmony_is_cited(
    make_dataset: Callable[..., DatasetSources], tmp_path: Path
) -> None:
    """The first file by name has raw counts, for one method; the other Harmony, for two, of which one ran."""
    made = make_dataset(methods=("smart", "totalvi"))
    spots = read_spots(made.latents[0])
    paths = [tmp_path / name for name in ("counts.latents.h5mu", "smart.latents.h5mu")]
    recipe = Recipe()
    steps = [({"step": "variable_features", "kept": 7},), ({"step": "pca", "components": 3}, {"step": "harmony"})]
    for path, name, own in zip(paths, ("counts", "smart"), steps, strict=True):
        write_latents(path, recipe, spots.obs, spots.coordinates, name, own)
    assert made.presets is not None
    preset = (made.presets / "smart.yml").read_text()
    (made.presets / "totalvi.yml").write_text(
        preset.replace("title: SMART", "title: totalVI").replace("preprocess: smart", "preprocess: counts")
    )
    (made.presets / "snf.yml").write_text(preset.replace("title: SMART", "title: SNF"))
    text = dataset_page(replace(made, latents=paths), tmp_path).text
    counts = "Preprocessing of {}: variable features (kept 7)."
    expected = [counts.format("RNA"), counts.format("protein (ADT)")]
    assert " ".join(["totalVI was run on latents made as follows.", *expected]) in text
    both = "Preprocessing of {}: principal components (components 3); Harmony by section."
    expected = [both.format("RNA"), both.format("protein (ADT)")]
    assert " ".join(["SMART was run on latents made as follows.", *expected]) in text
    assert "integration of single-cell data with Harmony" in text
