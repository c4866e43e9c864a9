#!/usr/bin/env python3
"""GRAPH: build the spatial graph and, with some recipes, the feature graphs of a dataset."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import stage
from spatialweave.graphs.recipe import MAX_NEIGHBOURS, read_recipe


@stage
@click.option("--latents", required=True, type=click.Path(path_type=Path), help="Latents file (.h5mu) of PREPROCESS.")
@click.option("--recipe", required=True, type=click.Path(path_type=Path), help="Graph recipe (assets/graphs/*.yml).")
@click.option(
    "--n-neighbours",
    type=click.IntRange(0, MAX_NEIGHBOURS),
    help="Spatial neighbours per spot, 0 for none, instead of the recipe's.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Graph file (.h5ad) to write.")
@click.option("--stats", required=True, type=click.Path(path_type=Path), help="Table of graph statistics (.csv).")
def main(latents: Path, recipe: Path, n_neighbours: int | None, out: Path, stats: Path) -> None:
    """Build the graphs of a dataset by a recipe, and write them with their statistics."""
    plan = read_recipe(recipe).with_neighbours(n_neighbours)

    from spatialweave.graphs.build import build_graphs
    from spatialweave.graphs.statistics import graph_statistics
    from spatialweave.io.contract import write
    from spatialweave.io.dataset import read_dataset
    from spatialweave.io.result_tables import GRAPH_STATISTICS

    graphs = build_graphs(read_dataset(latents), plan)
    write(graphs, out)
    GRAPH_STATISTICS.write(stats, graph_statistics(graphs))


if __name__ == "__main__":
    main()
