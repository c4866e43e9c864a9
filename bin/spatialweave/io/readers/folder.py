"""Search for files of a folder by the names that instruments give them, after any prefix that downloads add."""

from __future__ import annotations

from pathlib import Path

from spatialweave.errors import InputError


def find(folder: Path, *names: str) -> Path | None:
    """Return the file or folder with the first of `names` that is present, gzipped or not; None if none is.

    An exact name is preferred to names with this ending; several of the latter are refused as ambiguous.
    """
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    for name in names:
        matches = [entry for entry in entries if entry.name in (name, f"{name}.gz")][:1] or _ending_with(entries, name)
        if len(matches) > 1:
            listed = ", ".join(entry.name for entry in matches[:5])
            raise InputError(str(folder), f"holds several files {name} ({listed})", "one", "make a folder for each")
        if matches:
            return matches[0]
    return None


def ending_with(folder: Path, name: str) -> list[Path]:
    """Return the files whose names end so, gzipped or not; of a file that is there both ways the one unpacked."""
    return _ending_with(sorted(folder.iterdir()), name) if folder.is_dir() else []


def _ending_with(entries: list[Path], name: str) -> list[Path]:
    unpacked = [entry for entry in entries if entry.name.endswith(name)]
    twins = {f"{entry.name}.gz" for entry in unpacked}
    return unpacked + [entry for entry in entries if entry.name.endswith(f"{name}.gz") and entry.name not in twins]


def need(folder: Path, *names: str, what: str) -> Path:
    """Return the result of :func:`find`; a folder that has none of the names is refused."""
    match = find(folder, *names)
    if match is None:
        raise InputError(str(folder), f"has no {' or '.join(names)}", what, "copy the whole folder")
    return match
