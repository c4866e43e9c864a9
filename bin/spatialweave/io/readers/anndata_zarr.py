"""AnnData in zarr (.zarr)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from spatialweave.errors import InputError
from spatialweave.io.bounds import check_zarr
from spatialweave.io.measurement import Measurement, reading
from spatialweave.io.readers.store import measure

METADATA = (".zarray", ".zgroup", ".zattrs", ".zmetadata", "zarr.json")


def is_zarr(path: Path) -> bool:
    """Return whether a folder is a zarr group."""
    return any((path / name).is_file() for name in METADATA)


def is_anndata(path: Path) -> bool:
    """Return whether a folder is a zarr group with the name or the structure of an AnnData."""
    return is_zarr(path) and ((path / "obs").is_dir() or path.suffix.lower() == ".zarr")


def refuse_pickles(path: Path) -> None:
    """Refuse a store with an array whose values are pickled: reading such a file can run any program."""
    for name in METADATA:
        for file in path.rglob(name):
            text = file.read_text(encoding="utf-8", errors="replace").replace(" ", "").replace("\n", "")
            if '"id":"pickle"' in text or '"name":"numcodecs.pickle"' in text:
                raise InputError(str(file), "the array holds pickled objects", "numbers or text", "write it without")


def read(path: Path) -> list[Measurement]:
    """Read the matrix of an AnnData zarr store."""
    refuse_pickles(path)
    with reading(path, "AnnData .zarr store"):
        with open_group(path) as group:
            check_zarr(path, group)
        return [measure(str(path), lambda: open_group(path))]


@contextmanager
def open_group(path: Path, inner: str = "") -> Iterator[Any]:
    """Open the zarr group `inner` of a store on disk."""
    import zarr

    group = zarr.open_group(str(path), mode="r")
    yield group[inner] if inner else group
