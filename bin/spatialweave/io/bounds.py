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
"""An array of up to this size is believed to be what the file says."""

BELIEVED_RATIO = 10_000
"""How many times larger than on disk a larger array may be. Gzip shrinks nothing to less than 1/1032."""

TEXT_BYTES = 16 * 2**20
TEXT_RATIO = 800
"""A gzipped table that expands beyond both is taken for a trap; one count in 20,000 cells still stays below 700."""

SPOTS_RATIO = 100
"""The same for tables of a few columns per spot, whose barcodes shrink little."""

BLOSC_HEADER = 16
"""Bytes at the beginning of a Blosc chunk; the last four are the length of the chunk."""

GZIP = b"\x1f\x8b"
"""How gzipped files begin. Their names do not tell: browsers unpack downloads and leave the name."""

LINE_BYTES = 256 * 2**20
"""The longest line of a table; a header of ten million features is about as long."""


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
    """Refuse an array of which a Blosc chunk is not as long as its header says: Blosc reads on beyond its end."""
    for chunk in folder.rglob("*"):
        if chunk.is_file() and not chunk.name.startswith(".") and chunk.name != "zarr.json":
            with chunk.open("rb") as stream:
                header = stream.read(BLOSC_HEADER)
            stored = chunk.stat().st_size
            promised = int.from_bytes(header[-4:], "little")
            if len(header) < BLOSC_HEADER or promised != stored:
                found = f"is damaged: {stored} bytes, where its header says {promised}"
                raise InputError(str(chunk), found, "a whole chunk", "copy the store again")


def check_array(where: str, shape: tuple[int, ...], item_bytes: int, stored: int) -> None:
    """Refuse an array that is large and says that it holds far more values than its `stored` bytes can be."""
    promised = math.prod(shape) * max(1, item_bytes)
    if promised > BELIEVED_BYTES and promised > BELIEVED_RATIO * stored:
        raise InputError(
            where,
            f"its shape {shape} promises {promised / 2**20:.0f} MiB, and {stored} bytes are stored",
            "an array that is stored",
            "write or copy the file again",
        )


class BoundedText(io.RawIOBase):
    """The bytes of a text table, refused where a line, or what a gzipped one expands to, is beyond all reason."""

    def __init__(self, path: Path, ratio: int = TEXT_RATIO) -> None:
        self.path, self.ratio = path, ratio
        self.stored = path.open("rb")
        self.gzipped = self.stored.peek(len(GZIP)).startswith(GZIP)
        self.source: Any = gzip.GzipFile(fileobj=self.stored) if self.gzipped else self.stored
        self.total = self.line = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from the source and look at what came."""
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
