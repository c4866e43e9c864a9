"""A folder with what a clone has, for commands to be run in while this one is worked on."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def clone(folder: Path) -> Path:
    """Make `folder` such a copy; environment and Nextflow are those of this one."""
    folder.mkdir()
    for name in ("main.nf", "nextflow", "nextflow.config", "nextflow_schema.json"):
        shutil.copy2(ROOT / name, folder / name)
    for name in ("assets", "bin", "conf", "modules", "workflows"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in (".venv", ".cache"):
        (folder / name).symlink_to(ROOT / name)
    return folder
