"""One reader per file format, and the choice among them.

Every reader takes a path and returns a list of :class:`~spatialweave.io.measurement.Measurement`, one per matrix.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from spatialweave.errors import InputError
from spatialweave.io.choices import Choices
from spatialweave.io.measurement import Measurement, reading

KINDS = (
    ".h5ad, .h5mu, 10x .h5, a 10x matrix folder, .csv, .tsv or .txt (also .gz), AnnData .zarr, SpatialData .zarr, a "
    "folder of Space Ranger, Xenium, CosMx, MERSCOPE, Slide-seq or DBiT-seq, .gef, .gem, fragments.tsv.gz, .imzML"
)

Reader = Callable[[Path], list[Measurement]]


def read(path: Path, choices: Choices | None = None) -> list[Measurement]:
    """Read a file or folder of a known format, recognised by its name or, for folders and tables, its content."""
    with reading(path, "file or folder", "give the user who runs this permission to read it"):
        if not path.exists():
            raise InputError(str(path), "no such file or folder", KINDS)
        if not path.is_dir() and not path.is_file():
            raise InputError(str(path), "is neither a file nor a folder", KINDS)
        find = _folder_reader if path.is_dir() else _file_reader
        reader = find(path, Choices() if choices is None else choices)
    return reader(path)


def lists_all_barcodes(path: Path) -> bool:
    """Return whether a file has no positions and lists barcodes that are not spots, so that other files define them."""
    from spatialweave.io.readers import fragments

    with reading(path, "file or folder", "give the user who runs this permission to read it"):
        return fragments.is_fragments(path)


def _file_reader(path: Path, choices: Choices) -> Reader:
    from spatialweave.io.readers import (
        anndata_h5ad,
        foreign,
        fragments,
        imzml,
        mudata_h5mu,
        stereo_seq,
        stereo_seq_gem,
        tenx_h5,
    )
    from spatialweave.io.tables import is_text_table

    if path.stat().st_size == 0:
        raise InputError(str(path), "is empty (0 bytes)", "a file with a matrix", "copy it again")
    by_suffix: dict[str, Reader] = {
        ".h5ad": anndata_h5ad.read,
        ".h5mu": mudata_h5mu.read,
        ".h5": tenx_h5.read,
        ".gef": partial(stereo_seq.read, choices=choices),
        ".imzml": partial(imzml.read, choices=choices),
    }
    name, suffix = path.name.lower(), path.suffix.lower()
    if suffix in by_suffix:
        return by_suffix[suffix]
    if name.endswith((".gem", ".gem.gz")):
        return partial(stereo_seq_gem.read, choices=choices)
    if fragments.is_fragments(path):
        return partial(fragments.read, choices=choices)
    if is_text_table(path):
        return _table_reader(path, choices)
    if name.endswith((".mtx", ".mtx.gz")):
        raise InputError(str(path), "is one file of a 10x matrix", "the folder that holds it", "give the folder")
    explained = foreign.explain_name(path)
    if explained:
        raise explained
    raise InputError(
        str(path), f"unknown kind of file '{suffix or path.name}'", KINDS, "convert it (pickles are never opened)"
    )


def _table_reader(path: Path, choices: Choices) -> Reader:
    """Return the reader of a table, chosen by its columns."""
    from spatialweave.io import tables
    from spatialweave.io.readers import cosmx, stereo_seq_gem, table

    header = tables.read_header(path)
    if cosmx.is_matrix(header):
        return cosmx.read_matrix
    if stereo_seq_gem.is_gem(header):
        return partial(stereo_seq_gem.read, choices=choices)
    return partial(table.read, modality=choices.modality, labels=choices.labels)


def _folder_reader(path: Path, choices: Choices) -> Reader:
    from spatialweave.io.readers import (
        anndata_zarr,
        cosmx,
        dbit,
        foreign,
        imzml,
        merscope,
        slide_seq,
        space_ranger,
        spatialdata_zarr,
        tenx_matrix,
        xenium,
    )

    kinds: list[tuple[Callable[[Path], bool], Reader]] = [
        (space_ranger.is_flat, partial(space_ranger.read, choices=choices)),
        (tenx_matrix.is_matrix_folder, tenx_matrix.read),
        (spatialdata_zarr.is_spatialdata, partial(spatialdata_zarr.read, choices=choices)),
        (anndata_zarr.is_anndata, anndata_zarr.read),
        (xenium.is_xenium, xenium.read),
        (space_ranger.is_outs, partial(space_ranger.read, choices=choices)),
        (cosmx.is_cosmx, cosmx.read),
        (merscope.is_merscope, merscope.read),
        (slide_seq.is_slide_seq, slide_seq.read),
        (dbit.is_dbit, dbit.read),
        (imzml.is_imzml, partial(imzml.read, choices=choices)),
    ]
    reader_of_kind = next((reader for is_kind, reader in kinds if is_kind(path)), None)
    if reader_of_kind is None:
        several = tenx_matrix.matrices(path)
        if len(several) > 1:
            listed = ", ".join(file.name for file in several[:5])
            raise InputError(str(path), f"holds several matrices ({listed})", "one", "make a folder for each")
        explained = foreign.explain_folder(path)
        if explained:
            raise explained
        known = [
            folder
            for folder in sorted(path.iterdir())
            if folder.is_dir() and any(is_kind(folder) for is_kind, _ in kinds)
        ]
        listed = " or ".join(str(folder) for folder in known[:5])
        raise InputError(str(path), "unknown kind of folder", KINDS, f"give the folder {listed} in it" if known else "")
    return reader_of_kind
