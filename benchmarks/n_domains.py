#!/usr/bin/env python3
"""Frequency with which each rule finds the number of domains, on simulated tissues with 3 to 15 domains.

Methods are trained at their defaults; the criteria are those of the pipeline (domains/number.py). Each criterion is a
rule: the number at which it is highest (lowest for Davies-Bouldin), mean over methods. The pipeline's own rule is the
last line. Criteria are appended to a CSV file, so that an interrupted run continues where it stopped.

    python benchmarks/n_domains.py --results n_domains.csv --methods smart,spamca
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import tissues

from spatialweave import simulate
from spatialweave.domains.number import CRITERIA, FEWEST, Scan, between_methods, choose, scan
from spatialweave.io.dataset import read_dataset
from spatialweave.io.result_tables import NUMBERS, PARTITIONS
from spatialweave.presets import read_preset
from spatialweave.training.run import prepare
from spatialweave.training.session import fit_preset

if TYPE_CHECKING:
    import pandas as pd

LARGEST = 20
LOWER_IS_BETTER = {"davies_bouldin"}


def tissues_by_number() -> Iterator[tuple[str, int]]:
    """Add tissues of every pattern and number of domains to those of the benchmarks, and name them."""
    regions = simulate.PRESETS["regions"]
    weak = replace(regions, signal=0.4)
    layers = replace(simulate.PRESETS["layers"], rows=40, cols=40)
    patterns = [("regions", regions, 15), ("regions weak", weak, 8), ("layers", layers, 8)]
    patterns.append(("blocks", simulate.PRESETS["blocks"], 5))
    for pattern, spec, largest in patterns:
        for number in range(3, largest + 1):
            name = f"{pattern} {number}"
            simulate.PRESETS[name] = replace(spec, n_domains=number)
            tissues.SIMULATED[name] = (name, "rna,adt", number)
            yield name, number


@click.command(context_settings={"show_default": True})
@click.option("--results", type=click.Path(path_type=Path), required=True, help="CSV file of the criteria.")
@click.option("--methods", default="smart,spamca", help="Comma-separated.")
def main(results: Path, methods: str) -> None:
    """Fill in the missing criteria and print how often each rule finds the number."""
    import pandas as pd

    table = NUMBERS.read(results) if results.exists() else NUMBERS.frame([])
    truth = dict(tissues_by_number())
    with tempfile.TemporaryDirectory() as folder:
        for tissue in truth:
            if not (table["dataset"] == tissue).any():
                scans = {name: of_run(tissue, name, Path(folder)) for name in methods.split(",")}
                rows = [(tissue, name, 0, *row) for name, found in scans.items() for row in found.criteria]
                domains = (row for name, found in scans.items() for row in found.partition_rows(tissue, name, 0))
                added = NUMBERS.frame(rows + between_methods(PARTITIONS.frame(domains)))
                table = pd.concat([table, added]) if len(table) else added
                NUMBERS.write(results, table)
    for rule in [*CRITERIA, "choice"]:
        chosen = {tissue: by_rule(table[table["dataset"] == tissue], rule) for tissue in truth}
        exact = sum(chosen[tissue] == number for tissue, number in truth.items())
        near = sum(abs(chosen[tissue] - number) <= 1 for tissue, number in truth.items())
        wrong = [f"{tissue}: {found}" for tissue, found in chosen.items() if found != truth[tissue]]
        click.echo(f"{rule} | exact {exact} | within one {near} | of {len(truth)} | {', '.join(wrong)}")


def of_run(tissue: str, name: str, folder: Path) -> Scan:
    """Compute the criteria for every number of domains of one method, trained with seed 0, on a tissue."""
    preset = read_preset(tissues.ROOT / "assets" / "methods" / f"{name}.yml")
    dataset = read_dataset(*tissues.prepare(tissue, preset.preprocess, preset.graph, None, folder))
    run = prepare(preset.module, 0, "cpu", threads=1)
    run.log = lambda _line: None
    return scan(fit_preset(dataset, preset, run).embedding, range(FEWEST, LARGEST + 1), seed=0)


def by_rule(table: pd.DataFrame, rule: str) -> int:
    """Return the number that a rule chooses for one tissue."""
    if rule == "choice":
        return choose(table).number
    means = table[table["criterion"] == rule].groupby("n_domains")["value"].mean()
    return int(str(means.idxmin() if rule in LOWER_IS_BETTER else means.idxmax()))


if __name__ == "__main__":
    main()
