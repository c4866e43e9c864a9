#!/usr/bin/env python3
"""ARI of the run chosen by the verdict without labels, compared with the best and the median run, on known tissues.

Every method is run with every seed and its embedding is clustered into the known number of domains
(benchmarks/consensus.py keeps them in the same folder). Prints for each tissue: how many runs the data support; the ARI
of the median and best run, of the verdict's choice, and of other rules that choose without labels; the verdict on
tissues without signal; and, for tissues with several modalities, the control's ARI with all and without each, with the
verdict on each.

    python benchmarks/verdict.py --data <folder of the real tissues> --folder domains
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import tissues
from consensus import CONTROL, METHODS, domains_of, truth
from sklearn.metrics import adjusted_rand_score

from spatialweave import simulate
from spatialweave.assess.hidden_spots import HiddenSpots
from spatialweave.assess.modality_value import SEEDS, modality_values
from spatialweave.assess.permuted_tissue import PermutedTissue, permuted_tissue
from spatialweave.assess.random_domains import Tissue
from spatialweave.assess.runs import RunEvidence, evidence
from spatialweave.assess.verdict import Verdict, kind_of, verdict
from spatialweave.domains.consensus import consensus
from spatialweave.domains.mixture import tied_mixture
from spatialweave.graphs.smoothing import CONTROL_ROUNDS, smoothed
from spatialweave.io.dataset import Dataset, read_dataset
from spatialweave.io.result_tables import ALL, WEAVE
from spatialweave.io.run_names import run_id
from spatialweave.metrics.tissue import abnormal_spots
from spatialweave.presets import read_preset

BLIND = ("noise", "coordinates")
SILENT = 4
"""Tissues without signal."""


@click.command(context_settings={"show_default": True})
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the real tissues; without it, simulated only.")
@click.option("--folder", type=click.Path(path_type=Path), required=True, help="Folder for the domains of all runs.")
@click.option("--tissues", "wanted", help="Comma-separated names. [default: all]")
@click.option("--seeds", default=2, help="Seeds 0, 1, ...")
@click.option("--scratch", type=click.Path(path_type=Path), help="Folder for the tissues. [default: a temporary one]")
def main(data: Path | None, folder: Path, wanted: str | None, seeds: int, scratch: Path | None) -> None:
    """Fill in the missing runs and print the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    names = wanted.split(",") if wanted else tissues.names(data)
    with tempfile.TemporaryDirectory() as temporary:
        scratch = scratch or Path(temporary)
        scratch.mkdir(parents=True, exist_ok=True)
        choices(names, seeds, data, folder, scratch)
        click.echo("")
        blind(names, data, folder, scratch)
        click.echo("")
        silence(scratch)
        click.echo("")
        values(names, data, scratch)


def choices(names: list[str], seeds: int, data: Path | None, folder: Path, scratch: Path) -> None:
    """Print the table of chosen runs."""
    rules = ("verdict", "most explained", "highest z", "most agreeing", "smoothest", "control")
    click.echo("| tissue | runs | supported | told apart | median | best | " + " | ".join(rules) + " |")
    click.echo("|---" * (6 + len(rules)) + "|")
    scores = []
    for tissue in names:
        labels = truth(tissue, data, scratch)
        known = labels != ""
        number = len(set(labels[known]))
        runs = {(m, s): domains_of(tissue, m, s, data, folder, scratch) for m in METHODS for s in range(seeds)}
        runs[CONTROL, 0] = domains_of(tissue, CONTROL, 0, data, folder, scratch)
        runs[WEAVE, 0] = consensus([own for (method, _), own in runs.items() if method != CONTROL], number, 0).labels
        dataset = read(tissue, data, scratch)
        found, _, decided = judged(dataset, runs, number)
        ari = {run: float(adjusted_rand_score(labels[known], own[known])) for run, own in runs.items()}
        plain = [run for run in runs if run[0] != WEAVE]
        by_run = {(one.method, one.seed): one for one in found}
        pas = {run: abnormal_spots(runs[run], HiddenSpots.of(dataset).neighbours) for run in plain}
        chosen = {
            "most explained": max(plain, key=lambda run: by_run[run].support[ALL].explained.value),
            "highest z": max(plain, key=lambda run: by_run[run].support[ALL].z),
            "most agreeing": max(plain, key=lambda run: by_run[run].agreement),
            "smoothest": min(plain, key=pas.__getitem__),
            "control": (CONTROL, 0),
        }
        picked = next((run for run in runs if run_id(*run) == decided.choice), None)
        median, best = float(np.median([ari[run] for run in plain])), max(ari[run] for run in plain)
        row = [median, best, ari[picked] if picked else np.nan, *(ari[run] for run in chosen.values())]
        scores.append(row)
        holding = sum(one.supported for one in found)
        apart = sum(one.supported and one.weaker for one in found)
        click.echo(f"| {tissue} | {len(runs)} | {holding} | {apart} | " + " | ".join(f"{x:.3f}" for x in row) + " |")
    table = np.array(scores)
    click.echo("| mean | | | | " + " | ".join(f"{x:.3f}" for x in np.nanmean(table, axis=0)) + " |")
    regret = np.nanmean(table[:, 1:2] - table[:, 2:], axis=0)
    click.echo("| below the best | | | | | | " + " | ".join(f"{x:.3f}" for x in regret) + " |")
    above = (table[:, 2:] >= table[:, :1] - 1e-9).sum(axis=0)
    click.echo(f"| median or better, of {len(table)} | | | | | | " + " | ".join(map(str, above)) + " |")


def blind(names: list[str], data: Path | None, folder: Path, scratch: Path) -> None:
    """Print the verdict on domains without molecular information: from noise and from coordinates."""
    click.echo("| tissue | " + " | ".join(f"{method}: p, random | p, permuted" for method in BLIND) + " |")
    click.echo("|---" * (1 + 2 * len(BLIND)) + "|")
    for tissue in names:
        labels = truth(tissue, data, scratch)
        runs = {(method, 0): domains_of(tissue, method, 0, data, folder, scratch) for method in BLIND}
        found, _, _ = judged(read(tissue, data, scratch), runs, len(set(labels) - {""}))
        cells = [f"{p:.3f}" for one in found for p in (one.support[ALL].p_random, one.support[ALL].p_permuted)]
        click.echo(f"| {tissue} | " + " | ".join(cells) + " |")


def silence(scratch: Path) -> None:
    """Print the verdict on tissues without signal, and how many runs would have been supported there."""
    click.echo("| tissue without signal | p | verdict | runs that random domains alone would support | supported |")
    click.echo("|---" * 5 + "|")
    for seed in range(1, SILENT + 1):
        name = f"silent {seed}"
        simulate.PRESETS["silent"] = replace(simulate.PRESETS["demo"], signal=0.0)
        tissues.SIMULATED[name] = ("silent", "rna,adt", seed)
        runs = {(m, 0): domains_of(name, m, 0, None, scratch, scratch) for m in (*METHODS, CONTROL)}
        found, permuted, decided = judged(read(name, None, scratch), runs, 5)
        by_random = sum(one.support[ALL].p_random <= 0.05 for one in found)
        holding = sum(one.supported for one in found)
        click.echo(f"| {name} | {permuted.p(ALL):.3f} | {decided.kind} | {by_random} of {len(found)} | {holding} |")


def values(names: list[str], data: Path | None, scratch: Path) -> None:
    """Print the verdict on each modality, with its effect on the agreement with the labels."""
    click.echo("| tissue | modality | ARI with all | without it | gain of it, points | of the others | verdict |")
    click.echo("|---" * 7 + "|")
    for tissue in names:
        dataset = read(tissue, data, scratch)
        labels = dataset.obs["label"].to_numpy().astype(str)
        known = labels != ""
        number = len(set(labels[known]))
        hidden = HiddenSpots.of(dataset)
        found = modality_values(dataset, hidden, permuted_tissue(dataset, number, 0), number, 0)
        for value in found.modalities if found else []:
            scores = []
            for left_out in ("", value.name):
                kept = [modality for modality in dataset.modalities if modality.name != left_out]
                embedding = smoothed(kept, hidden.neighbours, CONTROL_ROUNDS)
                fits = [tied_mixture(embedding, number, seed).labels[known] for seed in range(SEEDS)]
                scores.append(float(np.mean([adjusted_rand_score(labels[known], fit) for fit in fits])))
            own, rest = value.gain[value.name], value.gain_others
            gains = [f"{100 * one.value:+.2f} ({100 * one.low:+.2f} to {100 * one.high:+.2f})" for one in (own, rest)]
            cells = [tissue, value.name, *(f"{score:.3f}" for score in scores), *gains, kind_of(value)]
            click.echo("| " + " | ".join(cells) + " |")


def read(tissue: str, data: Path | None, scratch: Path) -> Dataset:
    """Read a tissue as the control does."""
    preset = read_preset(tissues.ROOT / "assets" / "methods" / f"{CONTROL}.yml")
    return read_dataset(*tissues.prepare(tissue, preset.preprocess, preset.graph, data, scratch))


def judged(
    dataset: Dataset, runs: dict[tuple[str, int], np.ndarray], number: int
) -> tuple[list[RunEvidence], PermutedTissue, Verdict]:
    """Return the evidence for runs, and the verdict."""
    tissue = Tissue.of(dataset.coordinates, dataset.obs["section"].astype(str).to_numpy(), 0)
    permuted = permuted_tissue(dataset, number, 0)
    found = evidence(HiddenSpots.of(dataset), tissue, permuted, runs, {}, 0)
    members = [run_id(method, seed) for method, seed in runs if method not in (CONTROL, WEAVE)]
    return found, permuted, verdict(found, permuted, members)


if __name__ == "__main__":
    main()
