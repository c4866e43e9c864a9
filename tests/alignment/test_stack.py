"""Transforms of neighbouring sections, composed along the stack."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spatialweave.alignment.stack import (
    compose,
    neighbouring_pairs,
    read_transform,
    stacked_points,
    transforms_table,
    write_transform,
)
from spatialweave.errors import InputError

QUARTER = np.array([[0.0, -1.0, 10.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
"""A quarter turn to the left, then 10 to the right."""

DOUBLE = np.diag([2.0, -2.0, 1.0])
"""Twice as large, and turned over."""


def test_transforms_are_composed_from_the_last_section_to_the_first() -> None:
    transforms = [
        {"fixed": "b", "moving": "c", "matrix": DOUBLE},
        {"fixed": "a", "moving": "b", "matrix": QUARTER},
    ]
    matrices = compose(["a", "b", "c"], transforms)
    np.testing.assert_array_equal(matrices["a"], np.eye(3))
    # (1, 3) of c is (2, -6) of b, and that (6 + 10, 2) of a.
    points = np.array([[1.0, 3.0], [2.0, -6.0], [5.0, 5.0]])
    moved = stacked_points(points, np.array(["c", "b", "a"]), matrices)
    np.testing.assert_allclose(moved, [[16, 2], [16, 2], [5, 5]])


def test_the_table_names_angle_scale_and_reflection() -> None:
    transforms = [
        {"fixed": "a", "moving": "b", "matrix": QUARTER, "method": "icp", "score": 0.5},
        {"fixed": "b", "moving": "c", "matrix": DOUBLE, "method": "ndt", "score": 0.25},
    ]
    table = transforms_table(compose(["a", "b", "c"], transforms), transforms).set_index("section")
    assert table.loc["b", ["angle", "scale", "shift_x", "shift_y"]].tolist() == [90, 1, 10, 0]
    assert table["reflected"].tolist() == [False, False, True]
    assert table.loc["c", "scale"] == 2
    assert table["method"].tolist() == ["", "icp", "ndt"]


def test_a_missing_pair_is_named() -> None:
    with pytest.raises(InputError, match="section 'c' has none to 'b'"):
        compose(["a", "b", "c"], [{"fixed": "a", "moving": "b", "matrix": QUARTER}])
    assert neighbouring_pairs(["a"]) == []


def test_a_written_transform_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "a--b.transform.json"
    write_transform(path, "a", "b", QUARTER, {"score": 0.5, "method": "icp"})
    found = read_transform(path)
    np.testing.assert_array_equal(found["matrix"], QUARTER)
    assert (found["fixed"], found["moving"], found["method"]) == ("a", "b", "icp")


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
