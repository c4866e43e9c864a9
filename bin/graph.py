#!/usr/bin/env python3
"""GRAPH: build the spatial graph and, with some recipes, the feature graphs of a dataset."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import OUT_FILE, PATH, stage
from spatialweave.graphs.recipe import MAX_NEIGHBOURS, MAX_RADIUS, read_recipe


@stage
@click.option("--latents", required=True, type=PATH, help="Latents file (.h5mu) of PREPROCESS.")
@click.option(
    "--recipe",
    required=True,
    type=PATH,
    help="Graph recipe (assets/graphs/*.yml), or the folder of a saved model.",
)
@click.option(
    "--n-neighbours",
    type=click.IntRange(0, MAX_NEIGHBOURS),
    help="Spatial neighbours per spot, instead of the recipe's; 0 = none.",
)
@click.option(
    "--radius",
    type=click.FloatRange(0, MAX_RADIUS, min_open=True),
    help="Radius of spatial neighbours in median spot spacings, instead of the recipe's.",
)
@click.option(
    "--feature-neighbours",
    type=click.IntRange(1, MAX_NEIGHBOURS),
    help="Neighbours per spot in the feature graphs, instead of the recipe's; ignored by a recipe without them.",
)
@click.option("--out", required=True, type=OUT_FILE, help="Graph file (.h5ad) to write.")
@click.option("--stats", required=True, type=OUT_FILE, help="Table of graph statistics (.csv).")
def main(
    latents: Path,
    recipe: Path,
    n_neighbours: int | None,
    radius: float | None,
    feature_neighbours: int | None,
    out: Path,
    stats: Path,
) -> None:
    """Build the graphs of a dataset by a recipe, and write them with their statistics."""
    from spatialweave.graphs.build import build_graphs
    from spatialweave.graphs.statistics import graph_statistics
    from spatialweave.io.contract import write
    from spatialweave.io.dataset import read_dataset
    from spatialweave.io.result_tables import GRAPH_STATISTICS

    dataset = read_dataset(latents)
    if recipe.is_dir():
        from spatialweave.graphs.recipe import GraphRecipe
        from spatialweave.io.saved_model import read_description
        from spatialweave.settings import configure_recorded

        plan = configure_recorded(GraphRecipe, f"{recipe}, graph", read_description(recipe)["graph"])
    else:
        plan = read_recipe(recipe, dataset.platform, [modality.name for modality in dataset.modalities])
    graphs = build_graphs(dataset, plan.changed(n_neighbours, radius, feature_neighbours))
    write(graphs, out)
    GRAPH_STATISTICS.write(stats, graph_statistics(graphs))


if __name__ == "__main__":
    main()
