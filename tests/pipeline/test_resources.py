"""How many CPUs and how much memory a training asks for."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path

STUBS = Path(__file__).parent / "stubs"
SPOT = 400
"""Bytes of a latents file for every spot, about."""


def test_a_training_asks_for_cpus_and_memory_by_the_size_of_its_latents(project: Path, tmp_path: Path) -> None:
    """One CPU below 20,000 spots. At least 4 GB; 1 GB and 160 times the file; never more than this machine has."""
    for name, size in {"small": 19_000 * SPOT, "large": 25 * 2**20, "huge": 2**40}.items():
        with (tmp_path / f"{name}.latents.h5mu").open("wb") as file:
            file.truncate(size)
    script = (STUBS / "training.nf").read_text().replace("@PROJECT@", str(project))
    (tmp_path / "main.nf").write_text(script)
    for name in ("bin", ".venv"):
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
    for name, expected in zip(names, (min(4, here), min(1 + 160 * 25 / 1024, here), here), strict=True):
        assert round(memory.pop(name), 1) == round(expected, 1)
    processors = os.cpu_count() or 1
    for name, number in zip(names, (1, min(4, processors), min(8, processors)), strict=True):
        assert cpus.pop(name) == number
    assert memory == cpus == {}
