"""Refuse files that claim, or expand to, far more than they hold, before memory is spent on it."""

from __future__ import annotations

import gzip
import io
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.errors import InputError

if TYPE_CHECKING:
    import h5py

BELIEVED_BYTES = 128 * 2**20
"""Size in bytes up to which the declared shape of an array is trusted."""

BELIEVED_RATIO = 10_000
"""Largest ratio of declared to stored size of a larger array. Gzip compresses nothing to less than 1/1032."""

TEXT_BYTES = 16 * 2**20
TEXT_RATIO = 800
"""Limits for a gzipped table, which may not exceed both. With one count in 20,000 cells the ratio is below 700."""

SPOTS_RATIO = 100
"""Largest ratio for tables with a few columns per spot, whose barcodes compress little."""

BLOSC_HEADER = 16
"""Length of the header of a Blosc chunk in bytes; its last four bytes are the length of the chunk."""

GZIP = b"\x1f\x8b"
"""First bytes of a gzipped file. Its name is not reliable: browsers unpack downloads and keep the name."""

LINE_BYTES = 256 * 2**20
"""Length limit of a line of a table; a header with ten million features is about as long."""


def check_hdf5(path: Path | str, file: h5py.File) -> None:
    """Refuse an open HDF5 file with a dataset whose shape promises much more than is stored."""
    import h5py

    def check(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.shape:
            check_array(f"{path}, {name}", item.shape, item.dtype.itemsize, item.id.get_storage_size())

    file.visititems(check)


def check_zarr(path: Path, group: Any) -> None:
    """Refuse an open zarr group with an array whose shape promises much more than is stored, or with cut chunks."""
    for name, item in group.members(max_depth=None):
        if not hasattr(item, "shape"):
            continue
        if item.nbytes > BELIEVED_BYTES:
            check_array(f"{path}, {name}", item.shape, item.dtype.itemsize, item.nbytes_stored())
        if item.compressors and "blosc" in type(item.compressors[-1]).__name__.lower() and not item.shards:
            check_blosc(path / item.path)


def check_blosc(folder: Path) -> None:
    """Refuse an array with a Blosc chunk that is not as long as its header says: Blosc would read beyond its end."""
    for chunk in folder.rglob("*"):
        if chunk.is_file() and not chunk.name.startswith(".") and chunk.name != "zarr.json":
            with chunk.open("rb") as stream:
                header = stream.read(BLOSC_HEADER)
            stored = chunk.stat().st_size
            promised = int.from_bytes(header[-4:], "little")
            if len(header) < BLOSC_HEADER or promised != stored:
                found = f"is damaged: it has {stored} bytes, but its header says {promised}"
                raise InputError(str(chunk), found, "a whole chunk", "copy the store again")


def check_array(where: str, shape: tuple[int, ...], item_bytes: int, stored: int) -> None:
    """Refuse a large array that declares far more values than its `stored` bytes can hold."""
    promised = math.prod(shape) * max(1, item_bytes)
    if promised > BELIEVED_BYTES and promised > BELIEVED_RATIO * stored:
        raise InputError(
            where,
            f"its shape {shape} promises {promised / 2**20:.0f} MiB, but {stored} bytes are stored",
            "an array that is stored in full",
            "write or copy the file again",
        )


class BoundedText(io.RawIOBase):
    """Bytes of a text table; a line that is too long, or a gzipped table that expands too much, is refused."""

    def __init__(self, path: Path, ratio: int = TEXT_RATIO) -> None:
        self.path, self.ratio = path, ratio
        self.stored = path.open("rb")
        self.gzipped = self.stored.peek(len(GZIP)).startswith(GZIP)
        self.source: Any = gzip.GzipFile(fileobj=self.stored) if self.gzipped else self.stored
        self.total = self.line = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the source and check the bytes read."""
        piece = self.source.read(len(buffer))
        buffer[: len(piece)] = piece
        self.total += len(piece)
        last = piece.rfind(b"\n")
        self.line = self.line + len(piece) if last < 0 else len(piece) - last - 1
        if self.line > LINE_BYTES:
            raise InputError(str(self.path), f"has a line of more than {LINE_BYTES >> 20} MiB", "one line per spot")
        if self.gzipped and self.total > max(TEXT_BYTES, self.ratio * self.stored.tell()):
            found = f"its first {self.stored.tell()} bytes expand to {self.total >> 20} MiB"
            raise InputError(
                str(self.path), found, "a table", "give a matrix this sparse as .h5ad or 10x matrix folder"
            )
        return len(piece)

    def close(self) -> None:
        """Close the source as well."""
        self.source.close()
        self.stored.close()
        super().close()
