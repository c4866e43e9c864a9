#!/usr/bin/env python3
"""Effect of each part of a method: on the embedding, gradients of each loss, sharpness of attention.

A method is trained once on a tissue, at its defaults. Then the trained network embeds the spots with one part after
another switched off: the table has the fraction of the embedding's variance that this changes. For each loss term it
has the norm of the gradient as a fraction of the sum over all terms. For each attention it has the entropy as a
fraction of that of equal weights.

    python benchmarks/parts.py --data <folder of the real tissues> --tissues "demo,DBiT embryo"

With `--retrain`, methods are trained without each part and each loss instead, and the agreement with known domains is
printed beside that of the whole method and of the control. Results are appended to a CSV file, so that an interrupted
run continues where it stopped.

    python benchmarks/parts.py --data <folder> --tissues demo --retrain results.csv
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pandas as pd
import sections
import tissues
from switches import LOSSES, PARTS, Part
from watching import Training, train_without, watch

from spatialweave import simulate
from spatialweave.io.dataset import Dataset, read_dataset
from spatialweave.io.embeddings import LONG_RANGE
from spatialweave.method import load_method
from spatialweave.presets import read_preset
from spatialweave.training.run import prepare

SECTIONS = "pair"
"""Simulated series: the only tissue of SpatialFuser, and of no other method."""

CONTROL, WHOLE = "control", "whole"


@click.command(context_settings={"show_default": True})
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the real tissues; without it, simulated only.")
@click.option("--tissues", "wanted", default=f"demo,{SECTIONS}", help="Comma-separated names.")
@click.option("--methods", default=",".join(PARTS), help="Comma-separated.")
@click.option("--retrain", type=click.Path(path_type=Path), help="CSV file of trainings without a part.")
@click.option("--seeds", default=5, help="Seeds 0, 1, ... of --retrain.")
def main(data: Path | None, wanted: str, methods: str, retrain: Path | None, seeds: int) -> None:
    """Print a line per tissue, method and part."""
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for tissue in wanted.split(","):
            for name in methods.split(","):
                if (name == "spatialfuser") != (tissue == SECTIONS):
                    continue
                dataset = prepared(tissue, name, data, Path(folder))
                if retrain is None:
                    report(tissue, name, watch(name, dataset))
                else:
                    measure(tissue, name, dataset, seeds, retrain)
    if retrain is not None and retrain.exists():
        click.echo(markdown(pd.read_csv(retrain)))


def prepared(tissue: str, name: str, data: Path | None, folder: Path) -> Dataset:
    """Return a tissue with the preprocessing and graphs of a method."""
    if tissue == SECTIONS:
        return sections.simulated(simulate.SERIES[SECTIONS], 0, folder)
    preset = read_preset(tissues.ROOT / "assets" / "methods" / f"{name}.yml")
    return read_dataset(*tissues.prepare(tissue, preset.preprocess, preset.graph, data, folder))


def report(tissue: str, name: str, training: Training) -> None:
    """Print the observations."""
    entropies = ", ".join(f"{value:.3f}" for value in training.entropies.values()) or "none"
    click.echo(f"{tissue} | {name} | entropy of each attention | {entropies}")
    for part, switch in PARTS[name].items():
        click.echo(f"{tissue} | {name} | without {part} | {training.effect(switch):.2%}")
    for term, share in training.shares().items():
        click.echo(f"{tissue} | {name} | gradient of {term} | {share:.2%}")
    for weights, table in training.fitted.extras.items():
        if weights == LONG_RANGE:
            continue
        spread = ", ".join(f"{column} {value:.3f}" for column, value in table.std().items())
        click.echo(f"{tissue} | {name} | standard deviation of {weights} | {spread}")


def trainings(name: str) -> Iterator[tuple[str, Part]]:
    """Yield the whole method, and the method without each part and each loss."""
    yield WHOLE, Part(0.0)
    for part, switch in PARTS[name].items():
        yield f"without {part}", switch
    for loss, settings in LOSSES[name].items():
        yield f"without {loss}", Part(0.0, settings)


def measure(tissue: str, name: str, dataset: Dataset, seeds: int, results: Path) -> None:
    """Append the agreement of missing trainings to the file, and that of the control."""
    done = pd.read_csv(results) if results.exists() else pd.DataFrame(columns=["tissue", "method", "training", "seed"])
    finished = set(zip(done["tissue"], done["method"], done["training"], done["seed"], strict=True))

    def keep(method: str, training: str, seed: int, embedding: Any) -> None:
        ari = tissues.ari(dataset, embedding, seed)
        row = {"tissue": tissue, "method": method, "training": training, "seed": seed, "ari": ari}
        pd.DataFrame([row]).to_csv(results, mode="a", header=not results.exists(), index=False)

    control: Any = load_method("pca_smooth")
    for seed in range(seeds):
        if (tissue, CONTROL, WHOLE, seed) not in finished:
            keep(CONTROL, WHOLE, seed, control.fit(dataset, control.Config(), prepare("pca_smooth", seed)).embedding)
    for training, part in trainings(name):
        for seed in range(seeds):
            if (tissue, name, training, seed) not in finished:
                keep(name, training, seed, train_without(name, dataset, part, seed).embedding)


def markdown(results: pd.DataFrame) -> str:
    """Return mean ± standard deviation and the number of seeds of every training on every tissue."""
    names = list(dict.fromkeys(results["tissue"]))
    lines = [f"| method | training | {' | '.join(names)} |", "|---" * (len(names) + 2) + "|"]
    for (method, training), rows in results.groupby(["method", "training"], sort=False):
        cells = [_cell(rows.loc[rows["tissue"] == tissue, "ari"]) for tissue in names]
        lines.append(f"| {method} | {training} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: pd.Series) -> str:
    return f"{values.mean():.3f} ± {values.std(ddof=0):.3f} ({len(values)})" if len(values) else ""


if __name__ == "__main__":
    main()
