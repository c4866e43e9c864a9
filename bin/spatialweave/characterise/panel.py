"""Panels of markers that name domains, read from the user's YAML file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spatialweave.errors import InputError
from spatialweave.modalities import MODALITIES
from spatialweave.settings import nearest_name, read_yaml

POSITIVE, NEGATIVE = "positive", "negative"

LONGEST_NAME = 80


@dataclass(frozen=True)
class PanelMarker:
    """One marker of a name.

    Attributes
    ----------
    modality
        Modality in which it is measured; "" = any.
    sign
        1 if it is higher in domains of the name, -1 if lower.
    """

    feature: str
    modality: str
    sign: int


Panel = dict[str, list[PanelMarker]]
"""Names of domains, and the markers of each."""


def read_panel(path: Path) -> Panel:
    """Read the panel from a YAML file.

    A name has either a list of markers, or ``positive`` and ``negative`` lists, or modalities with either of these.

    Raises
    ------
    InputError
        When the file is not YAML, a name occurs twice or is a number, or markers are not lists of texts, occur twice
        (also once for all modalities and once for one), or are missing.
    """
    content = read_yaml(path)
    _refuse_repeated(path)
    if not content:
        raise InputError(str(path), "contains no names", "names of domains and their markers")
    panel: Panel = {}
    for given, entry in content.items():
        name = _name(path, given)
        if name in panel:
            raise InputError(f"{path}, '{name}'", "occurs twice, but for blanks around it", "each name once")
        panel[name] = _markers(f"{path}, '{name}'", entry)
    return panel


def _refuse_repeated(path: Path) -> None:
    """Raise an InputError if a name occurs twice, since YAML's reader silently keeps only the last entry."""
    import yaml

    def refuse(node: Any) -> None:
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                if key.value in seen:
                    line = key.start_mark.line + 1
                    raise InputError(f"{path}, line {line}", f"'{key.value}' occurs twice", "each name once")
                seen.add(key.value)
                refuse(value)

    refuse(yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader))


def _name(path: Path, name: Any) -> str:
    where = f"{path}, name {name!r}"[:200]
    if not isinstance(name, str):
        raise InputError(where, "is not text", "a name in words", "put it in quotes")
    if not name.strip() or len(name) > LONGEST_NAME or not name.isprintable():
        raise InputError(where, "cannot be shown", f"1 to {LONGEST_NAME} printable characters")
    if name.strip().isdigit():
        raise InputError(where, "is a number, like the names of unnamed domains", "a name in words")
    return name.strip()


def _markers(where: str, entry: Any) -> list[PanelMarker]:
    found = list(_signed(where, entry, ""))
    if isinstance(entry, dict):
        known = (POSITIVE, NEGATIVE, *MODALITIES)
        for key, value in entry.items():
            if key not in known:
                raise InputError(where, f"'{key}' is not known", nearest_name(str(key), known))
            if key in MODALITIES:
                found += _signed(f"{where}, {key}", value, key)
    if not any(marker.sign > 0 for marker in found):
        raise InputError(where, "has no positive marker", "at least one feature that is higher in such domains")
    seen: set[tuple[str, str]] = set()
    for marker in found:
        key = marker.modality, marker.feature.upper()
        if key in seen:
            raise InputError(where, f"marker '{marker.feature}' occurs twice", "each marker once")
        seen.add(key)
    for marker in found:
        if marker.modality and ("", marker.feature.upper()) in seen:
            twice = f"marker '{marker.feature}' occurs under {marker.modality}, and without a modality for all of them"
            raise InputError(where, twice, "each marker once")
    return found


def _signed(where: str, entry: Any, modality: str) -> list[PanelMarker]:
    """Yield the markers of a list, or of the lists ``positive`` and ``negative`` of a mapping."""
    if isinstance(entry, list):
        entry = {POSITIVE: entry}
    if not isinstance(entry, dict):
        raise InputError(where, f"is {str(entry)[:60]!r}", "a list of markers, e.g. [CD3E, CD3D]")
    if modality and (foreign := [key for key in entry if key not in (POSITIVE, NEGATIVE)]):
        raise InputError(where, f"'{foreign[0]}' is not known", nearest_name(str(foreign[0]), (POSITIVE, NEGATIVE)))
    found = []
    for key, sign in ((POSITIVE, 1), (NEGATIVE, -1)):
        features = entry.get(key, [])
        if not isinstance(features, list):
            raise InputError(f"{where}, {key}", f"is {str(features)[:60]!r}", "a list of markers, e.g. [CD3E, CD3D]")
        for feature in features:
            if not isinstance(feature, str) or not feature.strip():
                fix = "put it in quotes"
                raise InputError(
                    f"{where}, {key}", f"marker {str(feature)[:60]!r} is not text", "names of features", fix
                )
            found.append(PanelMarker(feature.strip(), modality, sign))
    return found
