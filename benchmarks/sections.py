#!/usr/bin/env python3
"""Quality of joining and aligning several sections: one table per question, each over several seeds.

joined     two consecutive sections of cortex with known layers: methods for several sections against the same
           methods on each section alone
turned     a section turned, shifted, cut and thinned, with the true position of every spot known: pairs of the fused
           embedding against pairs of the nearest spots; its spots are where those of the other section are, or on
           a grid of their own
modalities an RNA section against a protein section of the same tissue
growth     seconds and memory of matching and fusing two sections, against their size

Every cell runs the pipeline's own code, starting with the count files. Labels and true positions are used only for the
score. Results are appended to a CSV file, so that an interrupted run continues where it stopped; at the end the tables
are printed.

    python benchmarks/sections.py --data <folder of the real tissues> --results sections.csv --questions joined,turned
"""

from __future__ import annotations

import multiprocessing
import os
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import tissues

if TYPE_CHECKING:
    import anndata

    from spatialweave.io.dataset import Dataset
    from spatialweave.method import Fitted

JOINED = {"151507": "dlpfc_visium/151507_rna.h5ad", "151508": "dlpfc_visium/151508_rna.h5ad"}
JOINED_METHODS = {"pca_smooth": "pca_smooth", "smart_ms": "smart", "spatialfuser": "mcgate"}
"""Methods for several sections, each with the method for one section that it is compared with."""

GRIDS = {"same": "tissue", "own": "slide"}
"""Layout of the spots of a turned section, and the simulator's name for it."""

ANGLES = (0, 45, 90, 135, 180, 270)
GROWTH = (2500, 5000, 10_000, 20_000)
N_LAYERS = 7
_PAIRS = ("near_truth", "matchable_accepted_a", "matchable_accepted_b", "unmatchable_accepted_a")
_MATCHING = (*_PAIRS, *(f"nearest_{name}" for name in _PAIRS), "label_agreement", "registration_error")
SHOWN = {
    "joined": ("ari", "ari_within_sections", "section_agreement", "label_transfer", "ilisi", "kbet"),
    "turned": _MATCHING,
    "modalities": _MATCHING,
    "growth": ("seconds", "peak_rss_mb", *_PAIRS),
}
"""Metrics of each question's table."""


class Task(NamedTuple):
    """One cell: a question, its case (method, angle, size), and a seed."""

    question: str
    case: str
    seed: int


@click.command(context_settings={"show_default": True})
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the real tissues, for `joined`.")
@click.option("--results", type=click.Path(path_type=Path), required=True, help="CSV file of single results.")
@click.option("--questions", default="joined,turned,modalities,growth", help="Comma-separated.")
@click.option("--seeds", default=5, help="Seeds 0, 1, ...; `growth` takes one.")
@click.option("--jobs", default=1, help="Cells at a time.")
def main(data: Path | None, results: Path, questions: str, seeds: int, jobs: int) -> None:
    """Fill in the missing results and print the tables."""
    import pandas as pd

    done = pd.read_csv(results, dtype={"case": str}) if results.exists() else pd.DataFrame(columns=Task._fields)
    finished = set(zip(done["question"], done["case"], done["seed"], strict=True))
    with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
        todo = [(task, data) for task in tasks(questions.split(","), seeds) if tuple(task) not in finished]
        for found in pool.imap_unordered(measure, todo):
            pd.DataFrame(found).to_csv(results, mode="a", header=not results.exists(), index=False)
    if results.exists():
        click.echo(markdown(pd.read_csv(results, dtype={"case": str})))


def tasks(questions: list[str], seeds: int) -> Iterator[Task]:
    """Return all cells of the questions."""
    cases: dict[str, tuple[str, ...]] = {
        "joined": (*JOINED_METHODS, *(f"{one} alone" for one in JOINED_METHODS.values())),
        "turned": tuple(f"{angle}, {grid} grid" for grid in GRIDS for angle in ANGLES),
        "modalities": ("rna against adt",),
        "growth": tuple(str(size) for size in GROWTH),
    }
    for question in questions:
        for case in cases[question]:
            for seed in range(1 if question == "growth" else seeds):
                yield Task(question, case, seed)


def measure(work: tuple[Task, Path | None]) -> list[dict[str, Any]]:
    """Return the rows of one cell, as records question, case, seed, metric, value."""
    os.environ["OMP_NUM_THREADS"] = "1"
    task, data = work
    answers: dict[str, Callable[[Task, Path | None, Path], Mapping[str, float]]] = {
        "joined": joined, "turned": turned, "modalities": modalities, "growth": growth
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = answers[task.question](task, data, Path(folder))
    return [{**task._asdict(), "metric": name, "value": value} for name, value in found.items()]


def joined(task: Task, data: Path | None, folder: Path) -> dict[str, float]:
    """Measure agreement with cortex layers, within each section and over both, and how the sections mix."""
    from sklearn.metrics import adjusted_rand_score

    from spatialweave.domains.mixture import tied_mixture
    from spatialweave.metrics.integration import across_sections

    if data is None:
        raise click.UsageError("the question 'joined' needs --data")
    files = {name: {"rna": data / path} for name, path in JOINED.items()}
    if task.case.endswith(" alone"):
        method = task.case.removesuffix(" alone")
        scores = []
        for name, paths in files.items():
            dataset = prepared({name: paths}, "visium", "domain", folder)
            domains = tied_mixture(fit(dataset, method, task.seed).embedding, N_LAYERS, task.seed).labels
            labels = dataset.obs["label"].astype(str).to_numpy()
            scores.append(adjusted_rand_score(labels[labels != ""], domains[labels != ""]))
        return {"ari_within_sections": sum(scores) / len(scores)}
    dataset = aligned(prepared(files, "visium", "domain", folder))
    embedding = fit(dataset, task.case, task.seed).embedding
    domains = tied_mixture(embedding, N_LAYERS, task.seed).labels
    labels = dataset.obs["label"].astype(str).to_numpy()
    found = {"ari": adjusted_rand_score(labels[labels != ""], domains[labels != ""])}
    return found | across_sections(dataset, embedding, domains, task.seed)


def turned(task: Task, _data: Path | None, folder: Path) -> dict[str, float]:
    """Measure the pairs of a turned, shifted, cut and thinned section, and those of the nearest spots."""
    from spatialweave import simulate

    tissue = simulate.SERIES["pair"].tissue
    angle, grid = task.case.removesuffix(" grid").split(", ")
    moving = simulate.SimulatedSection(
        "section2", float(angle), shift=(12.0, -7.0), cut=0.15, cut_angle=20.0, thin=0.7, lattice=GRIDS[grid]
    )
    spec = simulate.SectionSeries(tissue, (simulate.SimulatedSection("section1"), moving))
    return matched(spec, task.seed, folder)


def modalities(task: Task, _data: Path | None, folder: Path) -> dict[str, float]:
    """Measure the pairs of an RNA section and a protein section."""
    from spatialweave import simulate

    return matched(simulate.SERIES["crossmodal"], task.seed, folder)


def growth(task: Task, _data: Path | None, folder: Path) -> dict[str, float]:
    """Measure seconds and peak memory of aligning, fusing and matching two sections of that many spots each."""
    from dataclasses import replace

    from spatialweave import simulate
    from spatialweave.training.run import peak_memory

    side = round(int(task.case) ** 0.5)
    pair = simulate.SERIES["pair"]
    started = time.monotonic()
    tissue = replace(pair.tissue, rows=side, cols=side, modalities={"rna": pair.tissue.modalities["rna"]})
    found = matched(replace(pair, tissue=tissue), task.seed, folder)
    found |= {"seconds": time.monotonic() - started}
    return found | {"peak_rss_mb": peak_memory("cpu")["peak_rss_mb"]}


def matched(spec: Any, seed: int, folder: Path) -> dict[str, float]:
    """Simulate two sections, align, fuse and match them; return metrics of the pairs and of the control."""
    from spatialweave.io.embeddings import write_embedding
    from spatialweave.io.result_tables import COORDINATES
    from spatialweave.io.spot_tables import coordinates_table
    from spatialweave.metrics.match_sections import match_sections

    dataset = simulated(spec, seed, folder)
    fused = fit(dataset, "spatialfuser", seed)
    assert dataset.aligned is not None
    write_embedding(folder / "fused.h5ad", dataset, fused.embedding, fused.record)
    COORDINATES.write(folder / "coordinates.csv", coordinates_table(dataset.obs, dataset.aligned))
    quality, _ = match_sections(folder / "fused.h5ad", folder / "latents.h5mu", folder / "coordinates.csv")
    return dict(zip(quality["metric"], quality["value"], strict=True))


def simulated(spec: Any, seed: int, folder: Path) -> Dataset:
    """Return the sections of a simulated series, prepared and aligned."""
    from spatialweave import simulate

    files: dict[str, dict[str, Path]] = {}
    for section, parts in simulate.simulate_series(spec, seed).items():
        files[section] = {name: stored(part, folder / f"{section}_{name}.h5ad") for name, part in parts.items()}
    return aligned(prepared(files, "square", simulate.LABEL, folder))


def stored(part: anndata.AnnData, path: Path) -> Path:
    """Write a count file and return its path."""
    part.write_h5ad(path)
    return path


def prepared(files: Mapping[str, Mapping[str, Path]], platform: str, labels: str | None, folder: Path) -> Dataset:
    """Join the sections' counts and preprocess them with the recipe `smart`; add the spatial graph."""
    from spatialweave.graphs.build import build_graphs
    from spatialweave.graphs.recipe import read_recipe
    from spatialweave.io.contract import write
    from spatialweave.io.dataset import read_dataset
    from spatialweave.io.section import SectionInput, read_section
    from spatialweave.preprocess.dataset import preprocess

    paths = []
    for name, parts in files.items():
        paths.append(folder / f"{name}.section.h5mu")
        write(read_section(SectionInput("pair", name, dict(parts), labels=labels, platform=platform)), paths[-1])
    write(preprocess(paths, tissues.ROOT / "assets" / "preprocess" / "smart.yml", seed=0), folder / "latents.h5mu")
    recipe = read_recipe(tissues.ROOT / "assets" / "graphs" / "spatial.yml")
    write(build_graphs(read_dataset(folder / "latents.h5mu"), recipe), folder / "graph.h5ad")
    return read_dataset(folder / "latents.h5mu", folder / "graph.h5ad")


def aligned(dataset: Dataset) -> Dataset:
    """Add aligned coordinates to the dataset, as ALIGN and STACK make them."""
    from spatialweave.alignment.prematch import prematch
    from spatialweave.alignment.prematch_settings import PrematchSettings
    from spatialweave.alignment.register import section_features
    from spatialweave.alignment.stack import aligned_coordinates, compose

    transforms = []
    for fixed, moving in dataset.section_pairs():
        sections = (section_features(dataset, fixed), section_features(dataset, moving))
        transforms.append({"fixed": fixed, "moving": moving, "matrix": prematch(*sections, PrematchSettings()).matrix})
    dataset.aligned = aligned_coordinates(dataset, compose(dataset, transforms))
    return dataset


def fit(dataset: Dataset, method: str, seed: int) -> Fitted:
    """Fit a method with its default settings to a dataset."""
    from spatialweave.presets import read_preset
    from spatialweave.training import run as runs
    from spatialweave.training.session import fit_preset

    preset = read_preset(tissues.ROOT / "assets" / "methods" / f"{method}.yml")
    return fit_preset(dataset, preset, runs.prepare(preset.module, seed, "cpu", threads=1))


def markdown(results: Any) -> str:
    """Return one table per question: cases x :data:`SHOWN`, mean ± standard deviation over the seeds."""
    lines: list[str] = []
    for question, part in results.groupby("question", sort=False):
        shown = [name for name in SHOWN[question] if name in set(part["metric"])]
        lines += ["", str(question), "", f"| | {' | '.join(shown)} |", "|---" * (len(shown) + 1) + "|"]
        for case, rows in part.groupby("case", sort=False):
            cells = [_cell(rows.loc[rows["metric"] == name, "value"]) for name in shown]
            lines.append(f"| {case} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(values: Any) -> str:
    if len(values) < 2:
        return "".join(f"{value:.3f}" for value in values)
    return f"{values.mean():.3f} ± {values.std(ddof=0):.3f}"


if __name__ == "__main__":
    main()
