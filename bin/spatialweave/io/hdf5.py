"""HDF5 files, opened to be read; what cannot be decompressed here is told by the name of its filter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.errors import InputError

if TYPE_CHECKING:
    import h5py

FILTERS = {
    307: "bzip2",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32015: "zstd",
    32026: "blosc2",
}
"""Names of filters that hdf5plugin brings, by the numbers under which the HDF Group has registered them."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file to be read.

    Raises
    ------
    InputError
        When reading it fails and it has a dataset whose filter is not installed: HDF5 itself does not say which.
    """
    import h5py

    with h5py.File(path, "r") as file:
        try:
            yield file
        except OSError as error:
            _refuse_missing_filters(path, file, error)
            raise


def _refuse_missing_filters(path: Path, file: h5py.File, error: OSError) -> None:
    """Refuse a file with a dataset whose filter is not installed."""

    def check(name: str, item: Any) -> None:
        number = missing_filter(item)
        if number is not None:
            raise InputError(
                f"{path}, {name}",
                f"is compressed by HDF5 filter {number} ({FILTERS.get(number, 'of no known name')}), which is not here",
                "gzip or no compression",
                "open the file where hdf5plugin is installed, and write it again with compression='gzip'",
            ) from error

    file.visititems(check)


def missing_filter(item: Any) -> int | None:
    """The number of the first filter of an HDF5 dataset that is not installed; None where all are, and of all else."""
    import h5py

    if not isinstance(item, h5py.Dataset):
        return None
    made = item.id.get_create_plist()
    numbers = (made.get_filter(position)[0] for position in range(made.get_nfilters()))
    return next((number for number in numbers if not h5py.h5z.filter_avail(number)), None)
