"""Date, parameters and software of a run, from the record that the workflow passes to the reports."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from spatialweave import __version__
from spatialweave.errors import InputError

PACKAGES = ("anndata", "igraph", "mudata", "numpy", "pandas", "scanpy", "scikit-learn", "scipy", "scranpy")
"""Packages that the steps other than training depend on."""

NAMES = {
    "started": "started",
    "command": "command",
    "name": "name of the run",
    "profile": "profile",
    "commit": "commit of the pipeline",
    "nextflow": "Nextflow",
}
"""Keys of the record (modules/checks/provenance.nf) and their titles."""


@dataclass(frozen=True)
class RunRecord:
    """Facts of a run, by the keys of :data:`NAMES`; all are text."""

    facts: dict[str, str]

    def line(self) -> str:
        """Return date and version, for the head of the page."""
        date = self.facts.get("started", "")[:10]
        return f"spatialweave {__version__}{f', run of {date}' if date else ''}"

    def rows(self) -> list[tuple[str, str]]:
        """Return title and value of the known facts."""
        return [("spatialweave", __version__), *((NAMES[key], self.facts[key]) for key in NAMES if self.facts.get(key))]


def read_run(text: str | None) -> RunRecord | None:
    """Read the record of a run from JSON in base64; None if none is given.

    Raises
    ------
    InputError
        When the text is something else.
    """
    if not text:
        return None
    try:
        found = json.loads(base64.b64decode(text, validate=True))
        return RunRecord({str(key): " ".join(str(value).split()) for key, value in found.items() if value is not None})
    except (ValueError, AttributeError) as error:
        raise InputError("--run-record", f"cannot be read ({error})", "a JSON object in base64") from error


def installed_versions(packages: Iterable[str]) -> dict[str, str]:
    """Return the version of each of the packages that is installed."""
    return {name: version(name) for name in packages if _is_installed(name)}


def versions_of_runs(records: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return software and versions: of the trainings from their records, and of the other steps, from this one."""
    found: dict[str, set[str]] = {}
    for versions in [installed_versions(PACKAGES), *(record.get("versions", {}) for record in records)]:
        for name, number in versions.items():
            found.setdefault(str(name), set()).add(str(number))
    return [(name, ", ".join(sorted(found[name]))) for name in sorted(found, key=str.lower)]


def _is_installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
