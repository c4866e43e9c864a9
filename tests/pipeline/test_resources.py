"""How many CPUs and how much memory tasks ask for, and what a run says of it before it spends any."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path

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


def test_an_estimate_starts_nothing_else(pipeline: Pipeline) -> None:
    run = pipeline.run("-profile", "test", "--estimate", "--methods", "smart,smart_ms", "--seeds", "3")
    assert run.code == 0, run.text
    assert run.tasks("Submitted") == ["SIMULATE (test)", "ESTIMATE (test)"]
    lines = [line.split() for line in run.text.splitlines()]
    assert ["test:", "324", "spots,", "200", "+", "30", "+", "150", "features,"] in [line[:9] for line in lines]
    trained = {line[1]: line[2] for line in lines if line[:1] == ["TRAIN"]}
    # smart_ms needs several sections.
    assert trained == {"smart": "3", "pca_smooth": "3"}


def test_a_method_that_needs_more_than_the_limit_stops_the_run_before_its_training(pipeline: Pipeline) -> None:
    run = pipeline.run("-profile", "test", "--methods", "spamca_paper", "--max_memory", "1.GB", "-stub-run")
    assert run.code != 0
    assert "spamca_paper needs about 1.3 GB to train on test, more than --max_memory 1 GB" in run.text
    assert not any(task.startswith("TRAIN (test, spamca_paper") for task in run.tasks("Submitted"))
