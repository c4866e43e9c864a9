"""Construction of the graph file of the data contract from a dataset and a recipe."""

from __future__ import annotations

import json
from dataclasses import asdict

import anndata
import numpy as np
from scipy import sparse

from spatialweave.graphs import spatial
from spatialweave.graphs.features import feature_knn
from spatialweave.graphs.matrices import edges, from_edges, mutual_only, row_normalise, structure, symmetrise
from spatialweave.graphs.recipe import FeatureRecipe, GraphRecipe, SpatialRecipe, neighbours_by_layout
from spatialweave.io.contract import stamp
from spatialweave.io.dataset import ALL_AT_ONCE, Dataset, Modality
from spatialweave.io.notices import warn

LEAST_CORRELATED = 3
"""Least number of dimensions of which correlations are distances."""


def build_graphs(dataset: Dataset, recipe: GraphRecipe) -> anndata.AnnData:
    """Build the graph file's content: ``obsp['<name>_distances']`` (directed) and ``_connectivities`` (0/1, symmetric).

    `<name>` is ``spatial`` and, if the recipe has feature graphs, each modality. For a dataset that is trained on by
    tiles, the file has only the spatial graph, and the recipe for building feature graphs in each part. Spots that lack
    a modality have no edges in its graph.
    """
    distances = {"spatial": spatial_distances(dataset, recipe.spatial)}
    if recipe.features is not None and dataset.n_spots <= ALL_AT_ONCE:
        touching = symmetrise(distances["spatial"])
        for modality in dataset.modalities:
            distances[modality.name] = feature_distances(modality, recipe.features, touching)
    data = anndata.AnnData(
        obs=dataset.obs.copy(),
        uns={
            "spatialweave": stamp("graph", dataset=dataset.name, layout=dataset.layout),
            "recipe": json.dumps(asdict(recipe), sort_keys=True),
        },
    )
    for name, matrix in distances.items():
        data.obsp[f"{name}_distances"] = matrix
        data.obsp[f"{name}_connectivities"] = symmetrise(matrix)
    return data


def spatial_distances(dataset: Dataset, recipe: SpatialRecipe) -> sparse.csr_matrix:
    """Build the directed spatial graph of a dataset, block-diagonal over its sections."""
    sections = dataset.section_of_spot
    if recipe.kind == "radius":
        return spatial.radius(dataset.coordinates, sections, recipe.radius)
    if recipe.kind == "delaunay":
        return spatial.delaunay(dataset.coordinates, sections)
    k = recipe.k
    if k is None:
        k = neighbours_by_layout(dataset.layout, f"dataset '{dataset.name}'")
    return spatial.knn(dataset.coordinates, sections, k)


def _metric(modality: Modality, recipe: FeatureRecipe) -> str:
    """Return the metric of the recipe; two numbers have a correlation of 1 or -1, and one has none."""
    n_dims = modality.latent.shape[1]
    if recipe.metric == "correlation" and n_dims < LEAST_CORRELATED:
        found = f"its latents have {n_dims} dimension{'s' if n_dims > 1 else ''}, too few for correlations"
        warn(f"modality {modality.name}", f"{found}: spots are compared by Euclidean distances")
        return "euclidean"
    return recipe.metric


def feature_distances(modality: Modality, recipe: FeatureRecipe, touching: sparse.csr_matrix) -> sparse.csr_matrix:
    """Build the directed feature graph of a modality over all spots; `touching` is the undirected spatial graph.

    Single spots are noisy and can be similar by chance. With `rounds` in the recipe, spots are compared by averages
    over themselves and the spatial neighbours that have the modality.
    """
    present = np.flatnonzero(modality.present)
    own = touching[present][:, present]
    step = row_normalise(structure(own) + sparse.identity(len(present), dtype=np.float32))
    latent = modality.latent[present]
    for _ in range(recipe.rounds):
        latent = step @ latent
    matrix = feature_knn(latent, recipe.k, _metric(modality, recipe))
    if recipe.mutual:
        matrix = mutual_only(matrix)
    i, j = edges(matrix)
    return from_edges(present[i], present[j], matrix.data, len(modality.present))
