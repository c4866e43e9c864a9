#!/usr/bin/env python3
"""CHARACTERISE: describe the domains of a dataset."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import FILE, FOLDER, OUT_FOLDER, SEED, stage


@stage
@click.option(
    "--files",
    type=FOLDER,
    help="Folder with *.counts.h5mu, *.latents.h5mu, graph.h5ad, and of each run <method>.seed<k>.h5ad, "
    ".domains.csv and .metrics.csv.",
)
@click.option("--run", multiple=True, help="A run to characterise beside the one shown first and the consensus.")
@click.option("--gene-sets", type=FILE, help="Gene sets (.gmt).")
@click.option("--panel", type=FILE, help="Names of domains and their markers (.yml).")
@click.option(
    "--pseudotime-root", type=click.IntRange(min=1), help="Domain in which pseudotime begins; default: the most remote."
)
@click.option("--seed", type=SEED, default=0, help="Seed of all random draws.")
@click.option("--check", is_flag=True, help="Only check the gene sets and the panel.")
@click.option("--out-dir", type=OUT_FOLDER, help="Folder of the tables to write.")
def main(
    files: Path | None,
    run: tuple[str, ...],
    gene_sets: Path | None,
    panel: Path | None,
    pseudotime_root: int | None,
    seed: int,
    check: bool,
    out_dir: Path | None,
) -> None:
    """Find markers, gene sets, names, shapes, neighbours and trajectories of the domains, and write them as tables."""
    if check:
        from spatialweave.characterise.gene_sets import read_gmt
        from spatialweave.characterise.panel import read_panel

        for path, read in ((gene_sets, read_gmt), (panel, read_panel)):
            if path is not None:
                read(path)
        return
    if files is None or out_dir is None:
        raise click.UsageError("give --files and --out-dir, or --check")
    from spatialweave.characterise.dataset import characterise, table_of

    for name, table in characterise(files, run, seed, gene_sets, panel, pseudotime_root).items():
        table_of(name).write(out_dir / f"{name}.csv", table)


if __name__ == "__main__":
    main()
