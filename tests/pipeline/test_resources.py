"""How many CPUs and how much memory tasks ask for, and what a run says of it before it spends any."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path

import pytest

from spatialweave.estimate import read_table

from .conftest import Pipeline

STUBS = Path(__file__).parent / "stubs"
SPOT = 400
"""Bytes of a latents file for every spot, about."""


def test_a_training_asks_for_cpus_and_memory_by_the_size_of_its_latents(project: Path, tmp_path: Path) -> None:
    """One CPU below 20,000 spots. At least 4 GB; by the table of measurements; never more than this machine has."""
    sizes = {"small": 8_000 * SPOT, "large": 25 * 2**20, "huge": 2**40}
    for name, size in sizes.items():
        with (tmp_path / f"{name}.latents.h5mu").open("wb") as file:
            file.truncate(size)
    script = (STUBS / "training.nf").read_text().replace("@PROJECT@", str(project))
    (tmp_path / "main.nf").write_text(script)
    for name in ("assets", "bin", ".venv"):
        (tmp_path / name).symlink_to(project / name)
    (tmp_path / "fields.config").write_text("trace.fields = 'name,cpus,memory'\ntrace.raw = true\n")
    command = [project / "nextflow", "run", "main.nf", "-stub-run", "-ansi-log", "false"]
    command += ["-c", project / "nextflow.config", "-c", "fields.config"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "results" / "pipeline_info" / "trace.txt").open(newline="") as stream:
        rows = {row["name"]: row for row in csv.DictReader(stream, delimiter="\t")}
    memory = {name: int(row["memory"]) / 2**30 for name, row in rows.items()}
    cpus = {name: int(row["cpus"]) for name, row in rows.items()}
    names = [f"TRAIN ({size}, any, seed 1)" for size in ("small", "large", "huge")]
    here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    needs = read_table(project / "assets" / "resources.csv")["TRAIN", ""]
    large = needs.gb + needs.gb_per_gb * sizes["large"] / 1e9
    for name, expected in zip(names, (min(4, here), min(large, here), here), strict=True):
        assert round(memory.pop(name), 1) == round(expected, 1)
    processors = os.cpu_count() or 1
    for name, number in zip(names, (1, min(4, processors), min(8, processors)), strict=True):
        assert cpus.pop(name) == number
    assert memory == cpus == {}


def test_an_estimate_starts_nothing_else(pipeline: Pipeline, project: Path) -> None:
    options = ("--methods", "smart,smart_ms", "--method_options", "smart.batch_spots=0", "--gpus", "2", "--seeds", "3")
    run = pipeline.run("-profile", "test", "--estimate", *options)
    assert run.code == 0, run.text
    assert run.tasks("Submitted") == ["SIMULATE (test)", "ESTIMATE (test)"]
    lines = [line.split() for line in run.text.splitlines()]
    assert ["test:", "324", "spots,", "200", "+", "30", "+", "150", "features,"] in [line[:9] for line in lines]
    trained = {line[1]: line[2] for line in lines if line[:1] == ["TRAIN"]}
    # smart_ms needs several sections.
    assert trained == {"smart": "3", "pca_smooth": "3"}
    memory = {line[1]: float(line[3]) for line in lines if line[:1] == ["TRAIN"]}
    table = read_table(project / "assets" / "resources.csv")
    # Next to nothing in each of two processes; the control has one.
    assert memory["smart"] == pytest.approx(2 * table["TRAIN", "smart"].gb, abs=0.15)
    assert memory["pca_smooth"] == pytest.approx(table["TRAIN", "pca_smooth"].gb, abs=0.1)


def test_a_method_that_needs_more_than_the_limit_is_left_out_before_its_training(pipeline: Pipeline) -> None:
    options = ("--methods", "spamca_paper", "--gpus", "2", "--max_memory", "1.GB", "--match_radius", "7", "-stub-run")
    run = pipeline.run("-profile", "test", *options)
    assert "--match_radius 7 has no effect: no sections are aligned" in run.text and "--align_by" not in run.text
    # Twice what the table has of spamca for next to nothing.
    reason = "needs about 1.9 GB to train, more than --max_memory 1 GB"
    assert f"Dataset 'test' is left out by spamca_paper, which {reason}; raise the limit to train it" in run.text
    trained = [task for task in run.tasks("Submitted") if task.startswith("TRAIN")]
    assert trained and all(task.startswith("TRAIN (test, pca_smooth") for task in trained)
    assert run.code == 0 and "REPORT_DATASET (test)" in run.tasks("Submitted")
    (left_out,) = json.loads(next((pipeline.folder / "work").rglob("texts/*/left_out.json")).read_text())
    assert left_out == {"dataset": "test", "method": "spamca_paper", "reason": reason}


def test_what_one_method_is_too_large_for_is_known_to_all_runs_and_repeats_none(pipeline: Pipeline) -> None:
    """SMART of the paper has the recipes of two other runs, and SpaMCA a graph of its own."""
    methods = "smart,spamca,smart_paper"
    options = ("-profile", "test", "--methods", methods, "--gpus", "1", "--seeds", "1", "-stub-run")
    run = pipeline.run(*options, "--max_memory", "1.GB")
    assert run.code == 0, run.text
    names = {"smart", "spamca", "pca_smooth"}
    trained = {f"TRAIN (test, {name}, seed 1)" for name in names}
    assert {task for task in run.tasks("Submitted") if task.startswith("TRAIN")} == trained
    # All runs are judged together, and two are no consensus.
    assert "Dataset 'test' has no consensus (weave), which needs three runs, and there are two" in run.text
    (judged,) = (path.parents[2] / "runs" for path in (pipeline.folder / "work").rglob("results/test/verdict.json"))
    assert {path.name for path in judged.glob("*.domains.csv")} == {f"{name}.seed1.domains.csv" for name in names}

    again = pipeline.run(*options, "--max_memory", "2.GB", "-resume")
    assert again.code == 0, again.text
    assert {task for task in again.tasks("Cached") if task.startswith("TRAIN")} == trained
    assert [task for task in again.tasks("Submitted") if task.startswith("TRAIN")] == [
        "TRAIN (test, smart_paper, seed 1)"
    ]
