"""Graph recipes: which graphs to build, read from YAML and checked key by key."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from spatialweave.errors import InputError
from spatialweave.graphs.features import METRICS
from spatialweave.platforms import NEIGHBOURS_BY_LAYOUT

SPATIAL_KINDS = ("knn", "radius", "delaunay")
KEYS_BY_KIND = {"knn": ("kind", "k"), "radius": ("kind", "radius"), "delaunay": ("kind",)}
FEATURE_KEYS = ("k", "metric", "mutual", "rounds")
MAX_NEIGHBOURS = 500
MAX_ROUNDS = 20


@dataclass(frozen=True)
class SpatialRecipe:
    """The spatial graph: `k` for knn (None = by the platform's layout), `radius` in median spot spacings for radius."""

    kind: str = "knn"
    k: int | None = None
    radius: float = 0.0


@dataclass(frozen=True)
class FeatureRecipe:
    """The feature graph of every modality: `k` nearest by `metric`, only mutual ones where `mutual`.

    With `rounds` above 0, spots are compared by their latents averaged so many times over their spatial neighbours.
    """

    k: int = 20
    metric: str = "euclidean"
    mutual: bool = False
    rounds: int = 0


@dataclass(frozen=True)
class GraphRecipe:
    """What a graph recipe file says."""

    spatial: SpatialRecipe
    features: FeatureRecipe | None = None

    def with_neighbours(self, k: int | None) -> GraphRecipe:
        """The same recipe with `k` spatial neighbours; None leaves it as it is."""
        if k is None:
            return self
        if self.spatial.kind != "knn":
            raise InputError(
                "--n-neighbours", f"the recipe's spatial graph is '{self.spatial.kind}'", "a recipe of kind knn"
            )
        return replace(self, spatial=replace(self.spatial, k=_neighbours("--n-neighbours", k)))


def read_recipe(path: Path) -> GraphRecipe:
    """Read a recipe file; unknown keys, kinds and values out of bounds are refused by name."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(str(path), f"is not readable YAML ({error})") from error
    table = _table(str(path), content, ("spatial", "features"))
    if "spatial" not in table:
        raise InputError(str(path), "key 'spatial' is missing", "spatial: {kind: knn, k: auto}")
    features = table.get("features")
    return GraphRecipe(
        _spatial(f"{path}, spatial", table["spatial"]),
        None if features is None else _features(f"{path}, features", features),
    )


def neighbours_by_layout(layout: str, where: str) -> int:
    """How many spots touch a spot in a layout; `where` names the file for the error."""
    if layout not in NEIGHBOURS_BY_LAYOUT:
        raise InputError(where, f"layout '{layout}' is not known", "one of " + ", ".join(NEIGHBOURS_BY_LAYOUT))
    return NEIGHBOURS_BY_LAYOUT[layout]


def _spatial(where: str, content: Any) -> SpatialRecipe:
    every_key = tuple(dict.fromkeys(key for keys in KEYS_BY_KIND.values() for key in keys))
    table = _table(where, content, every_key)
    kind = _choice(where, "kind", table.get("kind", "knn"), SPATIAL_KINDS)
    _table(f"{where} (kind {kind})", content, KEYS_BY_KIND[kind])
    if kind == "radius":
        units = table.get("radius")
        if isinstance(units, bool) or not isinstance(units, int | float) or not 0 < units < 1000:
            raise InputError(f"{where}.radius", f"value {units!r}", "a number above 0, in median spot spacings")
        return SpatialRecipe(kind, radius=float(units))
    k = table.get("k", "auto")
    return SpatialRecipe(kind, None if k == "auto" else _neighbours(f"{where}.k", k, " or auto"))


def _features(where: str, content: Any) -> FeatureRecipe:
    table = _table(where, content, FEATURE_KEYS)
    mutual = table.get("mutual", False)
    if not isinstance(mutual, bool):
        raise InputError(f"{where}.mutual", f"value {mutual!r}", "true or false")
    rounds = table.get("rounds", FeatureRecipe.rounds)
    if type(rounds) is not int or not 0 <= rounds <= MAX_ROUNDS:
        raise InputError(f"{where}.rounds", f"value {rounds!r}", f"a whole number from 0 to {MAX_ROUNDS}")
    return FeatureRecipe(
        _neighbours(f"{where}.k", table.get("k", FeatureRecipe.k)),
        _choice(where, "metric", table.get("metric", FeatureRecipe.metric), METRICS),
        mutual,
        rounds,
    )


def _table(where: str, content: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise InputError(where, f"holds {content!r}", "a table of keys and values: " + ", ".join(keys))
    for key in content:
        if key not in keys:
            near = difflib.get_close_matches(str(key), keys, n=1)
            hint = f"write '{near[0]}'" if near else "remove it"
            raise InputError(where, f"key '{key}' is not known", "one of " + ", ".join(keys), hint)
    return content


def _choice(where: str, key: str, value: Any, known: tuple[str, ...]) -> str:
    if value not in known:
        near = difflib.get_close_matches(str(value), known, n=1)
        hint = f"write '{near[0]}'" if near else ""
        raise InputError(f"{where}.{key}", f"value {value!r} is not known", "one of " + ", ".join(known), hint)
    return str(value)


def _neighbours(where: str, value: Any, otherwise: str = "") -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_NEIGHBOURS:
        raise InputError(where, f"value {value!r}", f"a whole number from 1 to {MAX_NEIGHBOURS}{otherwise}")
    return value
