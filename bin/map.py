#!/usr/bin/env python3
"""MAP: label new sections by a saved model, and say how unlike its reference they are."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import stage

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUTPUT = click.Path(dir_okay=False, path_type=Path)


@stage
@click.option(
    "--model", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True, help="The saved model."
)
@click.option("--latents", type=FILE, required=True, help="Latents of the new sections (.h5mu), of that model.")
@click.option("--counts", type=FILE, required=True, help="Their joined raw counts (.h5mu), from preprocess.py.")
@click.option("--graph", type=FILE, required=True, help="Graphs over their spots (.h5ad), by that model's recipe.")
@click.option(
    "--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where the network runs."
)
@click.option("--threads", type=click.IntRange(1), help="CPU threads.  [default: all]")
@click.option("--out", type=OUTPUT, required=True, help="Embedding to write (.h5ad).")
@click.option("--domains", type=OUTPUT, required=True, help="Table of domains to write (.csv).")
@click.option("--summary", type=OUTPUT, required=True, help="Record of the assignment to write (.json).")
@click.option("--record", type=OUTPUT, required=True, help="Record to write (.json), as of a training.")
@click.option("--sections", type=OUTPUT, required=True, help="How like the reference each section is (.csv).")
def main(
    model: Path,
    latents: Path,
    counts: Path,
    graph: Path,
    device: str,
    threads: int | None,
    out: Path,
    domains: Path,
    summary: Path,
    record: Path,
    sections: Path,
) -> None:
    """Embed the spots of new sections by a saved model, and assign them to its domains."""
    import os

    if threads is not None:
        # Libraries read it when they are loaded.
        os.environ["OMP_NUM_THREADS"] = str(threads)

    from spatialweave.io.embeddings import write_embedding, write_training_record
    from spatialweave.io.files import write_json
    from spatialweave.io.result_tables import DOMAINS, LIKENESS
    from spatialweave.io.saved_model import read_model
    from spatialweave.reference.map import map_sections
    from spatialweave.training.outputs import per_spot
    from spatialweave.training.run import prepare

    saved = read_model(model)
    run = prepare(saved.description["module"], saved.description["seed"], device, threads)
    mapped = map_sections(saved, latents, counts, graph, run)
    fitted = mapped.fitted
    write_embedding(out, mapped.dataset, fitted.embedding, fitted.record, per_spot(fitted, mapped.dataset, latents))
    write_training_record(record, mapped.dataset.name, fitted.record)
    DOMAINS.write(domains, mapped.domains)
    write_json(summary, mapped.clustering)
    LIKENESS.write(sections, LIKENESS.frame(row for one in mapped.sections for row in one.rows()))
    for one in mapped.sections:
        click.echo(one.sentence(str(saved.description["dataset"])))


if __name__ == "__main__":
    main()
