"""Datasets of several sections: joined, aligned in the order of the stack, fused, matched and reported."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from ..checks import refusal
from .conftest import TO_DOMAINS, Pipeline


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(path.open(newline="")))


@pytest.fixture
def sheet(pipeline: Pipeline) -> Path:
    """Three sections of one dataset, the second and third in reverse order of their names, and a single section."""
    for name in ("a.h5ad", "b.h5ad", "c.h5ad"):
        (pipeline.folder / name).touch()
    path = pipeline.folder / "sheet.csv"
    path.write_text(
        "dataset,section,order,rna\nbrain,last,9,c.h5ad\nbrain,first,1,a.h5ad\nbrain,middle,5,b.h5ad\nsingle,,,a.h5ad\n"
    )
    return path


def test_neighbours_in_the_stack_are_aligned_and_every_method_is_matched(pipeline: Pipeline, sheet: Path) -> None:
    methods = ("--methods", "smart,spatialfuser", "--n_domains", "4")
    options = ("-stub-run", "--input", str(sheet), *methods, *TO_DOMAINS)
    run = pipeline.run(*options)
    assert run.code == 0, run.text
    tasks = run.tasks("Submitted")
    assert {task for task in tasks if task.startswith(("ALIGN", "STACK"))} == {
        "ALIGN (brain, middle onto first)",
        "ALIGN (brain, last onto middle)",
        "STACK (brain)",
    }
    # A method for several sections leaves out the dataset of one, and says so.
    trained = {task.removeprefix("TRAIN ") for task in tasks if task.startswith("TRAIN")}
    assert trained == {
        f"({dataset}, {method}, seed 1)"
        for dataset, method in [
            ("brain", "smart"), ("brain", "spatialfuser"), ("brain", "pca_smooth"),
            ("single", "smart"), ("single", "pca_smooth"),
        ]
    }  # fmt: skip
    assert "Dataset 'single' is left out by spatialfuser, which needs several sections" in run.text
    assert {task for task in tasks if task.startswith("MATCH")} == {
        f"MATCH (brain, {method}, seed 1)" for method in ("smart", "spatialfuser", "pca_smooth")
    }
    # A further section repeats no work on the others.
    (pipeline.folder / "d.h5ad").touch()
    sheet.write_text(sheet.read_text() + "brain,further,12,d.h5ad\n")
    again = pipeline.run(*options, "-resume")
    assert again.code == 0, again.text
    done = [task for task in again.tasks("Submitted") if task.startswith(("INGEST", "QC", "PREPROCESS"))]
    assert sorted(done) == ["INGEST (brain/further)", "PREPROCESS (brain, smart)", "QC (brain/further)"]


def test_a_dataset_on_which_no_method_can_run_stops_the_run(tmp_path: Path, sheet: Path) -> None:
    text = refusal(tmp_path, input=str(sheet), methods="spatialfuser", control=False)
    assert "--methods: no method can run on dataset 'single' (spatialfuser needs several sections)" in text


def test_a_failed_alignment_costs_only_what_needs_it(pipeline_copy: Callable[[], Pipeline], sheet: Path) -> None:
    pipeline = pipeline_copy()
    align = pipeline.project / "modules" / "align.nf"
    stub = "touch '${meta.fixed}--${meta.moving}.transform.json'"
    assert stub in align.read_text()
    align.write_text(align.read_text().replace(stub, "echo 'ERROR: no outline' >&2; exit 2"))
    run = pipeline.run("-stub-run", "--input", str(sheet), "--methods", "smart,spatialfuser", *TO_DOMAINS)
    assert run.code != 0
    tasks = run.tasks("Submitted")
    assert not [task for task in tasks if task.startswith(("STACK", "MATCH", "TRAIN (brain, spatialfuser"))]
    for name in ("smart", "pca_smooth"):
        assert f"EVALUATE (brain, {name}, seed 1)" in tasks
    failures = [path.read_text() for path in (pipeline.folder / "work").rglob("failures.json") if "texts" in path.parts]
    assert any("ERROR: no outline" in text and '"ALIGN"' in text for text in failures)
    assert (run.results / "report.html").exists()


def test_a_simulated_series_is_aligned_fused_and_reported(pipeline: Pipeline) -> None:
    quick = "smart_ms.epochs=20,spatialfuser.epochs=20,spatialfuser.fusion_epochs=20"
    # Passports and evidence of a stack are tested of their stages.
    options = ("--method_options", quick, "--assess", "false", "--passports", "none")
    run = pipeline.run("--simulate", "series_test", "--methods", "smart_ms,spatialfuser", *options)
    assert run.code == 0, run.text
    folder = run.results / "series_test" / "alignment"
    transforms = rows(folder / "transforms.csv")
    assert len(transforms) == 3
    assert float(transforms[0]["angle"]) == 0
    spots = rows(folder / "coordinates.csv")
    quality = rows(run.results / "benchmark" / "alignment.csv")
    found = {(row["method"], row["section_a"], row["metric"]): float(row["value"]) for row in quality}
    for first in (row["section"] for row in transforms[:-1]):
        assert found["spatialfuser", first, "near_truth"] > 0.9
        assert found["spatialfuser", first, "matchable_accepted_b"] > 0.5
    metrics = {(row["method"], row["metric"]) for row in rows(run.results / "benchmark" / "metrics.csv")}
    assert {("smart_ms", "ilisi"), ("spatialfuser", "ilisi"), ("pca_smooth", "section_agreement")} <= metrics
    domains = rows(run.results / "series_test" / "domains" / "spatialfuser" / "seed1.csv")
    assert len(domains) == len(spots)
    assert {row["section"] for row in domains} == {row["section"] for row in transforms}
    assert "Alignment" in (run.results / "series_test" / "report.html").read_text(encoding="utf-8")
