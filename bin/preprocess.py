#!/usr/bin/env python3
"""PREPROCESS: turn the raw counts of a dataset's sections into latents by a recipe."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import OUT_FILE, PATH, SEED, stage


@stage
@click.option(
    "--section",
    "sections",
    multiple=True,
    required=True,
    type=PATH,
    help="Section file (.h5mu) after QC; once per section of the dataset, in their order.",
)
@click.option(
    "--recipe",
    required=True,
    type=PATH,
    help="Recipe (.yml): the steps per modality; or the folder of a saved model.",
)
@click.option("--variable-features", type=click.IntRange(1), help="Variable features, instead of the recipe's number.")
@click.option(
    "--components", type=click.IntRange(1), help="Dimensions of every modality's latents, instead of the recipe's."
)
@click.option("--seed", default=0, type=SEED, help="Seed of the PCA's start and of Harmony.")
@click.option("--out", required=True, type=OUT_FILE, help="Latents file to write (.h5mu).")
@click.option("--counts", type=OUT_FILE, help="Also write the joined raw counts (.h5mu).")
def main(
    sections: tuple[Path, ...],
    recipe: Path,
    variable_features: int | None,
    components: int | None,
    seed: int,
    out: Path,
    counts: Path | None,
) -> None:
    """Turn raw counts into latents: transform each modality by the recipe, then compute principal components."""
    from spatialweave.io.contract import write
    from spatialweave.preprocess.dataset import preprocess

    if recipe.is_dir():
        from spatialweave.io.saved_model import read_model
        from spatialweave.preprocess.by_model import preprocess_by_model

        latents = preprocess_by_model(sections, read_model(recipe), counts)
    else:
        latents = preprocess(sections, recipe, seed, counts, variable_features, components)
    write(latents, out)
    widths = ", ".join(f"{name} {part.obsm['X_latent'].shape[1]}" for name, part in latents.mod.items())
    click.echo(f"{latents.n_obs} spots; latent dimensions: {widths}")


if __name__ == "__main__":
    main()
