#!/usr/bin/env python3
"""Seconds, peak memory and results of aligning, fusing and matching a pair of sections of any size.

    .venv/bin/python benchmarks/pair_sizes.py --spots 200000
    .venv/bin/python benchmarks/pair_sizes.py --spots 200000 --stage train --stage match --option batch_spots=0

The latents are artificial, as in tiles.py: ten domains in forty pieces. The second section is turned by 30 degrees,
shifted, and on its own lattice; 15% of it is cut off, and its latents are noisier. With --modalities apart, the first
has RNA and the second protein. Every stage runs its script in its own process, measured as in ladder.py.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from pathlib import Path

import anndata
import click
import numpy as np
import pandas as pd
from ladder import COLUMNS, GRAPH, LATENTS, ROOT, Stage, clustering, measure, table
from scipy.spatial import cKDTree
from tiles import N_DIMS, N_DOMAINS, N_PIECES

from spatialweave.io.contract import TRUE_SPATIAL, join_modalities, stamp, write

SECTIONS = ("first", "second")
TURN, SHIFT, CUT, NOISE = np.deg2rad(30.0), (0.3, -0.2), 0.15, (1.0, 1.2)
"""Pose of the second section, with the shift as a fraction of the side; noise of both sections."""

SHOWN = (
    "ari", "label_transfer", "ilisi", "registration_error", "label_agreement", "near_truth", "matchable_accepted_a",
    "matchable_accepted_b", "unmatchable_accepted_a", "nearest_near_truth", "nearest_matchable_accepted_a",
)  # fmt: skip
"""Metrics that are printed."""


def write_pair(path: Path, n_spots: int, signal: float, apart: bool) -> None:
    """Write the latents file of two sections; the first has about `n_spots` spots."""
    rng = np.random.default_rng(1)
    side = round(n_spots**0.5)
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2).astype(np.float64)
    centre = (side - 1) / 2
    turn = np.array([[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]])
    # A lattice along the axes of the slide covers the tissue, which lies at an angle.
    wide = np.stack(np.meshgrid(*[np.arange(-side, side) + 0.3] * 2), axis=-1).reshape(-1, 2)
    on_tissue = wide @ turn + centre
    kept = ((on_tissue >= 0) & (on_tissue <= side - 1)).all(axis=1) & (on_tissue[:, 0] < (1 - CUT) * side)
    truth = np.concatenate([grid, on_tissue[kept]])
    slide = np.concatenate([grid, wide[kept] + centre + side * np.array(SHIFT)])
    second = np.arange(len(truth)) >= side**2
    label = cKDTree(rng.random((N_PIECES, 2)) * side).query(truth)[1] % N_DOMAINS
    barcodes = pd.Index(np.where(second, "b", "a")) + np.arange(len(truth)).astype(str)
    section = np.array(SECTIONS)[second.astype(int)]
    obs = pd.DataFrame(
        {
            "barcode": barcodes,
            "section": pd.Categorical(section, SECTIONS),
            "label": np.char.add("d", label.astype(str)),
        },
        index=pd.Index(section).str.cat(barcodes, sep=":"),
    )
    noise = np.where(second, *NOISE[::-1]).astype(np.float32)[:, None]
    spread = 3 * np.arange(1, N_DIMS + 1, dtype=np.float32) ** -0.5
    parts = {}
    for name, absent in (("rna", second), ("adt", ~second)):
        means = rng.normal(0, signal, (N_DOMAINS, N_DIMS)).astype(np.float32)
        latent = (means[label] + noise * rng.standard_normal((len(truth), N_DIMS), dtype=np.float32)) * spread
        rows = np.flatnonzero(~absent) if apart else np.arange(len(truth))
        parts[name] = anndata.AnnData(obs=pd.DataFrame(index=obs.index[rows]), obsm={"X_latent": latent[rows]})
    facts = stamp("latents", dataset="made-up", platform="square", layout="square", recipe="smart", harmony=False)
    latents = join_modalities(parts, obs, slide, {"spatialweave": facts})
    latents.obsm[TRUE_SPATIAL] = truth
    write(latents, path)


def stages(at: Path, method: str, options: tuple[str, ...], threads: int) -> Iterator[Stage]:
    """Return the stages of one pair, with their files in the folder `at`."""
    graphs, preset = ROOT / "assets" / "graphs" / "spatial.yml", ROOT / "assets" / "methods" / f"{method}.yml"
    run, settings = f"files/{method}.seed1", " ".join(f"--method-option {one}" for one in options)
    yield Stage(
        "graph",
        f"--latents {at}/{LATENTS} --recipe {graphs} --out {at}/{GRAPH} --stats {at}/files/graph.csv",
        (LATENTS,),
        (GRAPH,),
    )
    yield Stage(
        "align",
        f"--latents {at}/{LATENTS} --fixed {SECTIONS[0]} --moving {SECTIONS[1]} --out {at}/files/transform.json",
        (LATENTS,),
        ("files/transform.json",),
    )
    yield Stage(
        "stack",
        f"--latents {at}/{LATENTS} --transform {at}/files/transform.json --out-dir {at}/files",
        (LATENTS,),
        ("files/coordinates.csv",),
    )
    inputs = f"--latents {at}/{LATENTS} --graph {at}/{GRAPH} --coordinates {at}/files/coordinates.csv"
    yield Stage(
        "train",
        f"{inputs} --method {preset} --seed 1 --device cpu --threads {threads} --out {at}/{run}.h5ad {settings}",
        (LATENTS, GRAPH),
        (f"{run}.h5ad",),
        method,
    )
    yield Stage(
        "match",
        f"--embedding {at}/{run}.h5ad --latents {at}/{LATENTS} --coordinates {at}/files/coordinates.csv "
        f"--prefix {method}.seed1 --out-dir {at}/files",
        (f"{run}.h5ad", LATENTS),
        (f"{run}.*.pairs.csv", f"{run}.*.spots.csv"),
        method,
    )
    yield clustering(at, run, method, 1, N_DOMAINS)
    yield Stage(
        "evaluate",
        f"{inputs} --embedding {at}/{run}.h5ad --domains {at}/{run}.domains.csv --clustering mclust "
        f"--out {at}/{run}.metrics.csv",
        (f"{run}.h5ad", f"{run}.domains.csv", LATENTS, GRAPH),
        (f"{run}.metrics.csv",),
        method,
    )


@click.command(context_settings={"show_default": True})
@click.option("--spots", "sizes", type=int, multiple=True, default=[20_000, 60_000], help="Of the first section.")
@click.option("--modalities", type=click.Choice(["both", "apart"]), default="both", help="Of the sections.")
@click.option("--signal", default=0.35, help="Standard deviation of the domains' means, of 1 within them.")
@click.option("--stage", "names", multiple=True, help="Only these stages, with the files of an earlier call.")
@click.option("--method", default="spatialfuser", help="A method for several sections.")
@click.option("--option", "options", multiple=True, metavar="KEY=VALUE", help="A setting of the method.")
@click.option("--threads", default=1, help="Threads of every process.")
@click.option("--folder", type=click.Path(path_type=Path), default=ROOT / "work" / "pairs", help="For the files.")
def main(
    sizes: tuple[int, ...],
    modalities: str,
    signal: float,
    names: tuple[str, ...],
    method: str,
    options: tuple[str, ...],
    threads: int,
    folder: Path,
) -> None:
    """Measure, and print the table and the metrics."""
    for n_spots in sizes:
        at = folder / modalities / str(n_spots)
        out = folder / modalities / "measured.csv"
        if not (at / LATENTS).exists():
            (at / LATENTS).parent.mkdir(parents=True)
            # In its own process: Linux counts the memory of a parent process towards the peak of its child.
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                pool.apply(write_pair, (at / LATENTS, n_spots, signal, modalities == "apart"))
        for stage in stages(at, method, options, threads):
            if names and stage.name not in names:
                continue
            row = pd.DataFrame([{"spots": n_spots} | measure(stage, at, threads)], columns=COLUMNS)
            click.echo(row.to_string(index=False, header=False), err=True)
            row.to_csv(out, mode="a", index=False, header=not out.exists())
            if row.loc[0, "exit"]:
                raise SystemExit(f"{stage.name} failed")
        for kind in ("alignment", "metrics"):
            file = at / "files" / f"{method}.seed1.{kind}.csv"
            if file.exists():
                found = pd.read_csv(file).drop_duplicates("metric").set_index("metric")["value"]
                click.echo(f"{n_spots} spots, " + ", ".join(f"{n} {found[n]:.4f}" for n in SHOWN if n in found))
        click.echo(table(pd.read_csv(out, keep_default_na=False)))


if __name__ == "__main__":
    main()
