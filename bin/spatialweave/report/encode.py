"""Compact, safe data for the page: arrays as compressed base64, JSON that cannot end its script element."""

from __future__ import annotations

import base64
import json
import math
import zlib
from typing import Any

import numpy as np
from markupsafe import Markup


def pack(array: np.ndarray) -> dict[str, Any]:
    """Compress an array (little-endian, row by row) for `unpack` of static/data.js."""
    fixed = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    return {"dtype": array.dtype.name, "bytes": _deflate(fixed.tobytes())}


def pack_codes(codes: np.ndarray, n_classes: int) -> dict[str, Any]:
    """Compress class codes in the smallest type that holds them; -1 becomes `n_classes`, one past the last class."""
    shifted = np.where(codes < 0, n_classes, codes)
    return pack(shifted.astype(smallest_type(n_classes)))


def pack_text(texts: list[str]) -> dict[str, Any]:
    """Compress a list of strings."""
    return {"dtype": "text", "bytes": _deflate(json.dumps(texts, ensure_ascii=False).encode())}


def smallest_type(largest: int) -> type[np.unsignedinteger]:
    """Return the smallest unsigned type that holds `largest`."""
    if largest <= np.iinfo(np.uint8).max:
        return np.uint8
    return np.uint16 if largest <= np.iinfo(np.uint16).max else np.uint32


def _deflate(data: bytes) -> str:
    return base64.b64encode(zlib.compress(data)).decode()


def script_json(value: Any) -> Markup:
    """Return JSON for a script element: no character can end the element or start a comment; NaN becomes null."""
    text = json.dumps(_finite(value), separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return value
