"""Transforms of consecutive sections, composed along the stack."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spatialweave.alignment.stack import (
    aligned_coordinates,
    compose,
    read_transform,
    transforms_table,
    write_transform,
)
from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset

QUARTER = np.array([[0.0, -1.0, 10.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""A quarter turn to the left, then 10 to the right."""

DOUBLE = np.diag([2.0, -2.0, 1.0])
"""Twice as large, and turned over."""


def stack(sections: list[str], points: np.ndarray | None = None) -> Dataset:
    """A dataset of one spot per entry of `sections`."""
    obs = pd.DataFrame({"section": sections})
    return Dataset("d", obs, np.zeros((len(sections), 2)) if points is None else points, [])


def test_transforms_are_composed_from_the_last_section_to_the_first() -> None:
    transforms = [
        {"fixed": "b", "moving": "c", "matrix": DOUBLE},
        {"fixed": "a", "moving": "b", "matrix": QUARTER},
    ]
    dataset = stack(["a", "b", "c", "b"], np.array([[5.0, 5.0], [2.0, -6.0], [1.0, 3.0], [0.0, 0.0]]))
    matrices = compose(dataset, transforms)
    np.testing.assert_array_equal(matrices["a"], np.eye(3))
    # (1, 3) of c is (2, -6) of b, and that (6 + 10, 2) of a.
    np.testing.assert_allclose(aligned_coordinates(dataset, matrices), [[5, 5], [16, 2], [16, 2], [10, 0]])


def test_the_table_names_angle_scale_and_reflection() -> None:
    transforms = [
        {"fixed": "a", "moving": "b", "matrix": QUARTER, "method": "icp", "score": 0.5},
        {
            "fixed": "b",
            "moving": "c",
            "matrix": DOUBLE,
            "method": "ndt",
            "score": 0.25,
            "record": {"settled": False, "confidence": 0.6},
        },
    ]
    table = transforms_table(compose(stack(["a", "b", "c"]), transforms), transforms).set_index("section")
    assert table.loc["b", ["angle", "scale", "shift_x", "shift_y"]].tolist() == [90, 1, 10, 0]
    assert table["reflected"].tolist() == [False, False, True]
    assert table.loc["c", "scale"] == 2
    assert table["settled"].tolist() == [True, True, False] and table.loc["c", "confidence"] == 0.6
    assert table["method"].tolist() == ["", "icp", "ndt"]


def test_a_missing_pair_is_named() -> None:
    with pytest.raises(InputError, match="no transform of section 'c' to 'b'"):
        compose(stack(["a", "b", "c"]), [{"fixed": "a", "moving": "b", "matrix": QUARTER}])


def test_pairs_are_those_of_consecutive_sections_in_the_order_of_the_stack() -> None:
    assert stack(["z", "z", "b", "m"]).section_pairs() == [("z", "b"), ("b", "m")]
    assert stack(["a"]).section_pairs() == []


def test_a_written_transform_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a--b.transform.json"
    write_transform(path, "a", "b", QUARTER, {"score": 0.5, "method": "icp"})
    found = read_transform(path)
    np.testing.assert_array_equal(found["matrix"], QUARTER)
    assert (found["fixed"], found["moving"], found["method"]) == ("a", "b", "icp")


def test_a_transform_between_very_different_units_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a--b.transform.json"
    matrix = np.diag([1e-7, 1e-7, 1.0])
    path.write_text(json.dumps({"kind": "transform", "fixed": "a", "moving": "b", "matrix": matrix.tolist()}))
    np.testing.assert_array_equal(read_transform(path)["matrix"], matrix)


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        json.dumps({"kind": "other", "fixed": "a", "moving": "b", "matrix": np.eye(3).tolist()}),
        json.dumps({"kind": "transform", "fixed": "a", "moving": "b", "matrix": np.zeros((3, 3)).tolist()}),
        json.dumps({"kind": "transform", "fixed": "a", "moving": "b", "matrix": [[1, 0], [0, 1]]}),
        json.dumps({"kind": "transform", "fixed": "a", "matrix": np.eye(3).tolist()}),
        '{"kind": "transform", "fixed": "a", "moving": "b", "matrix": [[NaN, 0, 0], [0, 1, 0], [0, 0, 1]]}',
    ],
)
def test_a_damaged_transform_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a--b.transform.json"
    path.write_text(content)
    with pytest.raises(InputError, match="is not a readable transform"):
        read_transform(path)
