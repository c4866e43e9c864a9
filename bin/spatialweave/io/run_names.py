"""Names of files that contain the name of a run."""

from __future__ import annotations

import re
from pathlib import Path

from spatialweave.errors import InputError

DOMAINS_FILE = re.compile(r"(?P<run>[a-z0-9_]+\.seed[0-9]+)\.domains\.csv")


def run_name(path: Path) -> str:
    """Return ``smart.seed1`` for ``smart.seed1.domains.csv``."""
    match = DOMAINS_FILE.fullmatch(path.name)
    if match is None:
        raise InputError(str(path), "its name does not contain the name of a run", "<method>.seed<k>.domains.csv")
    return match["run"]


def method_and_seed(path: Path) -> tuple[str, int]:
    """Return ``("smart", 1)`` for ``smart.seed1.domains.csv``."""
    method, _, seed = run_name(path).rpartition(".seed")
    return method, int(seed)
