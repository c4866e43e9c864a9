#!/usr/bin/env python3
"""Comparison of registrations on the same pairs of sections: our default, ICP, NDT and fused Gromov-Wasserstein.

Pairs are consecutive sections of the simulated series of spots, registered or moved sections of cells, and real pairs
as they come, prepared by the stages of the pipeline. The table has: the fraction of labelled moving spots whose nearest
labelled fixed spot has the same label, before and after registration; the mean error in spacings of the fixed section,
if the true transform is known; CPU seconds. Results go to a CSV file, from which --table prints the table of
docs/benchmarks.md.

    python benchmarks/registration.py --data <folder of the real tissues> --seeds 5 > registration.csv
    python benchmarks/registration.py --table registration.csv
"""

from __future__ import annotations

import csv
import itertools
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import numpy as np
from prematching import latents

from spatialweave import simulate
from spatialweave.alignment import transforms
from spatialweave.alignment.prematch import SectionFeatures, prematch
from spatialweave.alignment.prematch_settings import PrematchSettings
from spatialweave.errors import InputError
from spatialweave.io.layout import spacing
from spatialweave.settings import configure

if TYPE_CHECKING:
    import pandas as pd

MOVES: dict[str, dict[str, Any]] = {
    # How the second section of cells lies.
    "registered": {},
    "registered, bent": {"bend": 1.0},
    "25 degrees": {"rotation": 25.0, "shift": (6.0, -9.0)},
    "180 degrees": {"rotation": 180.0},
    "3 across": {"shift": (0.0, 3.0)},
}
REAL = {
    "DLPFC 151507, 151508": ("visium", "domain", "dlpfc_visium/{}_rna.h5ad", ("151507", "151508")),
    **{
        f"breast cancer {one}, {one + 1}": ("square", None, "stahl_breast_paste/slice{}_rna.h5ad", (one, one + 1))
        for one in (1, 2, 3)
    },
}
COLUMNS = ("case", "pair", "seed", "by", "raw", "registered", "error", "method", "degrees", "settled", "confidence",
           "cpu_seconds")  # fmt: skip
BY = {"auto": "default", "icp": "`icp`", "ndt": "`ndt`", "fgw": "`fgw`"}
"""Registrations, and their names in the table."""


class Pair(NamedTuple):
    """Two sections to register, with the labels of their spots and, if known, the true transform."""

    case: str
    name: str
    seed: int
    sections: Sequence[SectionFeatures]
    labels: Sequence[np.ndarray] | None
    truth: np.ndarray | None


def spots(seed: int) -> Iterator[Pair]:
    """Yield consecutive sections of the simulated series of spots."""
    for name in ("series", "pair", "crossmodal"):
        spec = simulate.SERIES[name]
        found = list(simulate.simulate_series(spec, seed).values())
        for index, pair in enumerate(itertools.pairwise(found)):
            features: tuple[dict[str, tuple[np.ndarray, Any]], ...] = ({}, {})
            for modality in sorted({*pair[0]} | {*pair[1]}):
                having = [side for side in (0, 1) if modality in pair[side]]
                values = latents(*(pair[side][modality].X for side in having))
                for side, value in zip(having, values, strict=True):
                    features[side][modality] = (value, True)
            firsts = [next(iter(section.values())) for section in pair]
            sections = [
                SectionFeatures(np.asarray(one.obsm["spatial"]), part)
                for one, part in zip(firsts, features, strict=True)
            ]
            labels = [one.obs[simulate.LABEL].to_numpy() for one in firsts]
            truth = simulate.between(spec.tissue, spec.sections[index], spec.sections[index + 1])
            yield Pair("spots", f"{name} {index + 1}, {index + 2}", seed, sections, labels, truth)


def cells(seed: int) -> Iterator[Pair]:
    """Yield the simulated pair of cells, in every pose of the second section."""
    spec = simulate.SERIES["cells_pair"]
    first, second = spec.sections
    for name, move in MOVES.items():
        moved = replace(second, **move)
        parts = [one["rna"] for one in simulate.simulate_series(replace(spec, sections=(first, moved)), seed).values()]
        values = latents(*(one.X for one in parts))
        sections = [
            SectionFeatures(np.asarray(one.obsm["spatial"]), {"rna": (value, True)})
            for one, value in zip(parts, values, strict=True)
        ]
        labels = [one.obs[simulate.LABEL].to_numpy() for one in parts]
        yield Pair("cells", name, seed, sections, labels, simulate.between(spec.tissue, first, moved))


def real(data: Path) -> Iterator[Pair]:
    """Yield real pairs as they come, prepared by the pipeline's stages."""
    from sections import prepared

    from spatialweave.alignment.register import section_features

    for name, (platform, labelled, file, pair) in REAL.items():
        with tempfile.TemporaryDirectory() as folder:
            files = {f"s{one}": {"rna": data / file.format(one)} for one in pair}
            dataset = prepared(files, platform, labelled, Path(folder))
            names, rows = dataset.section_pairs()[0], dataset.section_rows()
            known = dataset.obs["label"].astype(str).to_numpy() if labelled else None
            labels = None if known is None else [known[rows[one]] for one in names]
            yield Pair("real", name, 0, [section_features(dataset, one) for one in names], labels, None)


def pairs(cases: set[str], seeds: int, data: Path | None) -> Iterator[Pair]:
    """Yield all pairs of sections of these cases."""
    for seed in range(seeds):
        yield from spots(seed) if "spots" in cases else ()
        yield from cells(seed) if "cells" in cases else ()
    if "real" in cases:
        if data is None:
            raise click.UsageError("the case 'real' needs --data")
        yield from real(data)


def registered(pair: Pair, settings: PrematchSettings) -> tuple[Any, ...]:
    """Return one row of the table :data:`COLUMNS`."""
    fixed, moving = pair.sections
    start = time.process_time()
    try:
        found = prematch(fixed, moving, settings)
    except InputError:
        # fgw refuses sections without a common modality.
        return (pair.case, pair.name, pair.seed, settings.method, *[""] * (len(COLUMNS) - 4))
    spent = time.process_time() - start
    agreed: list[Any] = ["", ""]
    if pair.labels is not None:
        agreed = [f"{agreement(pair.sections, pair.labels, matrix):.3f}" for matrix in (np.eye(3), found.matrix)]
    error = ""
    if pair.truth is not None:
        off = transforms.apply(found.matrix, moving.points) - transforms.apply(pair.truth, moving.points)
        error = f"{np.linalg.norm(off, axis=1).mean() / spacing(fixed.points):.3f}"
    degrees = np.degrees(transforms.decompose(found.matrix)[0])
    confidence = found.record["confidence"]
    told = (found.method, f"{degrees:.1f}", found.record["settled"], "" if confidence is None else f"{confidence:.3f}")
    return (pair.case, pair.name, pair.seed, settings.method, *agreed, error, *told, f"{spent:.1f}")


def agreement(sections: Sequence[SectionFeatures], labels: Sequence[np.ndarray], matrix: np.ndarray) -> float:
    """Return the fraction of labelled moving spots whose nearest labelled fixed spot has the same label."""
    from scipy.spatial import cKDTree

    (fixed, moving), known = sections, [one != "" for one in labels]
    placed = transforms.apply(matrix, moving.points[known[1]])
    _, nearest = cKDTree(fixed.points[known[0]]).query(placed)
    return float((labels[0][known[0]][nearest] == labels[1][known[1]]).mean())


def markdown(results: Path) -> str:
    """Return the table of docs/benchmarks.md: a line per pair, a column per registration."""
    import pandas as pd

    table = pd.read_csv(results)
    ways = [way for way in BY if way in set(table["by"])]
    lines = [
        "| pair | right as it lies | " + " | ".join(BY[way] for way in ways) + " |",
        "|---" * (2 + len(ways)) + "|",
    ]
    for (case, name), rows in table.groupby(["case", "pair"], sort=False):
        raw = "" if rows["raw"].isna().all() else f"{rows['raw'].mean():.3f}"
        cells = [_cell(rows[rows["by"] == way]) for way in ways]
        lines.append(f"| {case}: {name} | {raw} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _cell(rows: pd.DataFrame) -> str:
    """Format the fraction of right spots; error, and the worst over seeds; seconds. The angle if neither is known."""
    if rows["cpu_seconds"].isna().all():
        return "refused"
    parts = []
    if rows["registered"].notna().all():
        parts.append(f"{rows['registered'].mean():.3f}")
    if rows["error"].notna().all():
        parts.append(f"{rows['error'].mean():.2f} ({rows['error'].max():.2f})")
    if not parts:
        parts.append(f"{rows['degrees'].iloc[0]:.1f}°")
    return ", ".join([*parts, f"{rows['cpu_seconds'].mean():.1f} s"])


@click.command(context_settings={"show_default": True})
@click.option("--cases", default="spots,cells,real", help="Comma-separated.")
@click.option("--by", default=",".join(BY), help="Comma-separated ways of registration.")
@click.option("--seeds", default=3, help="Seeds 0 to this, exclusive, of the simulated sections.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the real tissues, for `real`.")
@click.option("--table", "results", type=click.Path(path_type=Path), help="Print the table of such results instead.")
def main(cases: str, by: str, seeds: int, data: Path | None, results: Path | None) -> None:
    """Write one line per pair of sections and way of registration to standard output."""
    if results is not None:
        click.echo(markdown(results))
        return
    warnings.simplefilter("ignore")
    table = csv.writer(sys.stdout)
    table.writerow(COLUMNS)
    for pair in pairs(set(cases.split(",")), seeds, data):
        for way in by.split(","):
            table.writerow(registered(pair, configure(PrematchSettings, "--by", {"method": way})))
            sys.stdout.flush()


if __name__ == "__main__":
    main()
