"""Checks of the content on which stages rely in each other's files, made where a file is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.errors import InputError

if TYPE_CHECKING:
    import anndata
    import mudata
    import pandas as pd

AGAIN = "run the stage that writes it again"


def check_facts(path: Path, stamp: Mapping[str, Any], facts: tuple[str, ...]) -> None:
    """Refuse a stamp (uns['spatialweave']) in which one of `facts` is missing or is not text."""
    for fact in facts:
        if not isinstance(stamp.get(fact), str):
            raise InputError(f"{path}, uns['spatialweave']", f"does not hold its {fact} as text", fix=AGAIN)


def check_spots(path: Path, obs: pd.DataFrame) -> None:
    """Refuse a table of spots without a name, barcode and section for each spot, or with the same name twice."""
    if not len(obs):
        raise InputError(str(path), "holds no spot", "at least one", AGAIN)
    for column in ("barcode", "section"):
        if column not in obs:
            raise InputError(f"{path}, obs", f"has no column '{column}'", "barcode and section of every spot", AGAIN)
        if obs[column].isna().any():
            raise InputError(f"{path}, obs['{column}']", "is empty for some spots", "one for every spot", AGAIN)
    if not obs.index.is_unique:
        raise InputError(f"{path}, obs", f"spot '{obs.index[obs.index.duplicated()][0]}' occurs twice", "once", AGAIN)


def check_same_spots(path: Path, found: pd.Index, spots: pd.Index, fix: str, spots_of: str = "the latents") -> None:
    """Refuse a file whose spots are not those named `spots`, in this order; messages call their file `spots_of`."""
    if not found.equals(spots):
        raise InputError(str(path), f"its spots are not those of {spots_of}", fix=fix)


def check_coordinates(path: Path, values: Any, n_spots: int) -> np.ndarray:
    """Return coordinates (obsm['spatial']) as float64; anything but a finite x and y of every spot is refused."""
    array = check_table(f"{path}, obsm['spatial']", values, n_spots, "spot", "finite x and y")
    if array.shape[1] != 2:
        raise InputError(f"{path}, obsm['spatial']", f"has the shape {array.shape}", f"({n_spots}, 2)", AGAIN)
    return array.astype(np.float64)


def check_table(
    where: str, values: Any, n_rows: int, row_name: str = "row", expected: str = "finite numbers"
) -> np.ndarray:
    """Return an array of numbers with `n_rows` rows and at least one column; anything else is refused.

    Numbers must also be finite in single precision, which methods use.
    """
    array = np.asarray(values)
    if array.ndim != 2 or len(array) != n_rows or not array.shape[1]:
        raise InputError(where, f"has the shape {array.shape}", f"({n_rows}, dimensions)", AGAIN)
    if array.dtype.kind not in "fiu":
        raise InputError(where, f"holds values of type {array.dtype}", "numbers", AGAIN)
    wrong = ~(np.abs(array) <= np.finfo(np.float32).max)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        value = array[row, column]
        found = f"value {value} is {'beyond single precision' if np.isfinite(value) else 'not finite'}"
        raise InputError(f"{where}, {row_name} {row + 1}, column {column + 1}", found, expected, AGAIN)
    return array


def check_graph(path: Path, data: anndata.AnnData | mudata.MuData) -> None:
    """Refuse a graph whose matrices are not sparse, hold values that are not finite distances, or are inconsistent."""
    from scipy import sparse

    for key, matrix in data.obsp.items():
        where = f"{path}, obsp['{key}']"
        if not sparse.issparse(matrix) or matrix.format not in ("csr", "csc") or matrix.dtype.kind not in "biuf":
            raise InputError(where, "is not a sparse matrix of numbers", "a graph over the spots", AGAIN)
        if any(array.dtype.kind not in "iu" for array in (matrix.indices, matrix.indptr)):
            raise InputError(where, "has indices that are not whole numbers", "a graph over the spots", AGAIN)
        try:
            matrix.check_format(full_check=True)
        except ValueError as error:
            raise InputError(where, f"is inconsistent ({error})", "a graph over the spots", AGAIN) from error
        if not np.isfinite(matrix.data).all() or (matrix.data < 0).any():
            raise InputError(where, "holds an edge that is negative or not finite", "0 or more", AGAIN)


def check_embedding(path: Path, data: anndata.AnnData) -> None:
    """Refuse an embedding whose values or record of training (uns['training']) cannot be used."""
    check_spots(path, data.obs)
    check_table(f"{path}, X", data.X, data.n_obs)
    check_record(path, data.uns)


def check_record(path: Path, uns: Mapping[str, Any]) -> None:
    """Refuse a record of a training that is not JSON of names and values with a method (text) and seed (number)."""
    try:
        record = json.loads(str(uns["training"]))
        if not isinstance(record["method"], str) or type(record["seed"]) is not int:
            raise TypeError("its method is not a text, or its seed is not a whole number")
    except (AttributeError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}, uns['training']", f"is not a record of a training ({error})", "method and seed", "train again"
        ) from error
