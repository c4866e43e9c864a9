#!/usr/bin/env python3
"""How well each method finds known domains: mean ARI over seeds, on simulated and real tissues, with time and memory.

Every row runs the pipeline's own code: preprocessing and graph recipe of the method, the method, tied Gaussian mixture
on the embedding with the number of domains known. Labels are used for the score only. The seeds of a row on a tissue
run in a process of their own with one thread, so that its peak memory is theirs. A method that brings an environment
runs in it (`make environment`); a row may be any method of assets/methods. Results are appended to a CSV file, so
that an interrupted run goes on where it was; at the end the tables are printed.

    python benchmarks/agreement.py --data <folder of the real tissues> --results results.csv --tissues demo,layers
"""

from __future__ import annotations

import itertools
import json
import multiprocessing
import os
import resource
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import tissues

if TYPE_CHECKING:
    import numpy as np

    from spatialweave.io.dataset import Dataset
    from spatialweave.presets import MethodPreset

ROWS: dict[str, tuple[str, tuple[str, ...]]] = {
    # name -> preset file, overrides
    "control": ("pca_smooth", ()),
    "smart": ("smart", ()),
    "spamo": ("spamo", ()),
    "spabalance": ("spabalance", ()),
    "spamca": ("spamca", ()),
    "mcgate": ("mcgate", ()),
    "smart_paper": ("smart_paper", ()),
    "smart_released": ("smart_released", ()),
    "spamo_paper": ("spamo_paper", ()),
    "spabalance_paper": ("spabalance_paper", ()),
    "spamca_paper": ("spamca_paper", ()),
    "mcgate_paper": ("mcgate_paper", ()),
    "smart untrained": ("smart", ("epochs=0",)),
    "smart no field": ("smart", ("max_rounds=1",)),
    "smart mask 5%": ("smart", ("mask_fraction=0.05",)),
    "smart 64 dims": ("smart", ("n_dims=64",)),
    "spamo all spots": ("spamo", ("landmarks=1000000",)),
    "spamo no mask": ("spamo", ("mask_fraction=0",)),
    "spabalance all spots": ("spabalance", ("n_landmarks=1000000",)),
    "spabalance no mask": ("spabalance", ("mask_fraction=0",)),
    "spamca no mask": ("spamca", ("mask_fraction=0",)),
}
MAIN_ROWS = ("control", "smart", "spamo", "spabalance", "spamca", "mcgate")
MEASURES = {"ari": "ARI", "epochs": "Epochs", "seconds": "CPU seconds of the method", "peak_rss_mb": "Peak memory, MB"}


class Task(NamedTuple):
    """One cell of the table, and the files of its tissue."""

    tissue: str
    row: str
    seeds: list[int]
    latents: Path
    graph: Path


@click.command(context_settings={"show_default": True})
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the real tissues; without it, simulated only.")
@click.option("--results", type=click.Path(path_type=Path), required=True, help="CSV file of single results.")
@click.option("--seeds", default=5, help="Seeds 0, 1, ...")
@click.option("--tissues", "wanted", help="Comma-separated names. [default: all]")
@click.option("--rows", default=",".join(MAIN_ROWS), help=f"Comma-separated methods, or of: {', '.join(ROWS)}.")
@click.option("--jobs", default=1, help="Trainings at a time.")
def main(data: Path | None, results: Path, seeds: int, wanted: str | None, rows: str, jobs: int) -> None:
    """Fill in the missing results and print the tables."""
    import pandas as pd

    done = pd.read_csv(results) if results.exists() else pd.DataFrame(columns=["tissue", "row", "seed"])
    finished = set(zip(done["tissue"], done["row"], done["seed"], strict=True))
    with (
        tempfile.TemporaryDirectory() as folder,
        multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool,
    ):
        cells = itertools.product(wanted.split(",") if wanted else tissues.names(data), rows.split(","))
        todo = (
            Task(tissue, row, missing, *tissues.prepare(tissue, *recipes(row), data, Path(folder)))
            for tissue, row in cells
            if (missing := [seed for seed in range(seeds) if (tissue, row, seed) not in finished])
        )
        for found in pool.imap_unordered(measure, todo):
            pd.DataFrame(found).to_csv(results, mode="a", header=not results.exists(), index=False)
    if results.exists():
        table = pd.read_csv(results)
        for measured, title in MEASURES.items():
            click.echo(f"\n{title}\n\n{markdown(table, measured)}")


def recipes(row: str) -> tuple[str, str]:
    """The preprocessing and graph recipes that a row of the table needs."""
    from spatialweave.presets import read_preset

    preset = read_preset(preset_file(row))
    return preset.preprocess, preset.graph


def preset_file(row: str) -> Path:
    """The preset file of a row of the table."""
    return tissues.ROOT / "assets" / "methods" / f"{settings(row)[0]}.yml"


def settings(row: str) -> tuple[str, tuple[str, ...]]:
    """The method of a row and the settings that it changes: those of ROWS, else the method of that name as it is."""
    return ROWS.get(row, (row, ()))


def measure(task: Task) -> list[dict[str, Any]]:
    """Fit one row of the table on a tissue, cluster the embeddings, and compare with the labels.

    A tissue without a modality that the method needs has no results.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    from spatialweave.io.dataset import read_dataset
    from spatialweave.presets import read_preset

    preset = read_preset(preset_file(task.row))
    dataset = read_dataset(task.latents, task.graph)
    if not {modality.name for modality in dataset.modalities}.issuperset(filter(None, preset.needs.split(","))):
        return []
    results = []
    for seed in task.seeds:
        if preset.environment:
            embedding, record, seconds = fit_elsewhere(task, seed, preset)
        else:
            embedding, record, seconds = fit_here(task, seed, preset, dataset)
        facts = {name: record[name] for name in ("epochs", "peak_rss_mb")}
        found = {"ari": ari(dataset, embedding, seed), "seconds": seconds, **facts}
        results.append({"tissue": task.tissue, "row": task.row, "seed": seed, **found})
    return results


def fit_here(task: Task, seed: int, preset: MethodPreset, dataset: Dataset) -> tuple[np.ndarray, dict[str, Any], float]:
    """Embedding, training record and CPU seconds of a method in the pipeline's own environment."""
    from spatialweave.training import run as runs
    from spatialweave.training.session import fit_preset

    run = runs.prepare(preset.module, seed, "cpu", threads=1)
    run.log = lambda line: None
    # Processor time, so that other work on the machine does not count.
    started = time.process_time()
    fitted = fit_preset(dataset, preset, run, overrides=settings(task.row)[1])
    return fitted.embedding, fitted.record, time.process_time() - started


def fit_elsewhere(task: Task, seed: int, preset: MethodPreset) -> tuple[np.ndarray, dict[str, Any], float]:
    """The same of a method that brings an environment, from its stage script there, with the loading of packages."""
    from spatialweave.io.contract import read_h5ad

    python = tissues.ROOT / f".venv-{preset.environment}" / "bin" / "python"
    arguments = ["--latents", task.latents, "--graph", task.graph, "--method", preset_file(task.row), "--seed", seed]
    for option in settings(task.row)[1]:
        arguments += ["--method-option", option]
    with tempfile.TemporaryDirectory() as folder:
        out, record = Path(folder) / "embedding.h5ad", Path(folder) / "record.json"
        arguments += ["--device", "cpu", "--threads", 1, "--out", out, "--record", record]
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        command = [python, tissues.ROOT / "bin" / "train.py", *arguments]
        subprocess.run([str(word) for word in command], check=True, capture_output=True)
        seconds = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        return read_h5ad(out, "embedding").X, json.loads(record.read_text()), seconds


def ari(dataset: Dataset, embedding: np.ndarray, seed: int) -> float:
    """Adjusted Rand index of the tied mixture on an embedding, with the number of domains known, against the labels."""
    from sklearn.metrics import adjusted_rand_score

    from spatialweave.domains.mixture import tied_mixture

    labels = dataset.obs["label"].to_numpy().astype(str)
    labelled = labels != ""
    domains = tied_mixture(embedding, len(set(labels[labelled])), seed).labels
    return float(adjusted_rand_score(labels[labelled], domains[labelled]))


def markdown(results: Any, measured: str) -> str:
    """One measure of every row of `results` on every tissue: mean, and for ARI the standard deviation."""
    rows = [row for row in ROWS if row in set(results["row"])]
    rows += [row for row in dict.fromkeys(results["row"]) if row not in ROWS]
    lines = ["| tissue | " + " | ".join(rows) + " |", "|---" * (len(rows) + 1) + "|"]
    for tissue in [*tissues.SIMULATED, *tissues.REAL]:
        cells = []
        for row in rows:
            values = results.loc[(results["tissue"] == tissue) & (results["row"] == row), measured]
            cells.append(_cell(values, measured) if len(values) else "")
        if any(cells):
            lines.append(f"| {tissue} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(values: Any, measured: str) -> str:
    if measured == "ari":
        return f"{values.mean():.3f} ± {values.std(ddof=0):.3f}"
    return f"{values.mean():.1f}" if measured == "seconds" else f"{values.mean():.0f}"


if __name__ == "__main__":
    main()
