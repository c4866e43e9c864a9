"""The table of what the long tests are for."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ..needed import TARGETS, needed


def test_every_long_target_of_the_makefile_is_in_the_table(project: Path) -> None:
    assert set(re.findall(r"^(test-\w+):", (project / "Makefile").read_text(), re.M)) == TARGETS.keys()


def test_any_change_to_conf_or_modules_needs_a_long_target(project: Path) -> None:
    files = [path for folder in ("conf", "modules", "workflows") for path in (project / folder).rglob("*.*")]
    assert len(files) > 40
    for path in files:
        assert needed([str(path.relative_to(project))]), path


@pytest.mark.parametrize(
    ("file", "targets"),
    [
        ("conf/resources.config", {"test-slurm", "test-faults", "test-nf"}),
        ("conf/podman.config", {"test-containers", "test-nf"}),
        ("conf/slurm.config", {"test-slurm", "test-nf"}),
        ("modules/train.nf", {"test-containers", "test-slurm", "test-faults", "test-nf"}),
        ("uv.lock", {"test-containers"}),
        ("bin/spatialweave/training/checkpoint.py", {"test-faults"}),
        ("bin/spatialweave/nn/layers.py", set()),
        ("docs/usage.md", set()),
    ],
)
def test_a_change_needs_what_is_for_it(file: str, targets: set[str]) -> None:
    assert needed([file]).keys() == targets
