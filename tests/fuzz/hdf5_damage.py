"""Damage to HDF5 files: what can be wrong with one dataset of a file, whatever the file holds."""

from __future__ import annotations

from collections.abc import Callable

import h5py
import numpy as np

Damage = Callable[[h5py.File, str], None]
"""Changes the dataset at a path of an open file."""

FAR = 10**9


def replaced(make: Callable[[np.ndarray], np.ndarray]) -> Damage:
    """Replace a dataset's values; its attributes stay, so that the file still describes it in the same way."""

    def damage(file: h5py.File, path: str) -> None:
        old = file[path]
        values, attributes = old[()], dict(old.attrs)
        del file[path]
        new = file.create_dataset(path, data=make(np.asarray(values)))
        new.attrs.update(attributes)

    return damage


def one_value(value: object) -> Damage:
    """Numbers with one of them changed, stored as 64-bit numbers; text with one text changed."""

    def make(values: np.ndarray) -> np.ndarray:
        if values.dtype.names:
            return in_records(values)
        if values.dtype.kind in "OSU":
            changed = values.astype(object)
            changed.flat[0] = str(value).encode()
            return changed
        changed = values.astype(np.int64 if isinstance(value, int) and values.dtype.kind in "biu" else np.float64)
        changed.flat[0] = value
        return changed

    def in_records(values: np.ndarray) -> np.ndarray:
        """Every number of the first record changed; records of text only, as they are."""
        kinds = [(name, values.dtype[name]) for name in values.dtype.names or ()]
        wide = np.int64 if isinstance(value, int) else np.float64
        changed = values.astype([(name, wide if kind.kind in "iuf" else kind) for name, kind in kinds])
        for name, kind in kinds:
            if kind.kind in "iuf":
                changed[name].flat[0] = value
        return changed

    return replaced(make)


def hole(file: h5py.File, path: str) -> None:
    """A dataset that says it holds 10^9 values (or rows and columns), and holds none of them."""
    old = file[path]
    attributes, dtype, n_dims = dict(old.attrs), old.dtype, max(1, old.ndim)
    del file[path]
    new = file.create_dataset(path, (FAR,) * n_dims, dtype, chunks=(1000,) * n_dims)
    new.attrs.update(attributes)


def relinked(link: Callable[[str], object]) -> Damage:
    def damage(file: h5py.File, path: str) -> None:
        del file[path]
        file[path] = link(path)

    return damage


def as_group(file: h5py.File, path: str) -> None:
    del file[path]
    file.create_group(path)


def as_scalar(file: h5py.File, path: str) -> None:
    value, attributes = np.asarray(file[path][()]).flat[0], dict(file[path].attrs)
    del file[path]
    file[path] = value
    file[path].attrs.update(attributes)


def attribute(name: str, value: object) -> Damage:
    def damage(file: h5py.File, path: str) -> None:
        holder = file[path] if name in file[path].attrs else file[path].parent
        holder.attrs[name] = value

    return damage


def bare(file: h5py.File, path: str) -> None:
    for name in list(file[path].attrs):
        del file[path].attrs[name]


def of_references(file: h5py.File, path: str) -> None:
    n = len(file[path])
    del file[path]
    file[path] = np.array([file.ref] * n, dtype=h5py.ref_dtype)


def of_lists(file: h5py.File, path: str) -> None:
    n = len(file[path])
    del file[path]
    lists = file.create_dataset(path, (n,), dtype=h5py.vlen_dtype(np.int32))
    lists[0] = [1, 2, 3]


def dates(values: np.ndarray) -> np.ndarray:
    return np.full(values.shape, b"2026-01-01", dtype="S10")


DAMAGES: dict[str, Damage] = {
    "absent": lambda file, path: file.__delitem__(path),
    "empty": replaced(lambda values: values[:0]),
    "one only": replaced(lambda values: values[:1]),
    "one too few": replaced(lambda values: values[:-1]),
    "one too many": replaced(lambda values: np.concatenate([values, values[-1:]])),
    "all the same": replaced(lambda values: np.concatenate([values[:1]] * len(values))),
    "reversed": replaced(lambda values: values[::-1]),
    "one row": replaced(lambda values: values[None]),
    "three dimensions": replaced(lambda values: values.reshape(1, 1, -1)),
    "scalar": as_scalar,
    "text": replaced(dates),
    "not UTF-8": replaced(lambda values: np.full(values.shape, b"\xff\xfe\xe9", dtype="S3").astype(object)),
    "complex": replaced(lambda values: np.full(values.shape, 1 + 2j)),
    "booleans": replaced(lambda values: np.ones(values.shape, dtype=bool)),
    "records": replaced(lambda values: np.zeros(values.shape, dtype=[("a", "i4"), ("b", "f8")])),
    "opaque": replaced(lambda values: np.zeros(values.shape, dtype="V7")),
    "references": of_references,
    "lists": of_lists,
    "half precision": replaced(lambda values: np.zeros(values.shape, dtype=np.float16)),
    "zeros": replaced(lambda values: np.zeros(values.shape, dtype=np.int64)),
    "NaN": one_value(float("nan")),
    "infinite": one_value(float("inf")),
    "negative": one_value(-7),
    "fraction": one_value(0.5),
    "huge": one_value(2**62),
    "beyond float32": one_value(1e300),
    "hole": hole,
    "group": as_group,
    "dangling link": relinked(lambda path: h5py.SoftLink("/nowhere")),
    "link to itself": relinked(lambda path: h5py.SoftLink("/" + path)),
    "link to another file": relinked(lambda path: h5py.ExternalLink("nowhere.h5", "/x")),
    "unknown encoding": attribute("encoding-type", "pickle"),
    "other encoding": attribute("encoding-type", "csc_matrix"),
    "encoding of tomorrow": attribute("encoding-version", "99.0.0"),
    "encoding is a number": attribute("encoding-type", 7),
    "no attributes": bare,
}


def apply(path: object, damage: str, target: str) -> None:
    """Damage one dataset of a file on disk."""
    with h5py.File(path, "r+") as file:
        DAMAGES[damage](file, target)
