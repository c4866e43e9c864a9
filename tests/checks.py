"""The checks of parameters and samplesheets, of many cases in one process of Nextflow."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PARTS = (".venv", "modules", "assets", "bin", "conf", "environments", "nextflow.config", "nextflow_schema.json")
"""What the checks need of the project."""


def ends(folder: Path, *options: str, project: Path = ROOT, **cases: list[Any]) -> dict[str, list[dict[str, Any]]]:
    """What the checks make of each case, run from `folder`: {"accepted": ...}, {"refused": text} or {"broken": text}.

    `sheets` are paths of samplesheets, `params` parameters to be resolved, `plans` parameters of whole runs with the
    sheets that they name, `digests` projects whose code is digested. The options are Nextflow's own, e.g. "-profile",
    "slurm".
    """
    for name in PARTS:
        if not (folder / name).exists():
            (folder / name).symlink_to(project / name)
    shutil.copy(ROOT / "tests" / "checks.nf", folder / "main.nf")
    (folder / "cases.json").write_text(json.dumps(cases))
    given = ["--cases", folder / "cases.json", "--found", folder / "found.json"]
    command = [ROOT / "nextflow", "run", "main.nf", *options, *given]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads((folder / "found.json").read_text())
    return found


def refusal(folder: Path, *options: str, project: Path = ROOT, **given: Any) -> str:
    """The message with which the checks refuse a run with these parameters."""
    (end,) = ends(folder, *options, project=project, plans=[given])["plans"]
    return str(end["refused"])
