"""Values of single modalities or sections given as text: rna:2+adt:0.5."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from spatialweave.errors import InputError
from spatialweave.settings import nearest_name


def by_modality(text: str, names: Sequence[str], setting: str) -> dict[str, float]:
    """Return the weight of every modality in `names`, 1 for those that `text` does not name.

    Raises
    ------
    InputError
        As :func:`named_values` and :func:`number`.
    """
    given = named_values(text, setting, names)
    return dict.fromkeys(names, 1.0) | {name: number(value, setting) for name, value in given.items()}


def named_values(text: str, setting: str, known: Collection[str]) -> dict[str, str]:
    """Return the values in a text such as ``rna:0.003+adt:0.001``, by name.

    Raises
    ------
    InputError
        If the text has another form, or a name is unknown.
    """
    values = {}
    for item in filter(None, text.split("+")):
        name, mark, value = item.rpartition(":")
        if not (mark and value):
            raise InputError(f"setting '{setting}'", f"'{item}'", "NAME:VALUE, joined by +")
        if name not in known:
            raise InputError(f"setting '{setting}'", f"'{name}' is not known here", nearest_name(name, known))
        values[name] = value
    return values


def number(text: str, setting: str) -> float:
    """Parse a finite number of at least 0; refuse other text."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(f"setting '{setting}'", f"'{text}'", "a number, 0 or more")
    return value
