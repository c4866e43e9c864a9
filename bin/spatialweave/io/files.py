"""Writing of files such that a stage that is killed or fails never leaves a partial file under its final name."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spatialweave.errors import InputError

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
"""Pattern of names of datasets, sections and methods, which become names of files."""


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; it is renamed to `target` on success, and removed on an error.

    The temporary name keeps the suffixes of `target`, since some writers choose the format from them.

    Raises
    ------
    InputError
        When `target` is a folder that what was written does not replace entry by entry. It is left as it is.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{target.name[:80]}.", dir=target.parent))
    try:
        temporary = folder / target.name
        yield temporary
        if target.is_dir() and not target.is_symlink():
            _check_replaces(temporary, target)
            shutil.rmtree(target)
        temporary.replace(target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_replaces(new: Path, folder: Path) -> None:
    """Raise an InputError unless every entry of `folder` has a successor in `new`; others are not ours to delete."""
    kept = {path.name for path in new.iterdir()} if new.is_dir() else set()
    lost = sorted(path.name for path in folder.iterdir() if path.name not in kept)
    if lost or not new.is_dir():
        found = f"is a folder with {', '.join(lost[:3])}{', ...' if len(lost) > 3 else ''}" if lost else "is a folder"
        raise InputError(
            str(folder), f"{found}, which would be lost", "a new path", "delete the folder, or name another"
        )


def write_text(target: Path, text: str) -> None:
    """Write `text` to `target` in UTF-8, whole or not at all."""
    with atomic_path(target) as path:
        path.write_text(text, encoding="utf-8")


def write_json(target: Path, value: Any) -> None:
    """Write `value` to `target` as indented JSON, whole or not at all."""
    write_text(target, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the content of a JSON file; a file that is not JSON raises an InputError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(str(path), f"is not readable JSON ({error})") from error


def write_csv(target: Path, table: Any) -> None:
    """Write a pandas table to `target` without its index, whole or not at all."""
    with atomic_path(target) as path:
        table.to_csv(path, index=False)
