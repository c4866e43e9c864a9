"""A saved model: a folder with `model.json`, which describes it, and `model.safetensors`, which holds its numbers.

Such folders are exchanged between laboratories, so nothing in them is trusted: a folder holds no code, and its format,
names, shapes, types and numbers are checked before use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.files import atomic_path, read_json, write_json

FORMAT = 1
"""Version of the folder's format; a model of another format is refused."""

DESCRIPTION, ARRAYS = "model.json", "model.safetensors"

LARGEST_DESCRIPTION = 200_000_000
"""Limit in bytes. The names of half a million peaks take 20 million."""

KINDS = {"float32", "float64", "int64"}

AGAIN = "save the model again, or copy the folder again from an undamaged copy"

KEYS: dict[str, type | tuple[type, ...]] = {
    "spatialweave": str,
    "method": str,
    "module": str,
    "settings": dict,
    "seed": int,
    "dataset": str,
    "sections": list,
    "spots": int,
    "platform": str,
    "layout": str,
    "graph": dict,
    "recipe": str,
    "correct_sections": bool,
    "modalities": dict,
    "domains": dict,
    "training": dict,
}
"""Entries of a description, besides `format` and `arrays`, with their types."""


@dataclass(frozen=True)
class SavedModel:
    """Content of the folder of a model.

    Attributes
    ----------
    description
        The content of `model.json`, with at least :data:`KEYS`.
    arrays
        Arrays by name; the text before the first full stop names the part of the model.
    """

    where: Path
    description: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    def part(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays whose names begin with `name` and a full stop, by the rest of the name."""
        return {key[len(name) + 1 :]: value for key, value in self.arrays.items() if key.startswith(name + ".")}

    def array(self, name: str, *shape: int | None) -> np.ndarray:
        """Return an array of that shape, None = any length; a missing array or another shape is refused."""
        array = self.arrays.get(name)
        if array is None:
            raise InputError(f"{self.where}, {name}", "is missing", "the numbers of a model", AGAIN)
        if array.ndim != len(shape) or any(w is not None and w != n for w, n in zip(shape, array.shape, strict=True)):
            expected = " x ".join("any" if width is None else str(width) for width in shape) or "one number"
            raise InputError(f"{self.where}, {name}", f"has the shape {array.shape}", expected, AGAIN)
        return array


def write_model(folder: Path, description: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a model, whole or not at all."""
    from safetensors.numpy import save_file

    with atomic_path(folder) as temporary:
        temporary.mkdir()
        save_file({name: np.asarray(array, order="C") for name, array in arrays.items()}, temporary / ARRAYS)
        content = {"format": FORMAT, **description, "arrays": {"sha256": _digest(temporary / ARRAYS)}}
        write_json(temporary / DESCRIPTION, content)


def read_model(folder: Path) -> SavedModel:
    """Read and check a model.

    Raises
    ------
    InputError
        For a folder that is not a model, has another format, or is damaged.
    """
    description = read_description(folder)
    arrays = _read_arrays(folder / ARRAYS, description["arrays"])
    return SavedModel(folder, description, arrays)


def read_description(folder: Path) -> dict[str, Any]:
    """Read and check `model.json` of a folder, without its numbers."""
    path = folder / DESCRIPTION
    for name in (DESCRIPTION, ARRAYS):
        if not (folder / name).is_file():
            raise InputError(str(folder), f"has no file '{name}'", "a folder that --save_model wrote")
    if path.stat().st_size > LARGEST_DESCRIPTION:
        raise InputError(str(path), f"has {path.stat().st_size} bytes", f"at most {LARGEST_DESCRIPTION}", AGAIN)
    try:
        content = read_json(path)
    except RecursionError as error:
        raise InputError(str(path), "is not readable JSON (too deep)", fix=AGAIN) from error
    if not isinstance(content, dict) or "format" not in content:
        raise InputError(str(path), "has no entry 'format'", f"the format {FORMAT} of a saved model", AGAIN)
    if content["format"] != FORMAT:
        found = f"is of the format {content['format']!r}"
        raise InputError(str(path), found, f"{FORMAT}", "save the model again by this version, or use that one")
    for key, kind in KEYS.items():
        value = content.get(key)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            found = "is missing" if key not in content else f"holds {type(value).__name__}"
            raise InputError(f"{path}, '{key}'", found, getattr(kind, "__name__", str(kind)), AGAIN)
    digest = content.get("arrays")
    if not isinstance(digest, dict) or not isinstance(digest.get("sha256"), str):
        raise InputError(f"{path}, 'arrays'", "has no sha256", "the digest of the numbers", AGAIN)
    return content


def _read_arrays(path: Path, expected: Mapping[str, Any]) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if _digest(path) != expected["sha256"]:
        raise InputError(str(path), "is not the file for which model.json was written", "an unchanged file", AGAIN)
    try:
        arrays = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(str(path), f"is not readable ({error})", "a safetensors file", AGAIN) from error
    for name, array in arrays.items():
        if str(array.dtype) not in KINDS:
            raise InputError(f"{path}, {name}", f"is of the type {array.dtype}", ", ".join(sorted(KINDS)), AGAIN)
        if not np.isfinite(array).all():
            raise InputError(f"{path}, {name}", "has a number that is not finite", "finite numbers", AGAIN)
    return dict(arrays)


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
