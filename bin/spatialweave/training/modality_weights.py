"""Weights of single modalities, given as text."""

from __future__ import annotations

from collections.abc import Sequence

from spatialweave.errors import InputError
from spatialweave.settings import nearest_name


def by_modality(text: str, names: Sequence[str], setting: str) -> dict[str, float]:
    """The weight of every modality in `names`, 1 for those that `text` (e.g. ``rna:2+adt:0.5``) does not name.

    Raises
    ------
    InputError
        For an unknown modality, or a weight that is not a number of at least 0.
    """
    weights = dict.fromkeys(names, 1.0)
    for item in filter(None, text.split("+")):
        name, _, value = item.partition(":")
        if name not in weights:
            raise InputError(f"setting '{setting}'", f"'{name}' is not a modality here", nearest_name(name, names))
        try:
            weights[name] = float(value)
        except ValueError:
            weights[name] = -1.0
        if not 0 <= weights[name] < float("inf"):
            raise InputError(f"setting '{setting}'", f"'{item}' has no weight", "a number of at least 0, as in rna:2")
    return weights
