"""Settings as dataclass fields with a meaning and bounds, set from text or YAML with full checking.

This module validates all settings of methods and recipes. A setting is a field made with :func:`option`. A block of
settings is a frozen dataclass of such fields, possibly with further blocks as fields, or a mapping of names to blocks.

A dataclass may have a class attribute `ELSEWHERE`: a mapping from settings of the published code to the parameters of
the pipeline that set them here.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from spatialweave.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

C = TypeVar("C", bound="DataclassInstance")

REQUIRED: Any = dataclasses.MISSING
"""Default of an option that must be given."""

_TRUE, _FALSE = ("true", "yes", "1"), ("false", "no", "0")
_NONE = "none"


def option(
    default: Any,
    meaning: str,
    low: float | None = None,
    high: float | None = None,
    *,
    above: float | None = None,
    none: str = _NONE,
    aliases: tuple[str, ...] = (),
) -> Any:
    """Make a field of a block of settings.

    Parameters
    ----------
    default
        :data:`REQUIRED` for an option that must be given.
    meaning
        Meaning of the setting, in one sentence.
    low, high
        Bounds, both inclusive.
    above
        A lower bound, exclusive.
    none
        Text for None if the field's type allows it, e.g. ``all`` or ``auto``.
    aliases
        Further names of the setting, e.g. its name in the published code.
    """
    metadata = {"meaning": meaning, "low": low, "high": high, "above": above, "none": none, "aliases": aliases}
    return dataclasses.field(default=default, metadata=metadata)


def configure(config: type[C], where: str, *layers: Mapping[str, Any]) -> C:
    """Make a block of settings from its defaults and layers of values, later ones winning.

    Parameters
    ----------
    config
        A frozen dataclass whose fields were made with :func:`option`. Fields may be such dataclasses themselves.
    where
        Source of the values, for messages.

    Raises
    ------
    InputError
        For an unknown name (with the nearest known name), a wrong type, a value out of bounds, or a required option
        that is missing. Settings of inner blocks are named with dots.
    """
    values: dict[str, Any] = {}
    for layer in layers:
        values = _merged(values, check_block(config, where, layer))
    return _build(config, where, "", values)


def configure_recorded(config: type[C], where: str, content: Any) -> C:
    """Make a block of settings from its record, which `dataclasses.asdict` made and JSON stored.

    Raises
    ------
    InputError
        See :func:`configure`.
    """
    return configure(config, where, _as_given(config, content))


def _as_given(config: type, content: Any) -> Any:
    """Convert a record to a user's form: without defaults, which may be out of bounds, and with None as text."""
    if not isinstance(content, Mapping):
        return content
    hints, given = typing.get_type_hints(config), dict(content)
    for item in dataclasses.fields(config):
        if item.name not in given:
            continue
        value, inner = given[item.name], _inner_block(hints[item.name])
        if value == item.default and type(value) is type(item.default):
            del given[item.name]
        elif inner is not None:
            given[item.name] = None if value is None else _as_given(inner, value)
        elif value is None:
            given[item.name] = item.metadata["none"]
    return given


def check_block(block: Any, where: str, content: Any, name: str = "") -> dict[str, Any]:
    """Check the values given for a block of settings, by name or alias; options that are not given are left out.

    Parameters
    ----------
    block
        A dataclass as in :func:`configure`, or a mapping of names to blocks or types.
    content
        The content read; anything but a mapping is refused.
    name
        The block's name with dots, for messages; "" for the outermost.

    Returns
    -------
    The values, converted to the types of their fields; inner blocks as dicts.
    """
    members = block if isinstance(block, Mapping) else typing.get_type_hints(block)
    if not isinstance(content, Mapping):
        raise InputError(_place(where, name), f"is {content!r}", "names and values: " + ", ".join(members))
    metadata = {} if isinstance(block, Mapping) else {item.name: item.metadata for item in dataclasses.fields(block)}
    checked = {}
    for key, value in _by_own_name(content, members, metadata, block, _place(where, name)).items():
        full_name = f"{name}.{key}" if name else key
        inner = _inner_block(members[key])
        if inner is None:
            checked[key] = _convert(value, members[key], _place(where, full_name), metadata.get(key, {}))
        elif value is None and _allows_none(members[key]):
            checked[key] = None
        else:
            checked[key] = check_block(inner, where, value, full_name)
    return checked


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file of names and values.

    Raises
    ------
    InputError
        When it cannot be read, is not YAML, or holds anything but a mapping.
    """
    import yaml

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        detail = " ".join(str(error).split())
        raise InputError(str(path), f"is not a readable YAML file ({detail})") from error
    if not isinstance(content, dict):
        raise InputError(str(path), f"is not a mapping but {content!r}", "names and values")
    return content


def parse_overrides(items: Iterable[str]) -> dict[str, str]:
    """Split `key=value` items of --method-option; the values stay text until :func:`configure` checks them."""
    overrides: dict[str, str] = {}
    for item in items:
        key, equals, value = item.partition("=")
        key = key.strip()
        if not equals or not key:
            raise InputError(
                "--method-option", f"'{item}' has no name and value", "KEY=VALUE, e.g. --method-option epochs=200"
            )
        if key in overrides:
            raise InputError("--method-option", f"'{key}' is given twice", "each setting once")
        overrides[key] = value.strip()
    return overrides


def nearest_name(name: str, known: Iterable[str], aliases: Iterable[str] = ()) -> str:
    """Return the text for an error: the nearest of the known names and their aliases, then all names."""
    names = sorted(known)
    close = difflib.get_close_matches(str(name), [*names, *aliases], n=1)
    everything = "one of " + ", ".join(names)
    return f"'{close[0]}', perhaps; {everything}" if close else everything


def _by_own_name(
    content: Mapping[str, Any], members: Mapping[str, Any], metadata: Mapping[str, Any], block: Any, place: str
) -> dict[str, Any]:
    """Replace aliases by the names of the members; unknown names are refused."""
    names = {alias: name for name, facts in metadata.items() for alias in facts.get("aliases", ())}
    elsewhere = getattr(block, "ELSEWHERE", {})
    renamed: dict[str, Any] = {}
    given: dict[str, str] = {}
    for key, value in content.items():
        if key in elsewhere:
            raise InputError(place, f"'{key}' is not a setting of the method", f"the parameter {elsewhere[key]}")
        name = names.get(key, key)
        if name not in members:
            raise InputError(place, f"'{key}' is not a setting", nearest_name(str(key), members, names))
        if name in given:
            raise InputError(place, f"'{given[name]}' and '{key}' are the same setting", "one of them")
        renamed[name], given[name] = value, key
    return renamed


def _place(where: str, name: str) -> str:
    return f"{where}, setting '{name}'" if name else where


def _members_of_union(hint: Any) -> tuple[Any, ...]:
    union = typing.get_origin(hint) in (types.UnionType, typing.Union)
    return typing.get_args(hint) if union else (hint,)


def _allows_none(hint: Any) -> bool:
    return type(None) in _members_of_union(hint)


def _inner_block(hint: Any) -> Any:
    """Return the block that is the type of a member, or None if the member is a value."""
    if isinstance(hint, Mapping):
        return hint
    return next((member for member in _members_of_union(hint) if dataclasses.is_dataclass(member)), None)


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Merge two mappings, block by block; the values of `second` win."""
    merged = dict(first)
    for key, value in second.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _build(config: type[C], where: str, name: str, values: Mapping[str, Any]) -> C:
    """Make the dataclass from checked values; a missing required option is refused."""
    missing = [item.name for item in dataclasses.fields(config) if item.default is REQUIRED and item.name not in values]
    if missing:
        raise InputError(_place(where, name), f"lacks {', '.join(missing)}", "a value for each")
    hints = typing.get_type_hints(config)
    built = {}
    for key, value in values.items():
        inner = _inner_block(hints[key])
        full_name = f"{name}.{key}" if name else key
        built[key] = value if inner is None or value is None else _build(inner, where, full_name, value)
    return config(**built)


def _convert(value: Any, hint: Any, place: str, metadata: Mapping[str, Any]) -> Any:
    """Convert `value` (from YAML or the command line) to the type `hint` of its field, and check its bounds."""
    alternative = ""
    if _allows_none(hint):
        none = metadata.get("none", _NONE)
        if str(value).lower() == none:
            return None
        alternative = f", or {none}"
        (hint,) = [member for member in _members_of_union(hint) if member is not type(None)]
    if typing.get_origin(hint) is Literal:
        choices = typing.get_args(hint)
        if value not in choices:
            raise InputError(place, f"'{value}' is not a choice", nearest_name(str(value), choices))
        return value
    converters: dict[Any, Callable[[Any], Any]] = {bool: _bool, int: _int, float: _float, str: str}
    try:
        converted = converters[hint](value)
    except (ValueError, TypeError, OverflowError):
        expected = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text"}[hint]
        raise InputError(place, f"'{value}' cannot be used", expected + alternative) from None
    _check_bounds(converted, metadata, place, alternative)
    return converted


def _bool(value: Any) -> bool:
    if not isinstance(value, bool | str):
        raise TypeError
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


def _check_bounds(value: Any, metadata: Mapping[str, Any], place: str, alternative: str) -> None:
    low, high, above = (metadata.get(bound) for bound in ("low", "high", "above"))
    inside = (low is None or value >= low) and (high is None or value <= high) and (above is None or value > above)
    if inside:
        return
    bounds = [
        f"above {above:g}" if above is not None else "",
        f"at least {low:g}" if low is not None else "",
        f"at most {high:g}" if high is not None else "",
    ]
    raise InputError(place, f"{value} is out of bounds", " and ".join(filter(None, bounds)) + alternative)
