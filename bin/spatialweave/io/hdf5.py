"""Opening of HDF5 files for reading; data that cannot be decompressed here is reported with the name of its filter."""

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
"""Names of the filters of hdf5plugin, by the numbers under which the HDF Group has registered them."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading.

    Raises
    ------
    InputError
        When reading fails and a dataset needs a filter that is not installed: HDF5 itself does not name it.
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
                f"is compressed by HDF5 filter {number} ({FILTERS.get(number, 'unnamed')}), which is not installed",
                "gzip or no compression",
                "open the file where hdf5plugin is installed, and write it again with compression='gzip'",
            ) from error

    file.visititems(check)


def missing_filter(item: Any) -> int | None:
    """Return the number of the first filter of an HDF5 dataset that is not installed; None if there is none."""
    import h5py

    if not isinstance(item, h5py.Dataset):
        return None
    properties = item.id.get_create_plist()
    numbers = (properties.get_filter(position)[0] for position in range(properties.get_nfilters()))
    return next((number for number in numbers if not h5py.h5z.filter_avail(number)), None)
