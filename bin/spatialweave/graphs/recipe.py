"""Graph recipes: which graphs to build for which kind of dataset, read from YAML and checked key by key."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_type_hints

from spatialweave.errors import InputError
from spatialweave.modalities import MODALITY_KINDS
from spatialweave.platforms import NEIGHBOURS_BY_LAYOUT, PLATFORMS
from spatialweave.settings import check_block, configure, option, read_yaml

KEYS_BY_KIND = {"knn": ("kind", "k"), "radius": ("kind", "radius"), "delaunay": ("kind",)}
MAX_NEIGHBOURS = 500
MAX_RADIUS = 1000

EPIGENOME = "epigenome"
"""Name for a dataset of chromatin or histone marks, with or without RNA, and nothing else."""


@dataclass(frozen=True)
class SpatialRecipe:
    """Settings of the spatial graph of a dataset."""

    kind: Literal["knn", "radius", "delaunay"] = option("knn", "How neighbours are found.")
    k: int | None = option(
        None, "Neighbours per spot (knn); auto: by the platform's layout.", low=0, high=MAX_NEIGHBOURS, none="auto"
    )
    radius: float = option(
        0.0, "Largest distance of neighbours, in median spot spacings (radius).", above=0, high=MAX_RADIUS
    )


@dataclass(frozen=True)
class FeatureRecipe:
    """Settings of the feature graph of every modality."""

    k: int = option(20, "Nearest spots per spot.", low=1, high=MAX_NEIGHBOURS)
    metric: Literal["euclidean", "correlation"] = option("euclidean", "How spots are compared.")
    mutual: bool = option(False, "Whether only mutual neighbours are kept.")
    rounds: int = option(
        0, "How often latents are averaged over spatial neighbours before they are compared.", low=0, high=20
    )


@dataclass(frozen=True)
class GraphRecipe:
    """Recipe for one dataset; without `features` there are no feature graphs."""

    spatial: SpatialRecipe
    features: FeatureRecipe | None = None

    def changed(
        self, n_neighbours: int | None = None, radius: float | None = None, feature_neighbours: int | None = None
    ) -> GraphRecipe:
        """Return the recipe with other neighbours; None leaves a setting as it is.

        Parameters
        ----------
        n_neighbours
            Spatial neighbours per spot, for a recipe of kind knn; 0 = none.
        radius
            Use instead all spots within this radius, in median spot spacings, whatever the recipe's kind.
        feature_neighbours
            Neighbours per spot in the feature graphs; ignored for a recipe without them.
        """
        spatial, features = self.spatial, self.features
        if radius is not None:
            if n_neighbours is not None:
                raise InputError("--radius", "is given with --n-neighbours", "one of them")
            spatial = SpatialRecipe("radius", radius=radius)
        if n_neighbours is not None:
            if spatial.kind != "knn":
                problem = f"the recipe's spatial graph is '{spatial.kind}'"
                raise InputError("--n-neighbours", problem, "a recipe of kind knn")
            spatial = replace(spatial, k=n_neighbours)
        if features is not None and feature_neighbours is not None:
            features = replace(features, k=feature_neighbours)
        return replace(self, spatial=spatial, features=features)


def read_recipe(path: Path, platform: str = "", modalities: Collection[str] = ()) -> GraphRecipe:
    """Read a recipe file for a dataset; unknown keys, unknown kinds and values out of bounds are refused by name.

    Parameters
    ----------
    platform, modalities
        Those of the dataset: the recipe's `overrides` for epigenomes apply if it is one, then those of its platform.
    """
    content = read_yaml(path)
    kinds = dict.fromkeys((EPIGENOME, *PLATFORMS), GraphRecipe)
    check_block({**get_type_hints(GraphRecipe), "overrides": kinds}, str(path), content)
    overrides = content.pop("overrides", {})
    recipe = configure(GraphRecipe, str(path), content)
    _check_keys(f"{path}, setting 'spatial", content["spatial"], recipe.spatial)
    for name, override in overrides.items():
        changed = configure(GraphRecipe, str(path), content, override)
        _check_keys(f"{path}, setting 'overrides.{name}.spatial", override.get("spatial", {}), changed.spatial)
    applying = [overrides.get(EPIGENOME, {})] if is_epigenome(modalities) else []
    return configure(GraphRecipe, str(path), content, *applying, overrides.get(platform, {}))


def is_epigenome(modalities: Collection[str]) -> bool:
    """Return whether a dataset of these modalities is a spatial epigenome: genomic intervals, and else only RNA."""
    intervals = {name for name in modalities if MODALITY_KINDS[name].intervals}
    return bool(intervals) and set(modalities) <= {"rna", *intervals}


def _check_keys(where: str, given: Mapping[str, Any], resulting: SpatialRecipe) -> None:
    """Refuse keys that have no meaning with the resulting kind of graph, and a radius graph without its radius."""
    foreign = [key for key in given if key not in KEYS_BY_KIND[resulting.kind]]
    if foreign:
        expected = "only " + ", ".join(KEYS_BY_KIND[resulting.kind])
        raise InputError(f"{where}.{foreign[0]}'", f"has no meaning with kind {resulting.kind}", expected)
    if resulting.kind == "radius" and not resulting.radius:
        raise InputError(f"{where}'", "lacks radius", "it with kind radius, in median spot spacings")


def neighbours_by_layout(layout: str, where: str) -> int:
    """Return how many spots touch a spot in a layout; `where` names the file for the error."""
    if layout not in NEIGHBOURS_BY_LAYOUT:
        raise InputError(where, f"layout '{layout}' is not known", "one of " + ", ".join(NEIGHBOURS_BY_LAYOUT))
    return NEIGHBOURS_BY_LAYOUT[layout]
