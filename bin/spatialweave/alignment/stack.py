"""Aligned coordinates of a stack: the transforms of each section onto the one before it, composed to the first."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.alignment.transforms import apply, decompose
from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset, read_spots
from spatialweave.io.files import write_json
from spatialweave.io.spot_tables import coordinates_table

if TYPE_CHECKING:
    import pandas as pd

KIND = "transform"


def write_transform(path: Path, fixed: str, moving: str, matrix: np.ndarray, record: Mapping[str, Any]) -> None:
    """Write the transform of the coordinates of section `moving` to those of section `fixed` (3 x 3, homogeneous)."""
    write_json(path, {"kind": KIND, "fixed": fixed, "moving": moving, "matrix": matrix.tolist(), **record})


def read_transform(path: Path) -> dict[str, Any]:
    """Read a file written by :func:`write_transform`; `matrix` is an array.

    Raises
    ------
    InputError
        When the file is not a transform file, or its matrix cannot be inverted.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["kind"] != KIND:
            raise ValueError(f"its kind is {content['kind']}")
        matrix = np.array(content["matrix"], dtype=np.float64)
        is_finite = matrix.shape == (3, 3) and np.isfinite(matrix).all()
        # Whatever the units, the determinant is of the size of the squared numbers.
        if not is_finite or abs(np.linalg.det(matrix[:2, :2])) <= 1e-12 * np.abs(matrix[:2, :2]).max() ** 2:
            raise ValueError("its matrix is not a transform of the plane")
        return {**content, "fixed": str(content["fixed"]), "moving": str(content["moving"]), "matrix": matrix}
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise InputError(str(path), f"is not a readable transform ({error})", fix="align the sections again") from error


def stack_sections(latents: Path, transforms: Sequence[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the table of aligned coordinates of every spot, and the table of the sections' transforms."""
    dataset = read_spots(latents)
    read = [read_transform(path) for path in transforms]
    matrices = compose(dataset, read)
    return coordinates_table(dataset.obs, aligned_coordinates(dataset, matrices)), transforms_table(matrices, read)


def compose(dataset: Dataset, transforms: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """Return the transform of each section to the coordinates of the first, from those of all consecutive pairs.

    Raises
    ------
    InputError
        When the transform of a pair is missing.
    """
    matrices = {(one["fixed"], one["moving"]): one["matrix"] for one in transforms}
    to_first = {dataset.sections[0]: np.eye(3)}
    for fixed, moving in dataset.section_pairs():
        if (fixed, moving) not in matrices:
            raise InputError(
                "--transform",
                f"there is no transform of section '{moving}' to '{fixed}'",
                "one for each pair of consecutive sections",
            )
        to_first[moving] = to_first[fixed] @ matrices[fixed, moving]
    return to_first


def aligned_coordinates(dataset: Dataset, matrices: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the aligned coordinates of all spots (float64, spots x 2)."""
    aligned = np.empty_like(dataset.coordinates, dtype=np.float64)
    for section, rows in dataset.section_rows().items():
        aligned[rows] = apply(matrices[section], dataset.coordinates[rows])
    return aligned


def transforms_table(matrices: Mapping[str, np.ndarray], transforms: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return one row per section: the transform of its coordinates to those of the first section.

    Columns: section; method and score of its alignment to the section before (empty for the first), whether it is
    settled and with what confidence; angle in degrees, scale and whether it is reflected; shift_x and shift_y; and the
    matrix (m11 ... m23), row by row.
    """
    import pandas as pd

    by_moving = {one["moving"]: one for one in transforms}
    rows = []
    for section, matrix in matrices.items():
        angle, (shift_x, shift_y), scale, reflected = decompose(matrix)
        alignment = by_moving.get(section, {})
        record = alignment.get("record", {})
        rows.append(
            {
                "section": section,
                "method": alignment.get("method", ""),
                "score": alignment.get("score"),
                "settled": record.get("settled", True),
                "confidence": record.get("confidence"),
                "angle": float(np.degrees(angle)),
                "scale": scale,
                "reflected": reflected,
                "shift_x": shift_x,
                "shift_y": shift_y,
                **{f"m{i + 1}{j + 1}": matrix[i, j] for i in range(2) for j in range(3)},
            }
        )
    return pd.DataFrame(rows)
