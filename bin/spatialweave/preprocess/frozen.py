"""Preparation of latents from counts with the numbers fitted to one dataset, for spots of other datasets.

Every preparation records its operations with the numbers that it measured over the dataset (:class:`Operation`). They
are applied to other counts, and the result is projected in the same way as the dataset's own.
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
"""The uns key, in a modality's latents, of the preparation for other spots."""

ALL, CHOSEN = "all", "chosen"
"""Features in a spot's total: all that were detected, or those that were chosen."""

PCA, LSI, FEATURES = "pca", "lsi", "features"
"""Projections from transformed values to latents."""


@dataclass(frozen=True)
class Operation:
    """Operation on a matrix, spots x features.

    Attributes
    ----------
    name
        ``total`` (spots are scaled to `target`), ``log1p``, ``arcsinh``, ``columns`` (features are multiplied by
        `numbers`), or ``clr_spots`` (centred log-ratio of each spot).
    target, of
        For ``total``: the total, and its features (:data:`ALL`, :data:`CHOSEN`).
    numbers
        float64. For ``columns``, one factor per chosen feature. For ``total``, each feature's fraction of all counts,
        by which the total is lowered if features are missing.
    """

    name: str
    target: float = 0.0
    of: str = ""
    numbers: np.ndarray = field(default_factory=lambda: np.empty(0))


@dataclass(frozen=True)
class FrozenPreparation:
    """Preparation of latents from raw counts of one modality, with numbers fitted to another dataset.

    Attributes
    ----------
    features
        Names of the chosen features, which are behind the latents.
    detected
        Names of all features in the spots' totals; empty if no operation needs them.
    operations
        Operations in order.
    projection
        :data:`PCA`, :data:`LSI` or :data:`FEATURES`.
    matrix
        float64, features x dimensions; for LSI one dimension more than the latents; for FEATURES features x 0.
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
        """Apply the operations to other counts, spots x features; `names` are those of the features in the model.

        Returns
        -------
        float64 CSR, spots x chosen features that are present, and their positions among :attr:`features`.
        """
        column_of = {name: column for column, name in enumerate(names)}
        present = np.array([place for place, name in enumerate(self.features) if name in column_of], dtype=np.int64)
        matrix = counts[:, [column_of[self.features[position]] for position in present]].astype(np.float64)
        for operation in self.operations:
            if operation.name == "total":
                if operation.of == ALL:
                    in_total = np.array([name in column_of for name in self.detected])
                    weights = np.zeros(counts.shape[1])
                    weights[[column_of[name] for name in self.detected if name in column_of]] = 1
                    totals = counts.astype(np.float64) @ weights
                else:
                    in_total = _mask(present, len(self.features))
                    totals = np.asarray(matrix.sum(axis=1)).ravel()
                fraction = 1.0 if in_total.all() else float(operation.numbers[in_total].sum())
                normalise_total(matrix, totals, operation.target * fraction)
            else:
                numbers = operation.numbers
                CHANGES[operation.name](matrix, numbers[present] if len(numbers) else numbers)
        return matrix, present

    def latents(self, matrix: sparse.csr_matrix, present: np.ndarray) -> np.ndarray:
        """Return the latents (float32, spots x dimensions) from the result of :meth:`transformed`.

        Missing features are set to their mean.
        """
        absent = np.setdiff1d(np.arange(len(self.features)), present)
        if self.projection == FEATURES:
            values = np.tile(self.mean.astype(np.float32), (matrix.shape[0], 1))
            values[:, present] = matrix.toarray()
            return values
        if self.projection == PCA:
            loadings = self.matrix[present]
            return np.asarray(matrix @ loadings - self.mean[present] @ loadings, dtype=np.float32)
        vectors = matrix @ self.matrix[present] + self.mean[absent] @ self.matrix[absent]
        return standardised(vectors, np.asarray(matrix.sum(axis=1)).ravel() == 0)

    def parts(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return the preparation as plain values, for JSON, and arrays by name."""
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
        """Make a preparation from the result of :meth:`parts`.

        Raises
        ------
        ValueError
            When the parts do not fit together; the text names the part.
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
        entries = plain.get("operations")
        if not isinstance(entries, list):
            raise ValueError("operations is not a list")
        operations = [_operation(entry, i, arrays, len(features), len(detected)) for i, entry in enumerate(entries)]
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
        raise ValueError(f"{key} is not a list of names")
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
    """Apply operations other than ``total`` in place, on all features."""
    for operation in operations:
        CHANGES[operation.name](matrix, operation.numbers)


CHANGES: dict[str, Callable[[sparse.csr_matrix, np.ndarray], None]] = {
    "log1p": _log1p,
    "arcsinh": _arcsinh,
    "columns": scale_columns,
    "clr_spots": _clr_spots,
}
"""The operations that need only the matrix and their numbers; they work in place."""


def log_ratio_of_spots(matrix: sparse.csr_matrix) -> None:
    """Apply log(1 + x / exp(mean of log(1 + x))) in place, with the mean over a spot's features; zeros stay zeros."""
    logged = sparse.csr_matrix((np.log1p(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape)
    scale_rows(matrix, np.exp(-np.asarray(logged.mean(axis=1)).ravel()))
    np.log1p(matrix.data, out=matrix.data)


def standardised(vectors: np.ndarray, empty: np.ndarray) -> np.ndarray:
    """Standardise rows to mean 0 and standard deviation 1 (n - 1), drop the first column (float32); 0 if `empty`."""
    vectors = np.where(empty[:, None], 0.0, vectors)
    vectors -= vectors.mean(axis=1, keepdims=True)
    sd = vectors.std(axis=1, ddof=1, keepdims=True)
    vectors /= np.where(sd > 0, sd, 1.0)
    return np.ascontiguousarray(vectors[:, 1:], dtype=np.float32)


def total(target: float, of: str, sums: np.ndarray) -> Operation:
    """Return the operation that scales to a total; `sums` are the sums over all spots of the features in the total."""
    everything = sums.sum()
    return Operation("total", target, of, sums / everything if everything > 0 else np.zeros(len(sums)))


def frozen_uns(frozen: FrozenPreparation) -> dict[str, Any]:
    """Return the uns entry of a modality's latents."""
    plain, arrays = frozen.parts()
    return {"plain": json.dumps(plain), "arrays": arrays}


def read_frozen(where: str, uns: Mapping[str, Any]) -> FrozenPreparation:
    """Read the result of :func:`frozen_uns`; `where` names the file and the modality.

    Raises
    ------
    InputError
        When there is none, as for latents that the user gave, or it is inconsistent.
    """
    if FROZEN not in uns:
        raise InputError(
            where, "does not hold the preparation of its latents from counts", "latents made by PREPROCESS"
        )
    try:
        return FrozenPreparation.of_parts(json.loads(str(uns[FROZEN]["plain"])), uns[FROZEN]["arrays"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}, uns['{FROZEN}']", f"cannot be used ({error})", fix=AGAIN) from error
