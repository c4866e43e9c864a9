"""The spots that the modalities of a section have in common."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.notices import warn
from spatialweave.io.parts import ModalityPart
from spatialweave.io.spot_names import how_to_agree

FEWEST = 0.2
"""A modality that shares a smaller fraction of its spots (or of the others' spots, if these are fewer) is refused: its
names most likely belong to other spots."""

FEW = 0.5
"""A modality that shares a smaller fraction causes a warning."""


def all_spots(parts: Mapping[str, ModalityPart]) -> pd.Index:
    """Return all spots in order of first appearance; refuse a modality that shares hardly any spot with the others."""
    for name, part in reversed(list(parts.items())):
        others = pd.Index([], dtype=object)
        for key, other in parts.items():
            if key != name:
                others = others.union(other.data.obs_names, sort=False)
        if len(others):
            _check_share(name, part, others)
    spots = pd.Index([], dtype=object)
    for part in parts.values():
        names = part.data.obs_names
        spots = spots.append(names[~names.isin(spots)])
    return spots


def _check_share(name: str, part: ModalityPart, others: pd.Index) -> None:
    names = part.data.obs_names
    shared = int(names.isin(others).sum())
    fewer = min(len(names), len(others))
    if shared >= FEW * fewer:
        return
    unshared, other = names[~names.isin(others)][0], others[~others.isin(names)][0]
    found = f"only {shared} of {len(names)} barcodes of {name} are" if shared else f"no barcode of {name} is"
    found += f" among those of the other modalities; the first that is not: '{unshared}', theirs: '{other}'"
    if shared >= FEWEST * fewer:
        warn(part.where, found)
        return
    spelled = how_to_agree(names, others) or how_to_agree(part.data.var_names, others)
    raise InputError(
        part.where,
        found,
        "the same names for the same spots",
        spelled or "use the same names of spots in all files, or leave this modality out",
    )


def shared_by_all(parts: Mapping[str, ModalityPart]) -> int:
    """Return the number of spots that every modality has."""
    first, *rest = (part.data.obs_names for part in parts.values())
    for names in rest:
        first = first[first.isin(names)]
    return len(first)
