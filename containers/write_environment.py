#!/usr/bin/env python3
"""Write environment.yml, for the conda profile, from the pins of uv.lock; run it with the Python of .venv."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from packaging.markers import Marker

ROOT = Path(__file__).resolve().parent.parent
PYTHON = "3.11"
# uv.lock serves several platforms; containers and conda environments run on this one.
TARGET = {
    "python_version": PYTHON,
    "python_full_version": f"{PYTHON}.15",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
}
HEADER = f"""\
# The packages of uv.lock for Python {PYTHON}, written by containers/write_environment.py: do not edit.
name: spatialweave
channels:
  - conda-forge
  - nodefaults
dependencies:
  - python={PYTHON}
  - pip
  - pip:
"""


def _applies(marker: str | None) -> bool:
    return marker is None or Marker(marker).evaluate({**TARGET, "extra": ""})


def _matches(package: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Whether a dependency means this version of a package; uv.lock may hold one per version of Python."""
    if package["name"] != wanted["name"] or package["version"] != wanted.get("version", package["version"]):
        return False
    markers = package.get("resolution-markers", [])
    return not markers or any(_applies(marker) for marker in markers)


def pins(lock: dict[str, Any]) -> dict[str, str]:
    """Name to version of all packages that the pipeline needs at run time on the target, itself and tests left out."""
    packages: list[dict[str, Any]] = lock["package"]
    (root,) = (package for package in packages if package["source"] == {"virtual": "."})
    found: dict[str, str] = {}
    seen: set[tuple[str, tuple[str, ...]]] = set()
    waiting = list(root["dependencies"])
    while waiting:
        wanted = waiting.pop()
        extras = tuple(wanted.get("extra", ()))
        if not _applies(wanted.get("marker")) or (wanted["name"], extras) in seen:
            continue
        seen.add((wanted["name"], extras))
        (package,) = (package for package in packages if _matches(package, wanted))
        found[package["name"]] = package["version"]
        waiting += package.get("dependencies", [])
        for extra in extras:
            waiting += package.get("optional-dependencies", {}).get(extra, [])
    return dict(sorted(found.items()))


def environment(lock: dict[str, Any]) -> str:
    """The text of environment.yml."""
    return HEADER + "".join(f"      - {name}=={version}\n" for name, version in pins(lock).items())


if __name__ == "__main__":
    text = environment(tomllib.loads((ROOT / "uv.lock").read_text()))
    (ROOT / "environment.yml").write_text(text)
