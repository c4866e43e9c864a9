#!/usr/bin/env python3
"""MAP: label new sections with a saved model, and measure how much they differ from its reference."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import FILE, FOLDER, OUT_FILE, OUT_FOLDER, stage


@stage
@click.option("--model", type=FOLDER, required=True, help="The saved model.")
@click.option("--check", is_flag=True, help="Only read the model, and refuse it if it cannot be used.")
@click.option("--latents", type=FILE, help="Latents of the new sections (.h5mu), made with that model.")
@click.option("--counts", type=FILE, help="Their joined raw counts (.h5mu), from preprocess.py.")
@click.option("--graph", type=FILE, help="Graphs over their spots (.h5ad), made with that model's recipe.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="Where the network runs.")
@click.option("--threads", type=click.IntRange(1), help="CPU threads.  [default: all]")
@click.option("--run", "name", default="reference.seed0", help="Name of the run in the table of names.")
@click.option("--out", type=OUT_FILE, help="Embedding to write (.h5ad).")
@click.option("--domains", type=OUT_FILE, help="Table of domains to write (.csv).")
@click.option("--summary", type=OUT_FILE, help="Record of the assignment to write (.json).")
@click.option("--record", type=OUT_FILE, help="Record to write (.json), in the form of a training record.")
@click.option(
    "--tables",
    type=OUT_FOLDER,
    help="Folder for likeness.csv (likeness of each section to the reference) and, if the model has names of domains, "
    "names.csv.",
)
def main(
    model: Path,
    check: bool,
    latents: Path | None,
    counts: Path | None,
    graph: Path | None,
    device: str,
    threads: int | None,
    name: str,
    out: Path | None,
    domains: Path | None,
    summary: Path | None,
    record: Path | None,
    tables: Path | None,
) -> None:
    """Embed the spots of new sections by a saved model, and assign them to its domains."""
    import os

    if threads is not None:
        # Libraries read it when they are loaded.
        os.environ["OMP_NUM_THREADS"] = str(threads)

    from spatialweave.io.saved_model import read_model
    from spatialweave.reference.map import check_model, map_sections

    saved = read_model(model)
    check_model(saved)
    if check:
        return
    given = {"latents": latents, "counts": counts, "graph": graph, "out": out, "domains": domains}
    given |= {"summary": summary, "record": record, "tables": tables}
    for option, path in given.items():
        if path is None:
            raise click.UsageError(f"Missing option '--{option}'.")
    assert latents and counts and graph and out and domains and summary and record and tables

    from spatialweave.io.embeddings import write_embedding, write_training_record
    from spatialweave.io.files import write_json
    from spatialweave.io.result_tables import LABELLED, LIKENESS, NAMES
    from spatialweave.training.outputs import per_spot
    from spatialweave.training.run import prepare

    run = prepare(saved.description["module"], saved.description["seed"], device, threads)
    mapped = map_sections(saved, latents, counts, graph, run)
    fitted = mapped.fitted
    extras = per_spot(fitted, mapped.dataset, latents)
    write_embedding(out, mapped.dataset, fitted.embedding, fitted.record, extras, mapped.domains["domain"])
    write_training_record(record, mapped.dataset.name, fitted.record)
    LABELLED.write(domains, mapped.domains)
    write_json(summary, mapped.clustering)
    LIKENESS.write(tables / "likeness.csv", LIKENESS.frame(row for one in mapped.sections for row in one.rows()))
    if mapped.names:
        NAMES.write(tables / "names.csv", NAMES.frame({"run": name, **row} for row in mapped.names))
    for one in mapped.sections:
        click.echo(f"{mapped.dataset.name}: {one.sentence(str(saved.description['dataset']))}")


if __name__ == "__main__":
    main()
