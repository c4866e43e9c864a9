"""The id of a run, `<method>.seed<k>`, and the names of files that contain it."""

from __future__ import annotations

import re
from pathlib import Path

from spatialweave.errors import InputError

RunKey = tuple[str, int]
"""Method and seed of a run."""

RUN = re.compile(r"[a-z0-9_]+\.seed[0-9]+")
RUN_FILE = re.compile(r"(.+?)\.seed([0-9]+)\.(.+)")


def run_id(method: str, seed: int) -> str:
    """Return ``"smart.seed1"`` for ``"smart", 1``."""
    return f"{method}.seed{seed}"


def method_and_seed(run: str) -> RunKey:
    """Return ``("smart", 1)`` for ``"smart.seed1"``."""
    method, _, seed = run.rpartition(".seed")
    return method, int(seed)


def split_file_name(name: str) -> tuple[str, int, str] | None:
    """Return ``("smart", 1, "domains.csv")`` for ``"smart.seed1.domains.csv"``; None for a file of no run."""
    found = RUN_FILE.fullmatch(name)
    return (found[1], int(found[2]), found[3]) if found else None


def run_of_file(path: Path, ending: str) -> str:
    """Return ``"smart.seed1"`` for ``smart.seed1.domains.csv`` and the ending ``".domains.csv"``.

    Raises
    ------
    InputError
        When the file is not named so.
    """
    run = path.name.removesuffix(ending)
    if run == path.name or not RUN.fullmatch(run):
        raise InputError(str(path), "its name does not contain the name of a run", f"<method>.seed<k>{ending}")
    return run
