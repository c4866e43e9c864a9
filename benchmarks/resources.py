#!/usr/bin/env python3
"""Resource requests of tasks: fits to the measurements of benchmarks/ladder.py, as assets/resources.csv.

    .venv/bin/python benchmarks/ladder.py --side 100 --side 316 --side 1000
    .venv/bin/python benchmarks/resources.py

Peak memory, seconds and output size of a stage are modelled as a constant plus a factor on the size of its input files,
which the pipeline knows before a task starts. The line begins at the smallest tissue and is as steep as all larger ones
need, so that no measurement lies above it. Memory has a margin of MARGIN on top. Simulated tissues compress better than
real ones, so real files of the same size take less memory.

Datasets above 100,000 spots are trained on by tiles, and sampled by ASSESS, so the line bends: input beyond `bend_gb`
counts only by the fraction `beyond`. Both are set by hand in the table, and measurements beyond the bend are not
fitted.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
TABLE = ROOT / "assets" / "resources.csv"
MARGIN = 1.25
COLUMNS = ["stage", "method", "gb", "gb_per_gb", "seconds", "seconds_per_gb", "output_per_gb", "largest_gb"]
BENDS = ["bend_gb", "beyond"]
KEYS = ["stage", "method"]


def line(sizes: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Return constant and factor of the line from the smallest size that no value exceeds; neither is negative."""
    order = np.argsort(sizes, kind="stable")
    sizes, values = sizes[order], values[order]
    larger = sizes > 1.5 * sizes[0]
    first = values[~larger].max()
    slope = max(0.0, float(((values - first) / np.maximum(sizes - sizes[0], 1e-12))[larger].max(initial=0.0)))
    constant = max(0.0, float(first - slope * sizes[0]))
    return constant, slope


def fit(rows: pd.DataFrame) -> pd.DataFrame:
    """Return a row per stage and method from the successful measurements."""
    found: list[tuple[str | float, ...]] = []
    for (stage, method), own in rows[rows["exit"] == 0].groupby(["stage", "method"], sort=False):
        sizes = own["input_mb"].to_numpy() / 1e3
        gb, gb_per_gb = line(sizes, own["peak_mb"].to_numpy() / 1024)
        seconds, seconds_per_gb = line(sizes, own["cpu_seconds"].to_numpy())
        output = float((own["output_mb"] / np.maximum(own["input_mb"], 1e-3)).max())
        numbers = (MARGIN * gb, MARGIN * gb_per_gb, seconds, seconds_per_gb, output, sizes.max())
        found.append((str(stage).upper(), str(method), *(float(f"{number:.3g}") for number in numbers)))
    return pd.DataFrame(found, columns=COLUMNS)


@click.command(context_settings={"show_default": True})
@click.option("--measured", type=click.Path(exists=True, path_type=Path), default=ROOT / "work" / "ladder.csv")
@click.option("--out", type=click.Path(path_type=Path), default=TABLE)
def main(measured: Path, out: Path) -> None:
    """Fit; rows of stages and methods measured at fewer than two sizes, and all bends, stay as they are."""
    rows = pd.read_csv(measured, keep_default_na=False)
    rows = rows.drop_duplicates(["spots", "stage", "method"], keep="last")
    rows = rows[rows["stage"] != "simulate"].assign(stage=rows["stage"].str.upper())
    old = pd.read_csv(out, keep_default_na=False)
    # Only trainings differ between methods; for other stages the most demanding method stands for all.
    rows["method"] = rows["method"].where(rows["stage"] == "TRAIN", "")
    bends = rows[KEYS].merge(old, how="left", on=KEYS)["bend_gb"].fillna(0).to_numpy()
    rows = rows[(bends == 0) | (rows["input_mb"] <= 1e3 * bends)]
    # One size does not show the growth.
    new = fit(rows[rows.groupby(KEYS)["spots"].transform("nunique") > 1])
    new = new.merge(old[[*KEYS, *BENDS]], how="left", on=KEYS).fillna({"bend_gb": 0.0, "beyond": 1.0})
    table = pd.concat([old, new]).drop_duplicates(KEYS, keep="last")
    table.sort_values(
        KEYS, key=lambda column: column if column.name == "method" else column == "TRAIN", kind="stable"
    ).to_csv(out, index=False)
    click.echo(out.read_text())


if __name__ == "__main__":
    main()
