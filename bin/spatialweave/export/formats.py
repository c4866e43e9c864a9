"""The formats by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spatialweave.errors import InputError
from spatialweave.export.h5ad import write_h5ad
from spatialweave.export.loupe import write_loupe
from spatialweave.export.provenance import provenance
from spatialweave.export.seurat import write_seurat
from spatialweave.export.spatial_data import write_zarr
from spatialweave.io.integrated import Integrated, read_integrated

FORMATS: dict[str, Callable[[Integrated, Path], None]] = {
    "h5ad": write_h5ad,
    "loupe": write_loupe,
    "seurat": write_seurat,
    "zarr": write_zarr,
}
"""Each writes its files of a dataset under a folder."""


def formats(text: str) -> list[str]:
    """The formats that a list names, separated by commas; one that is not known is refused."""
    names = list(dict.fromkeys(name.strip() for name in text.split(",")))
    for name in names:
        if name not in FORMATS:
            raise InputError("formats", f"'{name}' is not known", "some of " + ", ".join(FORMATS))
    return names


def export(path: Path, names: list[str], folder: Path) -> None:
    """Write the integrated file `path` in the formats of these names under `folder`.

    Raises
    ------
    InputError
        When the file is not an integrated file.
    """
    content = read_integrated(path)
    # Refuses, before anything is written, what only some formats read.
    provenance(content)
    for name in names:
        FORMATS[name](content, folder)
