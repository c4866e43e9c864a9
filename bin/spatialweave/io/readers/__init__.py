"""One reader per file format, and the choice among them.

Every reader takes a path and returns a list of :class:`~spatialweave.io.measurement.Measurement`, one per matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from spatialweave.errors import InputError
from spatialweave.io.measurement import Measurement, reading

KINDS = (
    ".h5ad, .h5mu, 10x .h5, a 10x matrix folder, a Space Ranger outs folder, .csv or .tsv (also .gz), "
    "AnnData .zarr or SpatialData .zarr"
)


def read(path: Path) -> list[Measurement]:
    """Read a file or folder of any known format; the name decides on the format, of folders the content."""
    with reading(path, "file or folder", "give the user who runs this permission to read it"):
        if not path.exists():
            raise InputError(str(path), "no such file or folder", KINDS)
        if not path.is_dir() and not path.is_file():
            raise InputError(str(path), "is neither a file nor a folder", KINDS)
        reader = _folder_reader(path) if path.is_dir() else _file_reader(path)
    return reader(path)


def _file_reader(path: Path) -> Callable[[Path], list[Measurement]]:
    from spatialweave.io.readers import anndata_h5ad, foreign, mudata_h5mu, table, tenx_h5
    from spatialweave.io.tables import is_text_table

    if path.stat().st_size == 0:
        raise InputError(str(path), "is empty (0 bytes)", "a file with a matrix", "copy it again")
    by_suffix = {".h5ad": anndata_h5ad.read, ".h5mu": mudata_h5mu.read, ".h5": tenx_h5.read}
    suffix = path.suffix.lower()
    if suffix in by_suffix:
        return by_suffix[suffix]
    if is_text_table(path):
        return table.read
    if path.name.lower().endswith((".mtx", ".mtx.gz")):
        raise InputError(str(path), "is one file of a 10x matrix", "the folder that holds it", "give the folder")
    known = foreign.explain_name(path)
    if known:
        raise known
    raise InputError(
        str(path), f"unknown kind of file '{suffix or path.name}'", KINDS, "convert it (pickles are never opened)"
    )


def _folder_reader(path: Path) -> Callable[[Path], list[Measurement]]:
    from spatialweave.io.readers import anndata_zarr, space_ranger, spatialdata_zarr, tenx_matrix

    if tenx_matrix.is_matrix_folder(path):
        return tenx_matrix.read
    if space_ranger.is_outs(path):
        return space_ranger.read
    if spatialdata_zarr.is_spatialdata(path):
        return spatialdata_zarr.read
    if anndata_zarr.is_anndata(path):
        return anndata_zarr.read
    hint = "give outs/binned_outputs/square_008um or another bin" if (path / "binned_outputs").is_dir() else ""
    raise InputError(str(path), "unknown kind of folder", KINDS, hint)
