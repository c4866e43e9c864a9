#!/usr/bin/env python3
"""ESTIMATE: what the tasks of a dataset are expected to need, before any of them starts."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import FILE, stage
from spatialweave.errors import InputError


@stage
@click.option("--dataset", required=True, help="Name of the dataset.")
@click.option(
    "--file",
    "files",
    metavar="NUMBER:PATH",
    multiple=True,
    required=True,
    help="A file with measurements, after the number of its section; once per file.",
)
@click.option(
    "--resources",
    type=FILE,
    required=True,
    help="Table of measured needs (assets/resources.csv).",
)
@click.option(
    "--method",
    "methods",
    metavar="NAME[:KEY=VALUE,...]",
    multiple=True,
    help="A method that is trained, and what its memory depends on, e.g. spamca_paper:row=spamca,processes=2 "
    "(spatialweave.estimate.Training); once per method.",
)
@click.option("--seeds", type=click.IntRange(1), default=1, help="Seeds of each method.")
@click.option(
    "--times",
    metavar="STAGE:NUMBER",
    multiple=True,
    help="How often a stage runs that does not run exactly once in every run, e.g. WEAVE:1; once per stage.",
)
@click.option("--max-memory", type=click.FloatRange(0, min_open=True), help="Memory that a task may have, in GB.")
def main(
    dataset: str,
    files: tuple[str, ...],
    resources: Path,
    methods: tuple[str, ...],
    seeds: int,
    times: tuple[str, ...],
    max_memory: float | None,
) -> None:
    """Print the memory, time and disk space that the tasks of a dataset should need, from the headers of its files."""
    from spatialweave.estimate import expected, lines, read_table, read_training
    from spatialweave.io.sizes import dataset_size

    counts: dict[str, int] = {}
    for text in times:
        stage_name, colon, number = text.partition(":")
        if not (colon and number.isdigit()):
            raise InputError("--times", f"'{text}'", "a stage, a colon and a number, e.g. WEAVE:1")
        counts[stage_name] = int(number)
    if not (methods or counts.get("MAP")):
        raise InputError("--method", "is not given", "a method, or --times MAP:1 for a saved model")
    sections: dict[str, list[Path]] = {}
    for text in files:
        number, colon, path = text.partition(":")
        if not (colon and number.isdigit() and path):
            raise InputError("--file", f"'{text}'", "the number of a section, a colon and a path, e.g. 1:rna.h5ad")
        sections.setdefault(number, []).append(Path(path))
    size = dataset_size(list(sections.values()))
    trainings = [read_training(text) for text in methods]
    tasks = list(expected(size, read_table(resources), trainings, seeds, counts))
    for line in lines(dataset, size, tasks, max_memory):
        click.echo(line)


if __name__ == "__main__":
    main()
