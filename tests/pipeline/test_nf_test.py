"""The tests that nf-test runs: every module and every profile has them, and the quick ones pass where nf-test is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

CLOUDS = {"awsbatch", "azure_batch", "google_batch", "k8s"}


def modules(project: Path) -> list[Path]:
    """Every Nextflow module, relative to the project."""
    return sorted(path.relative_to(project) for path in (project / "modules").rglob("*.nf"))


def test_every_module_has_a_test_of_its_own(project: Path) -> None:
    assert modules(project)
    for module in modules(project):
        test = project / "tests" / module.with_name(f"{module.name}.test")
        assert test.is_file(), f"{module} has no {test.relative_to(project)}"
        text = test.read_text()
        assert f'script "{module}"' in text
        if module.parent.name != "checks":
            assert f'process "{module.stem.upper()}"' in text
        assert text.count("\n    test(") == text.count("\n        then {") > 0


def test_every_profile_but_those_of_clouds_goes_through_the_whole_flow(project: Path) -> None:
    block = (project / "nextflow.config").read_text().split("\nprofiles {", 1)[1]
    known = set(re.findall(r"^ +(\w+) +\{ includeConfig", block, re.M))
    tried = re.findall(r'^ +"((?:test|demo)[a-z_,]*)",$', (project / "tests" / "profiles.nf.test").read_text(), re.M)
    assert {name for profiles in tried for name in profiles.split(",")} == known - CLOUDS


def test_no_test_compares_with_a_recorded_snapshot(project: Path) -> None:
    """Values differ between machines in their last digits: tests look at names, columns and bounds."""
    for path in (project / "tests").rglob("*.nf.test"):
        assert "snapshot(" not in path.read_text(), path


def test_quick_tests_of_nf_test_pass(project: Path) -> None:
    if shutil.which("nf-test") is None:
        pytest.skip("nf-test is not on PATH (https://www.nf-test.com has it); other tests cover the same behaviour")
    # The project's own ./nextflow is the `nextflow` that nf-test looks for on PATH.
    environment = {**os.environ, "PATH": f"{project}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        ["nf-test", "test", "--ci", "--tag", "quick"],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    executed = re.search(r"Executed (\d+) tests", done.stdout)
    assert executed, done.stdout
    tagged = sum(path.read_text().count('tag "quick"') for path in (project / "tests").rglob("*.nf.test"))
    assert int(executed[1]) == tagged
