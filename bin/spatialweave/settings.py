"""Hyper-parameters as dataclass fields with a meaning and bounds, set from text or YAML with full checking."""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar

from spatialweave.errors import InputError

C = TypeVar("C")

_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")


def option(default: Any, meaning: str, low: float | None = None, high: float | None = None) -> Any:
    """A field of a method's Config: its default, its meaning in one sentence, and its bounds (both inclusive)."""
    return dataclasses.field(default=default, metadata={"meaning": meaning, "low": low, "high": high})


def configure(config: type[C], where: str, *layers: Mapping[str, Any]) -> C:
    """Make a Config from its defaults and layers of values, later ones winning.

    Parameters
    ----------
    config
        A frozen dataclass whose fields were made with :func:`option`.
    where
        Where the values come from, for messages.

    Raises
    ------
    InputError
        For an unknown name (with the nearest right one), a wrong type, or a value out of bounds.
    """
    hints = typing.get_type_hints(config)
    fields = {item.name: item for item in dataclasses.fields(config)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            if name not in fields:
                raise InputError(where, f"'{name}' is not a setting", nearest(name, fields))
            place = f"{where}, setting '{name}'"
            values[name] = _convert(value, hints[name], place)
            _check_bounds(values[name], fields[name].metadata, place)
    return config(**values)


def parse_overrides(items: Iterable[str]) -> dict[str, str]:
    """Split `key=value` items as given by --method-option; values stay text until :func:`configure` checks them."""
    overrides: dict[str, str] = {}
    for item in items:
        key, equals, value = item.partition("=")
        key = key.strip()
        if not equals or not key:
            raise InputError("--method-option", f"'{item}' has no name and value", "KEY=VALUE, e.g. epochs=200")
        if key in overrides:
            raise InputError("--method-option", f"'{key}' is given twice", "each setting once")
        overrides[key] = value.strip()
    return overrides


def nearest(name: str, known: Iterable[str]) -> str:
    """Text for an error: the nearest known name, then all of them."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), names, n=1)
    everything = "one of " + ", ".join(names)
    return f"'{close[0]}', perhaps; {everything}" if close else everything


def _convert(value: Any, hint: Any, place: str) -> Any:
    """`value` (from YAML, or text from the command line) as the type `hint` of its field."""
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise InputError(place, f"'{value}' is not a choice", nearest(str(value), choices))
        return value
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        if value is None or str(value).lower() == "none":
            return None
        (hint,) = [member for member in typing.get_args(hint) if member is not type(None)]
    converters: dict[Any, Callable[[Any], Any]] = {bool: _bool, int: _int, float: _float, str: str}
    try:
        return converters[hint](value)
    except (ValueError, TypeError, OverflowError):
        expected = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text"}[hint]
        raise InputError(place, f"'{value}' cannot be used", expected) from None


def _bool(value: Any) -> bool:
    text = str(value).lower()
    if text not in _TRUE + _FALSE:
        raise ValueError
    return text in _TRUE


def _int(value: Any) -> int:
    if isinstance(value, bool | float):
        raise TypeError
    return int(value)


def _float(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError
    return float(value)


def _check_bounds(value: Any, metadata: Mapping[str, Any], place: str) -> None:
    low, high = metadata["low"], metadata["high"]
    if value is None or ((low is None or value >= low) and (high is None or value <= high)):
        return
    bounds = [f"at least {low:g}" if low is not None else "", f"at most {high:g}" if high is not None else ""]
    raise InputError(place, f"{value} is out of bounds", " and ".join(filter(None, bounds)))
