"""Files of a folder by the names that the machines give them, behind any prefix, as downloads have them."""

from __future__ import annotations

from pathlib import Path

from spatialweave.errors import InputError


def find(folder: Path, *names: str) -> Path | None:
    """The file or folder called by the first of `names` that is there, gzipped or not; None without any.

    One that bears the name itself goes before those that only end in it; of these, several are refused, since nothing
    says which is meant.
    """
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    for name in names:
        spelled = (name, f"{name}.gz")
        exact = [entry for entry in entries if entry.name in spelled]
        found = exact[:1] or [entry for entry in entries if entry.name.endswith(spelled)]
        if len(found) > 1:
            listed = ", ".join(entry.name for entry in found[:5])
            raise InputError(str(folder), f"holds several files {name} ({listed})", "one", "make a folder for each")
        if found:
            return found[0]
    return None


def need(folder: Path, *names: str, what: str) -> Path:
    """As :func:`find`, but refuse a folder that has none of them."""
    found = find(folder, *names)
    if found is None:
        raise InputError(str(folder), f"has no {' or '.join(names)}", what, "copy the whole folder")
    return found
