"""The graph recipes of the project."""

from __future__ import annotations

from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pandas as pd
import pytest

from spatialweave.graphs.build import spatial_distances
from spatialweave.graphs.features import feature_knn
from spatialweave.graphs.recipe import FeatureRecipe, GraphRecipe, SpatialRecipe, read_recipe
from spatialweave.io.dataset import Dataset

RECIPES = {
    "spatial": GraphRecipe(SpatialRecipe("knn", None), None),
    "spatialglue": GraphRecipe(SpatialRecipe("knn", 3), FeatureRecipe(20, "correlation")),
    "tissue": GraphRecipe(SpatialRecipe("knn", None), FeatureRecipe(20, "correlation", rounds=2)),
    "spamca": GraphRecipe(SpatialRecipe("knn", 3), FeatureRecipe(20, "correlation")),
    "spatialfuser": GraphRecipe(SpatialRecipe("knn", None), None),
}


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_declare_what_their_methods_need(name: str, project: Path) -> None:
    assert read_recipe(project / "assets" / "graphs" / f"{name}.yml") == RECIPES[name]


@pytest.mark.parametrize(
    ("name", "platform", "modalities", "k"),
    [
        ("spatialglue", "visium", ["rna", "adt"], 3),
        ("spatialglue", "stereo_seq", ["rna", "adt"], 6),
        ("spatialglue", "dbit", ["rna", "atac"], 6),
        ("spatialglue", "square", ["rna", "histone"], 6),
        # The three-modality simulation.
        ("spatialglue", "square", ["rna", "adt", "atac"], 3),
        ("spamca", "stereo_seq", ["rna", "adt"], 3),
        ("spamca", "dbit", ["rna", "atac"], 9),
        ("spatialfuser", "osmfish", ["rna"], 10),
        ("spatialfuser", "codex", ["adt"], 2),
        ("spatialfuser", "baristaseq", ["rna"], 12),
        ("spatialfuser", "visium", ["rna"], None),
    ],
)
def test_published_neighbours(project: Path, name: str, platform: str, modalities: list[str], k: int | None) -> None:
    recipe = read_recipe(project / "assets" / "graphs" / f"{name}.yml", platform, modalities)
    assert recipe.spatial.k == k
    assert recipe.features == RECIPES[name].features


def test_overrides_change_what_they_name_and_the_platform_has_the_last_word(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yml"
    path.write_text(
        "spatial: {kind: knn, k: 3}\nfeatures: {k: 20, metric: correlation}\n"
        "overrides: {epigenome: {spatial: {k: 6}, features: {k: 9}}, dbit: {spatial: {kind: radius, radius: 1.5}}}\n"
    )
    assert read_recipe(path, "misar", ["atac"]).spatial == SpatialRecipe("knn", 6)
    both = read_recipe(path, "dbit", ["rna", "atac"])
    assert (both.spatial.kind, both.spatial.radius) == ("radius", 1.5)
    assert both.features == FeatureRecipe(9, "correlation")
    assert read_recipe(path, "dbit", ["rna"]).features == FeatureRecipe(20, "correlation")


def test_every_metric_of_a_recipe_is_one_of_the_graphs() -> None:
    latents = np.random.default_rng(0).normal(size=(20, 4))
    for metric in get_args(get_type_hints(FeatureRecipe)["metric"]):
        assert feature_knn(latents, 3, metric).nnz == 60


def test_every_recipe_is_checked(project: Path) -> None:
    assert {path.stem for path in (project / "assets" / "graphs").iterdir()} == set(RECIPES)


@pytest.mark.parametrize(
    ("recipe", "degrees"),
    [
        (SpatialRecipe("knn", k=0), [0, 0, 0, 0]),
        (SpatialRecipe("knn", k=2), [2, 2, 2, 2]),
        (SpatialRecipe("knn"), [3, 3, 3, 3]),
        (SpatialRecipe("radius", radius=1.1), [2, 2, 2, 2]),
        # Four sides and one diagonal.
        (SpatialRecipe("delaunay"), [2, 2, 3, 3]),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_every_kind_of_spatial_graph_on_a_square(recipe: SpatialRecipe, degrees: list[int]) -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    obs = pd.DataFrame({"barcode": list("abcd"), "section": "s"}, index=list("abcd"))
    graph = spatial_distances(Dataset("d", obs, corners, [], layout="square"), recipe)
    assert sorted(np.diff(graph.indptr)) == degrees
