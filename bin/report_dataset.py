#!/usr/bin/env python3
"""Write the interactive report of one dataset: one HTML file that needs no network."""

from pathlib import Path

import click

from spatialweave.cli import stage

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)


@stage
@click.option("--dataset", required=True, help="Name of the dataset.")
@click.option("--section", "sections", type=FILE, multiple=True, help="Filtered section (.h5mu); repeat for each.")
@click.option("--latents", type=FILE, multiple=True, required=True, help="Latents (.h5mu); spots come from the first.")
@click.option("--qc", type=FOLDER, help="Folder with <section>.qc_summary.csv, .qc_maps.png and .qc_violins.png.")
@click.option("--graph-stats", type=FILE, multiple=True, help="Graph statistics (CSV); repeat for each graph.")
@click.option("--embeddings", type=FOLDER, help="Folder with <method>.seed<k>.h5ad.")
@click.option("--domains", type=FOLDER, help="Folder with <method>.seed<k>.domains.csv and .clustering.json.")
@click.option("--metrics", type=FOLDER, help="Folder with <method>.seed<k>.metrics.csv.")
@click.option(
    "--alignment", type=FOLDER, help="Folder with coordinates.csv, transforms.csv, *.pairs.csv, *.alignment.csv."
)
@click.option("--presets", type=FOLDER, help="Folder with the methods' presets (<method>.yml).")
@click.option("--failures", type=FILE, help="What failed (JSON list).")
@click.option("--params", type=FILE, help="Parameters of the run (JSON).")
@click.option("--versions", type=FILE, help="Software versions (YAML).")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The HTML file to write.")
def main(
    dataset: str,
    sections: tuple[Path, ...],
    latents: tuple[Path, ...],
    qc: Path | None,
    graph_stats: tuple[Path, ...],
    embeddings: Path | None,
    domains: Path | None,
    metrics: Path | None,
    alignment: Path | None,
    presets: Path | None,
    failures: Path | None,
    params: Path | None,
    versions: Path | None,
    out: Path,
) -> None:
    """Write the interactive report of one dataset."""
    from spatialweave.report.dataset import Sources, write_dataset_report

    sources = Sources(
        dataset=dataset,
        sections=sections,
        latents=latents,
        qc=qc,
        graph_stats=graph_stats,
        embeddings=embeddings,
        domains=domains,
        metrics=metrics,
        alignment=alignment,
        presets=presets,
        failures=failures,
        params=params,
        versions=versions,
    )
    write_dataset_report(sources, out)


if __name__ == "__main__":
    main()
