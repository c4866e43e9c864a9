"""The way from counts to latents with the numbers of the dataset that it was fitted to, for spots of other datasets.

Every preparation notes its operations with what it measured over the dataset (:class:`Operation`); they are carried out
again on other counts, and the result is projected as the dataset's own was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.stage_checks import AGAIN
from spatialweave.preprocess.matrices import normalise_total, scale_columns, scale_rows

FROZEN = "frozen"
"""The uns key, in a modality's latents, of how latents of other spots are made like these."""

ALL, CHOSEN = "all", "chosen"
"""Whose counts a spot's total is of: all features that were detected, or those that were chosen."""

PCA, LSI, FEATURES = "pca", "lsi", "features"
"""How the transformed values become latents."""


@dataclass(frozen=True)
class Operation:
    """One change of a matrix, spots x features.

    Attributes
    ----------
    name
        ``total`` (spots are scaled to `target`), ``log1p``, ``arcsinh``, ``columns`` (features are multiplied by
        `numbers`), or ``clr_spots`` (centred log-ratio of each spot).
    target, of
        Of ``total``: the total, and whose it is (:data:`ALL`, :data:`CHOSEN`).
    numbers
        float64. Of ``columns`` one factor per chosen feature. Of ``total`` each feature's fraction of all counts, by
        which the total is lowered where features are missing.
    """

    name: str
    target: float = 0.0
    of: str = ""
    numbers: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class FrozenPreparation:
    """From raw counts of one modality to latents, as they were made of another dataset's.

    Attributes
    ----------
    features
        Names of the chosen features, those behind the latents.
    detected
        Names of all features that spots' totals are of; empty where no operation needs them.
    operations
        In order.
    projection
        :data:`PCA`, :data:`LSI` or :data:`FEATURES`.
    matrix
        float64, features x dimensions; of LSI one dimension more than the latents; of FEATURES features x 0.
    mean
        float64, mean of each feature after the operations.
    """

    features: list[str]
    detected: list[str]
    operations: list[Operation]
    projection: str
    matrix: np.ndarray
    mean: np.ndarray

    @property
    def n_dims(self) -> int:
        """Dimensions of the latents."""
        width = self.matrix.shape[1]
        return len(self.features) if self.projection == FEATURES else width - (self.projection == LSI)

    def transformed(self, counts: sparse.csr_matrix, names: Sequence[str]) -> tuple[sparse.csr_matrix, np.ndarray]:
        """What the projection takes of other counts, spots x features, by their names in the spelling of the model's.

        Returns
        -------
        float64 CSR, spots x chosen features that are there, and their positions among :attr:`features`.
        """
        column_of = {name: column for column, name in enumerate(names)}
        found = np.array([position for position, name in enumerate(self.features) if name in column_of], dtype=np.int64)
        matrix = counts[:, [column_of[self.features[position]] for position in found]].astype(np.float64)
        for operation in self.operations:
            if operation.name == "total":
                if operation.of == ALL:
                    here = np.array([name in column_of for name in self.detected])
                    weights = np.zeros(counts.shape[1])
                    weights[[column_of[name] for name in self.detected if name in column_of]] = 1
                    totals, known = counts.astype(np.float64) @ weights, here
                else:
                    totals, known = np.asarray(matrix.sum(axis=1)).ravel(), _mask(found, len(self.features))
                share = 1.0 if known.all() else float(operation.numbers[known].sum())
                normalise_total(matrix, totals, operation.target * share)
            else:
                CHANGES[operation.name](matrix, operation.numbers[found] if len(operation.numbers) else found)
        return matrix, found

    def latents(self, matrix: sparse.csr_matrix, found: np.ndarray) -> np.ndarray:
        """The latents (float32, spots x dimensions) of what :meth:`transformed` returns.

        Missing features take their mean.
        """
        absent = np.setdiff1d(np.arange(len(self.features)), found)
        if self.projection == FEATURES:
            values = np.tile(self.mean.astype(np.float32), (matrix.shape[0], 1))
            values[:, found] = matrix.toarray()
            return values
        if self.projection == PCA:
            own = self.matrix[found]
            return np.asarray(matrix @ own - self.mean[found] @ own, dtype=np.float32)
        vectors = matrix @ self.matrix[found] + self.mean[absent] @ self.matrix[absent]
        return standardised(vectors, np.asarray(matrix.sum(axis=1)).ravel() == 0)

    def parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """The same as plain values, for JSON, and as arrays by name."""
        arrays = {"matrix": self.matrix, "mean": self.mean}
        operations = []
        for number, operation in enumerate(self.operations):
            operations.append({"name": operation.name, "target": operation.target, "of": operation.of})
            if len(operation.numbers):
                arrays[f"operation.{number}"] = operation.numbers
        plain = {
            "features": self.features,
            "detected": self.detected,
            "operations": operations,
            "projection": self.projection,
        }
        return plain, {name: np.ascontiguousarray(array, dtype=np.float64) for name, array in arrays.items()}

    @classmethod
    def of_parts(cls, plain: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> FrozenPreparation:
        """What :meth:`parts` returned.

        Raises
        ------
        ValueError
            Where they do not fit together; the text says what and where.
        """
        features, detected = _names(plain, "features"), _names(plain, "detected")
        projection = plain.get("projection")
        if not features:
            raise ValueError("features is empty")
        if projection not in (PCA, LSI, FEATURES):
            raise ValueError(f"projection {projection!r} is not known")
        matrix, mean = arrays.get("matrix", np.empty(0)), arrays.get("mean", np.empty(0))
        if matrix.ndim != 2 or len(matrix) != len(features) or (projection != FEATURES) != (matrix.shape[1] > 0):
            raise ValueError(f"matrix has the shape {matrix.shape} for {len(features)} features")
        if mean.shape != (len(features),):
            raise ValueError(f"mean has the shape {mean.shape} for {len(features)} features")
        given = plain.get("operations")
        if not isinstance(given, list):
            raise ValueError("operations is no list")
        operations = [_operation(one, number, arrays, len(features), len(detected)) for number, one in enumerate(given)]
        return cls(features, detected, operations, projection, matrix, mean)


def _operation(
    plain: Any, number: int, arrays: Mapping[str, np.ndarray], n_features: int, n_detected: int
) -> Operation:
    name = plain.get("name") if isinstance(plain, dict) else None
    if name not in ("total", *CHANGES):
        raise ValueError(f"operation {number} is {name!r}, which is not known")
    numbers = arrays.get(f"operation.{number}", np.empty(0))
    target, of = plain.get("target", 0.0), plain.get("of", "")
    wanted = 0
    if name == "total":
        if of not in (ALL, CHOSEN) or type(target) not in (int, float) or not 0 < target < np.inf:
            raise ValueError(f"operation {number} has the target {target!r} of {of!r}")
        wanted = n_detected if of == ALL else n_features
    elif name == "columns":
        wanted = n_features
    if numbers.shape != (wanted,):
        raise ValueError(f"operation {number} has numbers of the shape {numbers.shape}, not {(wanted,)}")
    return Operation(name, float(target), of, numbers)


def _names(plain: Mapping[str, Any], key: str) -> list[str]:
    names = plain.get(key)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{key} is no list of names")
    if len(set(names)) < len(names):
        raise ValueError(f"{key} has a name twice")
    return names


def _mask(positions: np.ndarray, length: int) -> np.ndarray:
    mask = np.zeros(length, dtype=bool)
    mask[positions] = True
    return mask


def _log1p(matrix: sparse.csr_matrix, _numbers: np.ndarray) -> None:
    np.log1p(matrix.data, out=matrix.data)


def _arcsinh(matrix: sparse.csr_matrix, _numbers: np.ndarray) -> None:
    np.arcsinh(matrix.data, out=matrix.data)


def _clr_spots(matrix: sparse.csr_matrix, _numbers: np.ndarray) -> None:
    log_ratio_of_spots(matrix)


def carry_out(operations: Sequence[Operation], matrix: sparse.csr_matrix) -> None:
    """Operations other than ``total``, on all features that they are of, in place."""
    for operation in operations:
        CHANGES[operation.name](matrix, operation.numbers)


CHANGES: dict[str, Callable[[sparse.csr_matrix, np.ndarray], None]] = {
    "log1p": _log1p,
    "arcsinh": _arcsinh,
    "columns": scale_columns,
    "clr_spots": _clr_spots,
}
"""The operations that need nothing but the matrix and their numbers, in place."""


def log_ratio_of_spots(matrix: sparse.csr_matrix) -> None:
    """log(1 + x / exp(mean of log(1 + x))), the mean over all features of each spot, in place; zeros stay zeros."""
    logged = sparse.csr_matrix((np.log1p(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)
    scale_rows(matrix, np.exp(-np.asarray(logged.mean(axis=1)).ravel()))
    np.log1p(matrix.data, out=matrix.data)


def standardised(vectors: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Rows brought to mean 0 and standard deviation 1 (n - 1), without the first column (float32); zero if `empty`."""
    vectors = np.where(empty[:, None], 0.0, vectors)
    vectors -= vectors.mean(axis=1, keepdims=True)
    sd = vectors.std(axis=1, ddof=1, keepdims=True)
    vectors /= np.where(sd > 0, sd, 1.0)
    return np.ascontiguousarray(vectors[:, 1:], dtype=np.float32)


def total(target: float, of: str, sums: np.ndarray) -> Operation:
    """Scaling to a total; `sums` are the features' sums over all spots of what it is of."""
    everything = sums.sum()
    return Operation("total", target, of, sums / everything if everything > 0 else np.zeros(len(sums)))


def frozen_uns(frozen: FrozenPreparation) -> dict[str, Any]:
    """The uns entry of a modality's latents."""
    plain, arrays = frozen.parts()
    return {"plain": json.dumps(plain), "arrays": arrays}


def read_frozen(where: str, uns: Mapping[str, Any]) -> FrozenPreparation:
    """What :func:`frozen_uns` made; `where` names the file and the modality.

    Raises
    ------
    InputError
        Where there is none, as for latents that the user gave, or it contradicts itself.
    """
    if FROZEN not in uns:
        raise InputError(where, "does not say how its latents are made from counts", "latents made by PREPROCESS")
    try:
        return FrozenPreparation.of_parts(json.loads(str(uns[FROZEN]["plain"])), uns[FROZEN]["arrays"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}, uns['{FROZEN}']", f"cannot be used ({error})", fix=AGAIN) from error
