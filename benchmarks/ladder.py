#!/usr/bin/env python3
"""Seconds, peak memory and output size of every stage on simulated tissues of growing size.

    .venv/bin/python benchmarks/ladder.py --side 100 --side 316 --side 1000
    .venv/bin/python benchmarks/ladder.py --side 316 --stage cluster --stage evaluate
    .venv/bin/python benchmarks/ladder.py --show

A tissue has side x side spots, 2,000 genes with counts of about 200 in a spot, and 100 proteins. Every stage runs its
script in its own process, as in the pipeline; peak memory is that of the process. Files are kept in --folder, so that a
stage can be measured again without the earlier ones. Rows are appended to --out, where the latest row of a tissue,
stage and method counts. --show prints them as a table, with the exponent of the growth of CPU seconds with spots.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import click
import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
N_DOMAINS = 8
SEEDS = (1, 2, 3)
LATENTS, COUNTS, GRAPH = "files/smart.latents.h5mu", "files/smart.counts.h5mu", "files/graph.h5ad"
COLUMNS = ["spots", "stage", "method", "seconds", "cpu_seconds", "peak_mb", "input_mb", "output_mb", "threads", "exit"]


@dataclass(frozen=True)
class Stage:
    """Call of a stage's script.

    Attributes
    ----------
    name
        Name of the script, without .py.
    arguments
        Arguments, separated by spaces.
    inputs, outputs
        Patterns of the files whose sizes are summed: the inputs and outputs of a task of the pipeline.
    method
        Method of a training and of the stages after it.
    """

    name: str
    arguments: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    method: str = ""


def tissue(at: Path, side: int) -> Iterator[Stage]:
    """Return the stages before the methods, with their files in the folder `at`."""
    recipe, graphs = ROOT / "assets" / "preprocess" / "smart.yml", ROOT / "assets" / "graphs" / "spatial.yml"
    section = "s1.section.h5mu"
    yield Stage("simulate", f"--preset bins --rows {side} --cols {side} --out-dir {at}/input", (), ("input/*.h5ad",))
    yield Stage(
        "ingest",
        f"--dataset bins --section s1 --rna {at}/input/bins_rna.h5ad --adt {at}/input/bins_adt.h5ad --labels label "
        f"--platform square --out {at}/ingest/{section} --out-understood {at}/files/s1.ingest.csv",
        ("input/*.h5ad",),
        ("ingest/*.h5mu",),
    )
    yield Stage(
        "qc",
        f"--in-section {at}/ingest/{section} --out {at}/qc/{section} --out-dir {at}/files",
        ("ingest/*.h5mu",),
        ("qc/*.h5mu", "files/s1.qc_*"),
    )
    yield Stage(
        "preprocess",
        f"--section {at}/qc/{section} --recipe {recipe} --seed 1 --out {at}/{LATENTS} --counts {at}/{COUNTS}",
        ("qc/*.h5mu",),
        (LATENTS, COUNTS),
    )
    yield Stage(
        "graph",
        f"--latents {at}/{LATENTS} --recipe {graphs} --out {at}/{GRAPH} --stats {at}/files/smart.spatial.graph.csv",
        (LATENTS,),
        (GRAPH,),
    )


def clustering(at: Path, run: str, method: str, seed: int, n_domains: int = N_DOMAINS) -> Stage:
    """Return the clustering stage of a run."""
    return Stage(
        "cluster",
        f"--embedding {at}/{run}.h5ad --graph {at}/{GRAPH} --n-domains {n_domains} --seed {seed} "
        f"--out {at}/{run}.domains.csv --summary {at}/{run}.clustering.json",
        (f"{run}.h5ad", GRAPH),
        (f"{run}.domains.csv",),
        method,
    )


def runs(at: Path, method: str, threads: int) -> Iterator[Stage]:
    """Return the stages of one method."""
    preset = ROOT / "assets" / "methods" / f"{method}.yml"
    for seed in SEEDS:
        run = f"files/{method}.seed{seed}"
        yield Stage(
            "train",
            f"--latents {at}/{LATENTS} --graph {at}/{GRAPH} --method {preset} --seed {seed} --device cpu "
            f"--threads {threads} --out {at}/{run}.h5ad --record {at}/{method}.training.json",
            (LATENTS,),
            (f"{run}.h5ad",),
            method,
        )
        yield clustering(at, run, method, seed)
        yield Stage(
            "evaluate",
            f"--embedding {at}/{run}.h5ad --domains {at}/{run}.domains.csv --latents {at}/{LATENTS} "
            f"--graph {at}/{GRAPH} --clustering mclust --out {at}/{run}.metrics.csv",
            (f"{run}.h5ad", f"{run}.domains.csv", LATENTS, GRAPH),
            (f"{run}.metrics.csv",),
            method,
        )
    first = f"{method}.seed{SEEDS[0]}"
    numbers, partitions = f"{first}.n_domains.csv", f"{first}.partitions.csv"
    yield Stage(
        "scan",
        f"--embedding {at}/files/{first}.h5ad --out {at}/{numbers} --partitions {at}/{partitions}",
        (f"files/{first}.h5ad",),
        (numbers, partitions),
        method,
    )


def together(at: Path) -> Iterator[Stage]:
    """Return the stages after the methods, on all available runs."""

    def given(option: str, pattern: str, without: str = "/") -> str:
        paths = sorted(path for path in at.glob(pattern) if without not in path.name)
        return " ".join(f"--{option} {path}" for path in paths)

    weave, domains = f"files/weave.seed{SEEDS[0]}", "files/*.domains.csv"
    yield Stage(
        "weave",
        f"{given('domains', domains, 'weave')} --latents {at}/{LATENTS} --n-domains {N_DOMAINS} --seed 1 "
        f"--out {at}/{weave}.domains.csv --embedding {at}/{weave}.h5ad --record {at}/weave.training.json",
        (domains, LATENTS),
        (f"{weave}.*",),
    )
    yield Stage(
        "assess",
        f"{given('domains', domains)} {given('embedding', 'files/*.seed*.h5ad', 'weave')} --latents {at}/{LATENTS} "
        f"--n-domains {N_DOMAINS} --seed 1 --evidence {at}/files/evidence.csv "
        f"--modality-value {at}/files/modality_value.csv --verdict {at}/files/verdict.json",
        (domains, "files/*.seed*.h5ad", LATENTS),
        ("files/evidence.csv", "files/verdict.json"),
    )
    yield Stage(
        "compare",
        f"{given('domains', domains)} {given('metrics', 'files/*.metrics.csv')} --latents {at}/{LATENTS} "
        f"--scores {at}/bins.scores.csv --differences {at}/files/bins.differences.csv "
        f"--agreement {at}/bins.agreement.csv",
        (domains, "files/*.metrics.csv", LATENTS),
        ("bins.*.csv",),
    )
    yield Stage(
        "assemble",
        f"--files {at}/files --out {at}/results/integrated.h5mu",
        ("files/*",),
        ("results/integrated.h5mu",),
    )
    yield Stage(
        "export",
        f"--integrated {at}/results/integrated.h5mu --formats h5ad --out-dir {at}/results",
        ("results/integrated.h5mu",),
        ("results/integrated/*",),
    )
    yield Stage(
        "report_dataset",
        f"--dataset bins --counts {at}/{COUNTS} --latents {at}/{LATENTS} "
        f"--graph-stats {at}/files/smart.spatial.graph.csv --files {at}/files --presets {ROOT}/assets/methods "
        f"--out {at}/results/report.html",
        ("files/*",),
        ("results/report.html",),
    )


def measure(stage: Stage, folder: Path, threads: int) -> dict[str, object]:
    """Run a stage; return seconds, CPU seconds and peak memory of its process."""
    for pattern in ("ingest", "qc", "files", "results"):
        (folder / pattern).mkdir(parents=True, exist_ok=True)
    command = [str(ROOT / ".venv" / "bin" / "python"), str(ROOT / "bin" / f"{stage.name}.py")]
    limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), str(threads))
    read = megabytes(folder, stage.inputs)
    started = time.monotonic()
    process = subprocess.Popen(command + stage.arguments.split(), env=os.environ | limits, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    return {
        "stage": stage.name,
        "method": stage.method,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 1),
        "peak_mb": round(used.ru_maxrss / 1024),
        "input_mb": read,
        "output_mb": megabytes(folder, stage.outputs),
        "threads": threads,
        "exit": process.returncode,
    }


def megabytes(folder: Path, patterns: Sequence[str]) -> float:
    """Return the size of all matching files of a folder."""
    files = [path for pattern in patterns for path in folder.glob(pattern) if path.is_file()]
    return round(sum(path.stat().st_size for path in files) / 1e6, 2)


def growth(spots: Sequence[float], seconds: Sequence[float]) -> float:
    """Return the exponent of growth of CPU seconds with spots between the two largest tissues; NaN for one tissue."""
    if len(spots) < 2:
        return float("nan")
    return float(np.diff(np.log(seconds[-2:]))[0] / np.diff(np.log(spots[-2:]))[0])


def table(rows: pd.DataFrame) -> str:
    """Return the rows as Markdown: stages x sizes, each "CPU seconds, peak GB", and the growth."""
    latest = rows[rows["exit"] == 0].drop_duplicates(["spots", "stage", "method"], keep="last")
    sizes = sorted(latest["spots"].unique())
    lines = ["| stage | " + " | ".join(f"{size:,}" for size in sizes) + " | growth | output |"]
    lines.append("|---" * (len(sizes) + 3) + "|")
    for (stage, method), found in latest.groupby(["stage", "method"], sort=False):
        found = found.sort_values("spots").set_index("spots")
        cells = [
            f"{found.loc[size, 'cpu_seconds']:.0f} s, {found.loc[size, 'peak_mb'] / 1024:.1f} GB"
            if size in found.index
            else ""
            for size in sizes
        ]
        name = f"{str(stage).upper()} `{method}`" if method else str(stage).upper()
        exponent = growth(found.index.tolist(), found["cpu_seconds"].tolist())
        cells += ["" if np.isnan(exponent) else f"{exponent:.2f}", f"{found['output_mb'].iloc[-1]:,.0f} MB"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@click.command(context_settings={"show_default": True})
@click.option("--side", "sides", type=int, multiple=True, default=[100, 173, 316], help="Spots along a side.")
@click.option("--stage", "names", multiple=True, help="Only these stages, with the files of an earlier call.")
@click.option("--method", "methods", multiple=True, default=["pca_smooth"], help="Methods.")
@click.option("--threads", default=1, help="Threads of every process.")
@click.option("--folder", type=click.Path(path_type=Path), default=ROOT / "work" / "ladder", help="For the files.")
@click.option("--out", type=click.Path(path_type=Path), default=ROOT / "work" / "ladder.csv", help="Table to add to.")
@click.option("--show", is_flag=True, help="Only print the table.")
@click.option("--clean", is_flag=True, help="Delete the files of a tissue once it is measured.")
def main(
    sides: tuple[int, ...],
    names: tuple[str, ...],
    methods: tuple[str, ...],
    threads: int,
    folder: Path,
    out: Path,
    show: bool,
    clean: bool,
) -> None:
    """Measure, and print the table."""
    for side in () if show else sides:
        at = folder / str(side**2)
        of_methods = (stage for method in methods for stage in runs(at, method, threads))
        # One after the other: later stages look for the files of earlier ones.
        for stage in chain(tissue(at, side), of_methods, together(at)):
            if names and stage.name not in names:
                continue
            row = pd.DataFrame([{"spots": side**2} | measure(stage, at, threads)], columns=COLUMNS)
            click.echo(row.to_string(index=False, header=False), err=True)
            out.parent.mkdir(parents=True, exist_ok=True)
            row.to_csv(out, mode="a", index=False, header=not out.exists())
        if clean:
            shutil.rmtree(at)
    click.echo(table(pd.read_csv(out, keep_default_na=False)))


if __name__ == "__main__":
    main()
