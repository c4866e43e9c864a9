"""How many spots, features and stored values files hold, by their headers: nothing else of them is read."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from spatialweave.io.measurement import reading
from spatialweave.modalities import modality_of

VALUES_PER_BYTE = {True: 0.8, False: 0.3}
"""Of tables and other files whose header does not say it: by whether they are compressed."""

VALUES_PER_SPOT = 300
"""Of the same files."""

COMPRESSED = (".gz", ".parquet", ".gef", ".zip", ".bz2")

MATRICES = (
    "filtered_feature_bc_matrix.h5",
    "cell_feature_matrix.h5",
    "filtered_feature_bc_matrix/matrix.mtx.gz",
    "matrix.mtx.gz",
    "matrix.mtx",
)
"""In folders of machines, the file with the counts, by what is preferred."""


@dataclass(frozen=True)
class MatrixSize:
    """One matrix: spots, features, values above 0, bytes of its file; `guessed` from the latter alone.

    Of a file with several modalities the first has all bytes, and of 10x files all values.
    """

    spots: int
    features: int
    values: int
    bytes: int
    guessed: bool = False


def matrix_sizes(path: Path) -> list[MatrixSize]:
    """The matrices of a file or folder, one per modality where it says so.

    Raises
    ------
    InputError
        When there is no such file, or it is not what its name says.
    """
    with reading(path, "file"):
        n_bytes = _bytes(path)
        found = list(_sizes(path))
        # A file with several matrices is read once.
        return [MatrixSize(*size, n_bytes * (i == 0)) for i, size in enumerate(found)] or [_guess(n_bytes, path)]


def _guess(n_bytes: int, path: Path) -> MatrixSize:
    values = int(n_bytes * VALUES_PER_BYTE[path.name.endswith(COMPRESSED)])
    return MatrixSize(max(values // VALUES_PER_SPOT, 1), 0, values, n_bytes, guessed=True)


def _bytes(path: Path) -> int:
    if not path.is_dir():
        return path.stat().st_size
    inside = [file for file in path.rglob("*") if file.is_file()]
    if path.suffix != ".zarr":
        # Machines put images beside the counts.
        inside = [file for file in inside if any(word in file.name for word in ("matrix", "exprMat", "cell_by_gene"))]
    return sum(file.stat().st_size for file in inside)


def _sizes(path: Path) -> Iterator[tuple[int, int, int]]:
    if path.is_dir() and path.suffix == ".zarr":
        import zarr

        yield from _of_group(zarr.open_group(path, mode="r"))
    elif path.is_dir():
        files = [file for name in MATRICES for file in sorted(path.rglob(name))]
        yield from _sizes(files[0]) if files else ()
    elif path.suffix in (".h5ad", ".h5mu", ".h5"):
        import h5py

        with h5py.File(path, "r") as file:
            yield from _of_group(file)
    elif path.name.endswith((".mtx", ".mtx.gz")):
        with _text(path) as lines:
            features, spots, values = map(int, next(line for line in lines if not line.startswith("%")).split())
        yield from _by_modality(spots, features, values, _types_beside(path))


def _of_group(group: Any) -> Iterator[tuple[int, int, int]]:
    """The matrices of an open AnnData, MuData, SpatialData or 10x file."""
    if "mod" in group or "tables" in group:
        parts = group["mod" if "mod" in group else "tables"]
        for name in parts:
            yield from _of_group(parts[name])
    elif "matrix" in group and "barcodes" in group["matrix"]:
        features, spots = (int(n) for n in group["matrix"]["shape"][:])
        values = int(group["matrix"]["data"].shape[0])
        parts = group["matrix"].get("features", {})
        types = [bytes(kind).decode() for kind in parts["feature_type"][:]] if "feature_type" in parts else []
        yield from _by_modality(spots, features, values, types)
    else:
        slot = next((slot for slot in ("layers/counts", "raw/X", "X") if slot in group), None)
        if slot is None:
            return
        matrix = group[slot]
        if hasattr(matrix, "keys"):
            spots, features = (int(n) for n in matrix.attrs["shape"])
            yield spots, features, int(matrix["data"].shape[0])
        elif len(matrix.shape) == 2:
            spots, features = (int(n) for n in matrix.shape)
            yield spots, features, spots * features


def _by_modality(spots: int, features: int, values: int, types: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Split a 10x matrix by the type of each feature; one modality where the types are unknown.

    Which values are of which modality is not in the header: all count with the first.
    """
    found: Counter[str] = Counter()
    for kind, number in Counter(types).items():
        modality = modality_of(kind)
        if modality is not None:
            found[modality] += number
    for i, number in enumerate(found.values() or [features]):
        yield spots, number, values * (i == 0)


def _types_beside(path: Path) -> list[str]:
    """Return the type of each feature in the features.tsv beside a matrix.mtx; none where there is no such file."""
    prefix, name, _ = path.name.rpartition("matrix.mtx")
    files = [path.with_name(f"{prefix}features.tsv{ending}") for ending in (".gz", "")]
    beside = next((file for file in files if file.is_file()), None)
    if not name or beside is None:
        return []
    with _text(beside) as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    return [row[2] for row in rows if len(row) > 2]


def _text(path: Path) -> IO[str]:
    return gzip.open(path, "rt") if path.suffix == ".gz" else path.open()


@dataclass(frozen=True)
class DatasetSize:
    """All sections of a dataset.

    Attributes
    ----------
    spots, values
        Of all sections, the values of all modalities together.
    features
        Of each modality.
    bytes
        Of the largest section's files.
    guessed
        Whether some of it is guessed from the sizes of files.
    """

    spots: int
    values: int
    features: tuple[int, ...]
    bytes: int
    guessed: bool


def dataset_size(sections: Sequence[Sequence[Path]]) -> DatasetSize:
    """The size of a dataset, from the files of each section; a file of several sections counts once."""
    spots, values, largest, guessed = 0, 0, 0, False
    features: tuple[int, ...] = ()
    seen: set[Path] = set()
    for files in sections:
        new = [path for path in files if path.resolve() not in seen]
        seen |= {path.resolve() for path in new}
        found = [size for path in new for size in matrix_sizes(path)]
        spots += max((size.spots for size in found), default=0)
        values += sum(size.values for size in found)
        largest = max(largest, sum(size.bytes for size in found))
        features = max(features, tuple(size.features for size in found), key=len)
        guessed = guessed or any(size.guessed for size in found)
    return DatasetSize(spots, values, features, largest, guessed)
