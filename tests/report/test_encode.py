"""Arrays and JSON as they are embedded in a page."""

from __future__ import annotations

import json

import numpy as np
import pytest

from spatialweave.report.encode import pack, pack_codes, script_json

from .page import unpack


@pytest.mark.parametrize(
    "array", [np.arange(5, dtype=np.uint16), np.array([1.5, -2], np.float32), np.array([[1], [2]], np.uint8)]
)
def test_pack_round_trip(array: np.ndarray) -> None:
    assert (unpack(pack(array)) == array.ravel()).all()


def test_pack_codes_puts_missing_after_the_last_class() -> None:
    packed = pack_codes(np.array([0, -1, 299]), 300)
    assert packed["dtype"] == "uint16"
    assert unpack(packed).tolist() == [0, 300, 299]


def test_script_json_is_json_without_markup() -> None:
    value = {"a": ["</script><!--", float("nan"), 1.5, np.int64(3), "&\u2028"]}
    text = str(script_json(value))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": ["</script><!--", None, 1.5, 3, "&\u2028"]}
