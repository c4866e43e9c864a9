"""When, how and with what a run was made, from the record that the workflow passes to the reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from spatialweave import __version__
from spatialweave.io.files import read_json

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
    """What is known of a run, by the keys of :data:`NAMES`; all are text."""

    facts: dict[str, str]

    def line(self) -> str:
        """Date and version, for the head of the page."""
        date = self.facts.get("started", "")[:10]
        return f"spatialweave {__version__}{f', run of {date}' if date else ''}"

    def rows(self) -> list[tuple[str, str]]:
        """Title and value of what is known."""
        return [("spatialweave", __version__), *((NAMES[key], self.facts[key]) for key in NAMES if self.facts.get(key))]


def read_run(path: Path | None) -> RunRecord | None:
    """The record of a run; None where there is no file.

    Raises
    ------
    InputError
        When the file is no JSON.
    """
    if path is None:
        return None
    found = read_json(path)
    return RunRecord({str(key): " ".join(str(value).split()) for key, value in found.items() if value is not None})
