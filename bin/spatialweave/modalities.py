"""The modalities declared in modalities.yml: their names, their names in files, and their treatment in each stage."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

DECLARATIONS = Path(__file__).with_suffix(".yml")
"""Path of the declarations; the file explains its keys."""

COUNTS, INTENSITIES = "counts", "intensities"
"""Kinds of values of a modality."""


@dataclass(frozen=True)
class SpotMetric:
    """A metric of a modality's spots: the percentage of the total on some `features`, or a column of the input.

    Attributes
    ----------
    features
        A regular expression (any case) for the features' names; "" for a metric that the input holds.
    columns
        Names of the obs column that holds it: lower case, letters and digits only.
    log_scale
        Whether plots show it on a logarithmic scale.
    """

    name: str
    title: str
    features: str = ""
    columns: tuple[str, ...] = ()
    log_scale: bool = False


@dataclass(frozen=True)
class SpotThreshold:
    """A threshold of QC: spots with a `metric` below (`is_upper`: above) it are removed from the modality."""

    name: str
    metric: str
    default: float
    is_upper: bool
    help: str


@dataclass(frozen=True)
class ModalityKind:
    """One entry of modalities.yml."""

    name: str
    title: str
    file: str
    feature_type: str
    aliases: tuple[str, ...]
    derived: tuple[str, ...]
    accepts: tuple[str, ...]
    values: str
    preparation: str
    intervals: bool
    metrics: tuple[SpotMetric, ...]
    thresholds: tuple[SpotThreshold, ...]


def read_declarations(path: Path = DECLARATIONS) -> dict[str, ModalityKind]:
    """Read the modalities by name, in the order of the file."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {name: _modality_kind(name, **entry) for name, entry in content.items()}


def _modality_kind(
    name: str,
    *,
    title: str,
    file: str,
    feature_type: str,
    aliases: list[str],
    values: str,
    preparation: str,
    derived: list[str] | None = None,
    accepts: list[str] | None = None,
    intervals: bool = False,
    metrics: Mapping[str, Any] | None = None,
    thresholds: Mapping[str, Any] | None = None,
) -> ModalityKind:
    """Convert an entry of the file; an unknown key or word is a TypeError or KeyError."""
    if values not in (COUNTS, INTENSITIES):
        raise KeyError(values)
    return ModalityKind(
        name,
        title,
        file,
        feature_type,
        tuple(aliases),
        tuple(derived or ()),
        tuple(accepts or ()),
        values,
        preparation,
        intervals,
        tuple(_metric(key, **metric) for key, metric in (metrics or {}).items()),
        tuple(_threshold(key, **threshold) for key, threshold in (thresholds or {}).items()),
    )


def _metric(name: str, *, columns: list[str] | None = None, **entry: Any) -> SpotMetric:
    return SpotMetric(name, columns=tuple(columns or ()), **entry)


def _threshold(
    name: str, *, metric: str, help: str, least: float | None = None, most: float | None = None
) -> SpotThreshold:
    if least is not None and most is None:
        return SpotThreshold(name, metric, least, False, help)
    if most is not None and least is None:
        return SpotThreshold(name, metric, most, True, help)
    raise TypeError(f"threshold {name} needs either least or most")


MODALITY_KINDS = read_declarations()
"""Every modality by name, in the order that all methods use."""

MODALITIES = tuple(MODALITY_KINDS)
"""Names of the modalities."""

_MODALITY_BY_ALIAS = {alias: name for name, kind in MODALITY_KINDS.items() for alias in (*kind.aliases, *kind.derived)}


def compact_name(name: object) -> str:
    """Return a name in the form in which it is compared: lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def modality_of(name: str) -> str | None:
    """Return the modality with the alias `name` (a modality's name in a file, or a 10x feature type), or None."""
    return _MODALITY_BY_ALIAS.get(_alias(name))


def is_derived(name: str) -> bool:
    """Return whether a modality's name in a file means values computed from another matrix, e.g. Seurat's SCT."""
    modality = modality_of(name)
    return modality is not None and _alias(name) in MODALITY_KINDS[modality].derived


def _alias(name: str) -> str:
    """Return a name in the form in which it is compared, without the size of bins (Seurat's Spatial.008um)."""
    return re.sub(r"\d+um$", "", compact_name(name))


def fits(found: str, wanted: str) -> bool:
    """Return whether features of the modality `found` may be given as `wanted`."""
    return found == wanted or found in MODALITY_KINDS[wanted].accepts


def known_names() -> str:
    """Return the modalities' names, for messages."""
    return ", ".join(MODALITIES)
