#!/usr/bin/env python3
"""Accuracy of labels from a model trained without a section, compared with training on it; and foreign sections.

    .venv/bin/python benchmarks/reference.py                  # simulated series, 3 seeds
    .venv/bin/python benchmarks/reference.py --dlpfc folder   # 151507 and 151508, each by the other

Prints the tables of docs/reference.md. The difference is the ARI of the left-out section labelled by the model of the
others, minus its ARI in the training on all of them.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import anndata
import click
import mudata
import numpy as np
import pandas as pd
from click.testing import CliRunner
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bin"))

from spatialweave.io.dataset import read_spots  # noqa: E402
from spatialweave.io.run_names import run_id  # noqa: E402
from spatialweave.presets import read_preset  # noqa: E402

METHODS = "pca_smooth,smart,smart_ms,spamca,spabalance,mcgate"


def stage(name: str, *arguments: object) -> None:
    """Run a stage in this process."""
    result = CliRunner().invoke(importlib.import_module(name).main, list(map(str, arguments)))
    if result.exit_code:
        raise SystemExit(f"{name}: {result.output}\n{result.exception!r}")


@dataclass
class Trained:
    """Files of a run, and its domains by section."""

    folder: Path
    files: dict[str, Path]
    preset: Path

    def save(self) -> Path:
        """Save its model."""
        out = self.folder / "model"
        options = [word for name, path in self.files.items() for word in (f"--{name}", path)]
        stage("save_model", *options, "--method", self.preset, "--out", out)
        return out

    def ari(self, section: str) -> float:
        """Return the agreement of the domains of a section with its labels."""
        return agreement(self.files["latents"], pd.read_csv(self.files["domains"]), section)


def agreement(latents: Path, domains: pd.DataFrame, section: str) -> float:
    """Return the adjusted Rand index with the labels, over the labelled spots of a section."""
    obs = read_spots(latents).obs
    labels = obs["label"].astype(object).fillna("").astype(str).to_numpy()
    own = (obs["section"].astype(str).to_numpy() == section) & (labels != "")
    return float(adjusted_rand_score(labels[own], domains["domain"].to_numpy()[own]))


def train(folder: Path, sections: list[Path], method: str, n_domains: int, seed: int) -> Trained:
    """Run the stages from sections to domains, as the pipeline does."""
    folder.mkdir(parents=True)
    preset = ROOT / "assets" / "methods" / f"{method}.yml"
    needs, run = read_preset(preset), run_id(method, seed)
    files = {
        "latents": folder / "r.latents.h5mu", "counts": folder / "r.counts.h5mu", "graph": folder / "graph.h5ad",
        "embedding": folder / f"{run}.h5ad", "state": folder / f"{run}.safetensors",
        "domains": folder / f"{run}.domains.csv", "clustering": folder / f"{run}.json",
    }  # fmt: skip
    given = [word for section in sections for word in ("--section", section)]
    recipe = ROOT / "assets" / "preprocess" / f"{needs.preprocess}.yml"
    written = ("--out", files["latents"], "--counts", files["counts"])
    stage("preprocess", *given, "--recipe", recipe, "--seed", seed, *written)
    recipe = ROOT / "assets" / "graphs" / f"{needs.graph}.yml"
    latents, graph = ("--latents", files["latents"]), ("--graph", files["graph"])
    stage("graph", *latents, "--recipe", recipe, "--out", files["graph"], "--stats", folder / "stats.csv")
    written = ("--out", files["embedding"], "--state", files["state"])
    stage("train", *latents, *graph, "--method", preset, "--seed", seed, "--threads", 1, *written)
    written = ("--out", files["domains"], "--summary", files["clustering"])
    stage("cluster", "--embedding", files["embedding"], *graph, "--n-domains", n_domains, "--seed", seed, *written)
    return Trained(folder, files, preset)


def label(folder: Path, model: Path, section: Path) -> tuple[float, pd.DataFrame]:
    """Return the ARI of a section labelled by a model, and its likeness to the reference."""
    folder.mkdir(parents=True)
    latents, counts, graph = folder / "n.latents.h5mu", folder / "n.counts.h5mu", folder / "graph.h5ad"
    stage("preprocess", "--section", section, "--recipe", model, "--out", latents, "--counts", counts)
    stage("graph", "--latents", latents, "--recipe", model, "--out", graph, "--stats", folder / "stats.csv")
    outputs = [
        word for name in ("out", "domains", "summary", "record", "tables") for word in (f"--{name}", folder / name)
    ]
    stage("map", "--model", model, "--latents", latents, "--counts", counts, "--graph", graph, "--threads", 1, *outputs)
    name = str(read_spots(latents).obs["section"].iloc[0])
    found = agreement(latents, pd.read_csv(folder / "domains"), name)
    return found, pd.read_csv(folder / "tables" / "likeness.csv")


def ingest(target: Path, section: str, counts: dict[str, Path], platform: str, labels: str) -> Path:
    """Write a section file."""
    given = [word for name, path in counts.items() for word in (f"--{name}", path)]
    options = ("--dataset", "reference", "--section", section, "--platform", platform, "--labels", labels)
    stage("ingest", *options, *given, "--out", target)
    return target


def changed(
    source: Path, target: Path, change: Callable[[sparse.csr_matrix, np.random.Generator], sparse.csr_matrix]
) -> Path:
    """Write a section with changed counts."""
    data, rng = mudata.read_h5mu(source), np.random.default_rng(0)
    for part in data.mod.values():
        part.X = sparse.csr_matrix(change(part.X.tocsr(copy=True), rng), dtype=np.float32)
    data.write_h5mu(target)
    return target


def thinned(counts: sparse.csr_matrix, rng: np.random.Generator) -> sparse.csr_matrix:
    """Reduce the depth to a third."""
    counts.data = rng.binomial(counts.data.astype(int), 1 / 3)
    counts.eliminate_zeros()
    return counts


def other_lot(counts: sparse.csr_matrix, rng: np.random.Generator) -> sparse.csr_matrix:
    """Catch every feature with another efficiency: log-normal factors of standard deviation 0.5."""
    counts.data = rng.poisson(counts.data * rng.lognormal(0, 0.5, counts.shape[1])[counts.indices])
    counts.eliminate_zeros()
    return counts


def other_features(counts: sparse.csr_matrix, rng: np.random.Generator) -> sparse.csr_matrix:
    """Permute the names of the features."""
    return counts[:, rng.permutation(counts.shape[1])]


def other_places(counts: sparse.csr_matrix, rng: np.random.Generator) -> sparse.csr_matrix:
    """Permute the positions of the spots."""
    return counts[rng.permutation(counts.shape[0])]


CHANGES = {"a third of the depth": thinned, "another lot": other_lot, "features permuted": other_features,
           "places permuted": other_places}  # fmt: skip


def said(likeness: pd.DataFrame) -> str:
    """Return the verdict, the fraction of unlike spots, and the structure that is explained."""
    values = likeness.set_index(["statistic", "modality"])["value"]
    structure = ", ".join(f"{name} {value:.2f}" for name, value in values.get("structure", pd.Series()).items())
    return f"{likeness['verdict'].iloc[0]} | {values['unlike', 'all']:.3f} | {structure}"


@click.command(context_settings={"show_default": True})
@click.option("--methods", default=METHODS)
@click.option("--seeds", default=3, help="Of the simulation and of the training.")
@click.option("--preset", type=click.Choice(["series", "series_test"]), default="series", help="Of the simulation.")
@click.option("--changes/--no-changes", default=True, help="Also changed and foreign sections.")
@click.option(
    "--dlpfc", type=click.Path(exists=True, path_type=Path), help="Folder of 151507_rna.h5ad and 151508_rna.h5ad."
)
def main(methods: str, seeds: int, preset: str, changes: bool, dlpfc: Path | None) -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        if dlpfc is not None:
            return cortex(work, dlpfc, methods.split(","), seeds)
        click.echo("method | seed | left out | with it | by the model | difference | verdict | unlike | structure")
        for seed in range(1, seeds + 1):
            folder = work / f"series{seed}"
            stage("simulate", "--preset", preset, "--seed", 2024 + seed, "--out-dir", folder)
            sections = {}
            for row in pd.read_csv(folder / "samplesheet.csv").to_dict("records"):
                counts = {m: folder / row[m] for m in ("rna", "adt", "atac") if isinstance(row.get(m), str)}
                path = folder / f"{row['section']}.section.h5mu"
                sections[row["section"]] = ingest(path, row["section"], counts, row["platform"], "label")
            # Features have the same names; other numbers of domains make them markers of other domains.
            tissue, n_other = ("regions", 8) if preset == "series" else ("test", 5)
            options = ("--modalities", "rna,adt", "--domains", n_other, "--seed", 2024 + seed)
            stage("simulate", "--preset", tissue, *options, "--out-dir", folder / "other")
            counts = {m: folder / "other" / f"{tissue}_{m}.h5ad" for m in ("rna", "adt")}
            other = ingest(folder / "other.section.h5mu", "other", counts, "square", "label")
            for method in methods.split(","):
                n_domains = 5 if preset == "series" else 4
                series(work / f"{method}{seed}", sections, other, method, n_domains, seed, changes)


def series(
    work: Path, sections: dict[str, Path], other: Path, method: str, n_domains: int, seed: int, changes: bool
) -> None:
    """Leave out each section of a series; label changed and foreign ones by the model without the second."""
    whole = train(work / "whole", list(sections.values()), method, n_domains, seed)
    for name, path in sections.items():
        rest = [one for section, one in sections.items() if section != name]
        model = train(work / name, rest, method, n_domains, seed).save()
        found, likeness = label(work / name / "new", model, path)
        expected = whole.ari(name)
        numbers = f"{expected:.3f} | {found:.3f} | {found - expected:+.3f}"
        click.echo(f"{method} | {seed} | {name} | {numbers} | {said(likeness)}")
        if name != "section2" or not changes:
            continue
        for title, change in CHANGES.items():
            section = changed(path, work / f"{change.__name__}.section.h5mu", change)
            found, likeness = label(work / name / change.__name__, model, section)
            click.echo(f"{method} | {seed} | {title} | | {found:.3f} | | {said(likeness)}")
        found, likeness = label(work / name / "other", model, other)
        click.echo(f"{method} | {seed} | another tissue | | {found:.3f} | | {said(likeness)}")


def cortex(work: Path, folder: Path, methods: list[str], seeds: int) -> None:
    """Label each of the two DLPFC sections by a model of the other, on the genes that both files have."""
    names = ("151507", "151508")
    data = {name: anndata.read_h5ad(folder / f"{name}_rna.h5ad") for name in names}
    shared = data[names[0]].var_names.intersection(data[names[1]].var_names)
    sections = {}
    for name, one in data.items():
        one[:, shared].copy().write_h5ad(work / f"{name}.h5ad")
        target = work / f"{name}.section.h5mu"
        sections[name] = ingest(target, name, {"rna": work / f"{name}.h5ad"}, "visium", "domain")
    permuted = changed(sections["151508"], work / "permuted.section.h5mu", other_features)
    click.echo("method | seed | section | alone | with the other | by the other's model | verdict | unlike | structure")
    for method in methods:
        for seed in range(1, seeds + 1):
            own = {
                name: train(work / f"{method}{seed}{name}", [path], method, 7, seed) for name, path in sections.items()
            }
            both = train(work / f"{method}{seed}", list(sections.values()), method, 7, seed)
            for name, other in (names, names[::-1]):
                model = own[other].save()
                found, likeness = label(own[other].folder / "new", model, sections[name])
                numbers = f"{own[name].ari(name):.3f} | {both.ari(name):.3f} | {found:.3f}"
                click.echo(f"{method} | {seed} | {name} | {numbers} | {said(likeness)}")
                if name == "151508":
                    _, likeness = label(own[other].folder / "permuted", model, permuted)
                    click.echo(f"{method} | {seed} | genes permuted | | | | {said(likeness)}")


if __name__ == "__main__":
    main()
