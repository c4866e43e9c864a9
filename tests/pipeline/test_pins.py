"""environment.yml and the image hold the packages of uv.lock, each in the one version that the tests run with."""

from __future__ import annotations

import importlib.metadata
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PYTHON = (3, 11)


def needed(project: Path) -> dict[str, str]:
    """Name to version of what the installed packages say that they need, from those of pyproject.toml on."""
    waiting = tomllib.loads((project / "pyproject.toml").read_text())["project"]["dependencies"]
    versions: dict[str, str] = {}
    seen = set()
    while waiting:
        requirement = Requirement(waiting.pop())
        name = canonicalize_name(requirement.name)
        versions[name] = importlib.metadata.version(name)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            for text in importlib.metadata.requires(name) or ():
                further = Requirement(text)
                if further.marker is None or further.marker.evaluate({"extra": extra}):
                    waiting.append(text)
    return versions


@pytest.mark.skipif(sys.version_info[:2] != PYTHON, reason="environment.yml is for Python 3.11")
def test_conda_environment_is_what_the_installed_packages_need(project: Path) -> None:
    environment = yaml.safe_load((project / "environment.yml").read_text())
    python, pip, packages = environment["dependencies"]
    assert (python, pip) == ("python=3.11", "pip")
    pinned = dict(pin.split("==") for pin in packages["pip"])
    assert pinned == needed(project), "write it anew: .venv/bin/python containers/write_environment.py"


def test_image_and_conda_environment_have_the_same_python(project: Path) -> None:
    dockerfile = (project / "containers" / "Dockerfile").read_text()
    recipe = (project / "containers" / "apptainer.def").read_text()
    expected = "{}.{}".format(*PYTHON)
    assert re.findall(r"python:([0-9.]+)-", dockerfile) == [expected]
    assert re.findall(r"python:([0-9.]+)-", recipe) == [expected]


def test_every_python_gets_the_same_version_of_a_library(project: Path) -> None:
    locked = tomllib.loads((project / "uv.lock").read_text())["package"]
    names = {"uv.lock": [package["name"] for package in locked]}
    for path in sorted((project / "environments").glob("*/requirements.txt")):
        pins = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        names[path.parent.name] = [canonicalize_name(Requirement(pin).name) for pin in pins]
    assert len(names) > 1
    for where, own in names.items():
        assert own, where
        assert sorted({name for name in own if own.count(name) > 1}) == [], where
