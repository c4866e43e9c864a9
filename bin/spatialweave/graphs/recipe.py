"""Graph recipes: which graphs to build, read from YAML and checked key by key."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from spatialweave.errors import InputError
from spatialweave.platforms import NEIGHBOURS_BY_LAYOUT
from spatialweave.settings import configure, option, read_yaml

KEYS_BY_KIND = {"knn": ("kind", "k"), "radius": ("kind", "radius"), "delaunay": ("kind",)}
MAX_NEIGHBOURS = 500


@dataclass(frozen=True)
class SpatialRecipe:
    """The spatial graph of a dataset."""

    kind: Literal["knn", "radius", "delaunay"] = option("knn", "How neighbours are found.")
    k: int | None = option(
        None,
        "Neighbours per spot (knn), 0 = none; auto: by layout.",
        low=0,
        high=MAX_NEIGHBOURS,
        none="auto",
    )
    radius: float = option(0.0, "How far neighbours may be, in median spot spacings (radius).", above=0, high=1000)


@dataclass(frozen=True)
class FeatureRecipe:
    """The feature graph of every modality."""

    k: int = option(20, "Nearest spots per spot.", low=1, high=MAX_NEIGHBOURS)
    metric: Literal["euclidean", "correlation"] = option("euclidean", "How spots are compared.")
    mutual: bool = option(False, "Whether only mutual neighbours are kept.")
    rounds: int = option(
        0, "How often latents are averaged over spatial neighbours before they are compared.", low=0, high=20
    )


@dataclass(frozen=True)
class GraphRecipe:
    """The content of a graph recipe file; without `features` there are no feature graphs."""

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
        return replace(self, spatial=replace(self.spatial, k=k))


def read_recipe(path: Path) -> GraphRecipe:
    """Read a recipe file; unknown keys, kinds and values out of bounds are refused by name."""
    content = read_yaml(path)
    recipe = configure(GraphRecipe, str(path), content)
    kind = recipe.spatial.kind
    foreign = [key for key in content["spatial"] if key not in KEYS_BY_KIND[kind]]
    if foreign:
        expected = "only " + ", ".join(KEYS_BY_KIND[kind])
        raise InputError(f"{path}, setting 'spatial.{foreign[0]}'", f"has no meaning with kind {kind}", expected)
    if kind == "radius" and "radius" not in content["spatial"]:
        raise InputError(f"{path}, setting 'spatial'", "lacks radius", "it with kind radius, in median spot spacings")
    return recipe


def neighbours_by_layout(layout: str, where: str) -> int:
    """How many spots touch a spot in a layout; `where` names the file for the error."""
    if layout not in NEIGHBOURS_BY_LAYOUT:
        raise InputError(where, f"layout '{layout}' is not known", "one of " + ", ".join(NEIGHBOURS_BY_LAYOUT))
    return NEIGHBOURS_BY_LAYOUT[layout]
