"""Every stage script answers --help and --version at once: nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted(
    path.name
    for path in (Path(__file__).resolve().parents[2] / "bin").glob("*.py")
    if path.name != "software_versions.py"
)
HEAVY = {"anndata", "matplotlib", "mudata", "numpy", "pandas", "scanpy", "scipy", "sklearn", "torch", "umap"}


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("option", ["--help", "--version"])
def test_answers_without_heavy_imports(project: Path, script: str, option: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(project / "bin" / script), option],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert ("Usage:" if option == "--help" else "spatialweave, version") in done.stdout
    imported = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert imported & HEAVY == set()


@pytest.mark.parametrize("script", SCRIPTS)
def test_is_executable_with_a_portable_shebang(project: Path, script: str) -> None:
    path = project / "bin" / script
    assert path.stat().st_mode & 0o111
    assert path.read_text().startswith("#!/usr/bin/env python3\n")
