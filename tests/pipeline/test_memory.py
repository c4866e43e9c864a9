"""How much memory a training asks for."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path

STUBS = Path(__file__).parent / "stubs"


def test_a_training_asks_for_memory_by_the_size_of_its_latents(project: Path, tmp_path: Path) -> None:
    """At least 4 GB; 1 GB and 160 times the file; never more than this machine has."""
    for name, size in {"small": 10**6, "large": 25 * 2**20, "huge": 2**40}.items():
        with (tmp_path / f"{name}.latents.h5mu").open("wb") as file:
            file.truncate(size)
    script = (STUBS / "training.nf").read_text().replace("@PROJECT@", str(project))
    (tmp_path / "main.nf").write_text(script)
    for name in ("bin", ".venv"):
        (tmp_path / name).symlink_to(project / name)
    (tmp_path / "fields.config").write_text("trace.fields = 'name,memory'\ntrace.raw = true\n")
    command = [project / "nextflow", "run", "main.nf", "-stub-run", "-ansi-log", "false"]
    command += ["-c", project / "nextflow.config", "-c", "fields.config"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with (tmp_path / "results" / "pipeline_info" / "trace.txt").open(newline="") as stream:
        asked = {row["name"]: int(row["memory"]) / 2**30 for row in csv.DictReader(stream, delimiter="\t")}
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    assert asked.pop("TRAIN (small, any, seed 1)") == min(4, machine)
    assert round(asked.pop("TRAIN (large, any, seed 1)"), 2) == round(min(1 + 160 * 25 / 1024, machine), 2)
    assert round(asked.pop("TRAIN (huge, any, seed 1)"), 1) == round(machine, 1)
    assert asked == {}
