#!/usr/bin/env python3
"""Build a table of docs/benchmarks.md from runs of the pipeline.

tables/<name>.json names the tissues and the parameters of each run. The parameters of COMMON apply to all runs: no spot
or feature is filtered, seeds 0 to 4. The simulated tissues, the samplesheet and the parameters are written to the
output folder, the pipeline runs on them, and the table is printed from its leaderboards. An interrupted run continues
where it stopped.

    make benchmark                                              # lists the tables
    make benchmark TABLE=agreement DATA=<folder of the real tissues>
    .venv/bin/python benchmarks/table.py agreement --tissues demo,layers --set seeds=2 --out results/benchmarks
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import tissues

from spatialweave import simulate

if TYPE_CHECKING:
    import pandas as pd

TABLES = Path(__file__).parent / "tables"
COMMON: dict[str, Any] = {
    "seed": 0, "seeds": 5, "weave": False, "export": "none",
    **dict.fromkeys(("qc_rna_min_counts", "qc_rna_min_features", "qc_adt_min_counts", "qc_atac_min_counts",
                     "qc_min_spots"), 0),
}  # fmt: skip
CONTROL = "pca_smooth"
BESIDE = 12
"""Number of methods above which they are rows of a table, not columns."""

MEASURES = {"mean": "ARI", "seconds": "Seconds of a training (wall time)", "peak_rss_mb": "Peak memory, MB"}
DIGITS = {"mean": 3, "seconds": 1, "peak_rss_mb": 0}
MARKS = {"better than the control": " ↑", "worse than the control": " ↓"}


@click.command(context_settings={"show_default": True})
@click.argument("name", required=False)
@click.option(
    "--data", type=click.Path(path_type=Path, exists=True), help="Folder of the real tissues; without: simulated."
)
@click.option("--out", type=click.Path(path_type=Path), default="results/benchmarks", help="Folder for everything.")
@click.option("--tissues", "wanted", help="Comma-separated names. [default: those of the table]")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="Change a parameter of all runs.")
def main(name: str | None, data: Path | None, out: Path, wanted: str | None, changes: tuple[str, ...]) -> None:
    """Run the pipeline for a table and print it; without a name, list the tables."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(TABLES.glob("*.json"))}
    if name not in found:
        click.echo("\n".join(f"{table:14} {content['title']}" for table, content in found.items()))
        sys.exit(f"there is no table '{name}'" if name else 0)
    table, folder = found[name], out.resolve() / name
    rows = wanted.split(",") if wanted else tissues.names(data) if table["tissues"] == "all" else table["tissues"]
    unknown = [row for row in rows if row not in tissues.names(data)]
    if unknown:
        raise click.UsageError(f"{unknown[0]}: not one of {', '.join(tissues.names(data))} (real ones need --data)")
    sheet = write_sheet(rows, data, folder)
    for variant, params in table["params"].items():
        run(variant, COMMON | params | dict(map(changed, changes)), sheet, folder)
    click.echo(f"\n{table['title']}: {date.today():%-d %B %Y}, commit {commit()}\n")
    boards = {variant: leaderboard(folder, variant) for variant in table["params"]}
    for measure, title in MEASURES.items():
        click.echo(f"{title}\n\n{markdown(boards, rows, measure)}\n")


def changed(change: str) -> tuple[str, Any]:
    """Parse NAME=VALUE, with the value as a number if it is one."""
    name, _, value = change.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def slug(name: str) -> str:
    """Convert the name of a tissue or variant to that of a dataset or folder."""
    return "".join(letter if letter.isalnum() else "_" for letter in name)


def write_sheet(rows: list[str], data: Path | None, folder: Path) -> Path:
    """Write the simulated tissues and the samplesheet."""
    records = []
    for name in rows:
        record: dict[str, Any] = {"dataset": slug(name)}
        if name in tissues.SIMULATED:
            preset, modalities, seed = tissues.SIMULATED[name]
            files = {one: folder / "tissues" / f"{slug(name)}_{one}.h5ad" for one in modalities.split(",")}
            options = {"--preset": preset, "--modalities": modalities, "--seed": seed, "--dataset": slug(name)}
            command = [sys.executable, tissues.ROOT / "bin" / "simulate.py", "--out-dir", folder / "tissues"]
            if not all(file.exists() for file in files.values()):
                subprocess.run(
                    [*map(str, command), *(str(word) for pair in options.items() for word in pair)], check=True
                )
            record |= files | {"labels": simulate.LABEL, "platform": "square"}
            record["n_domains"] = simulate.PRESETS[preset].n_domains
        else:
            paths, platform = tissues.REAL[name]
            assert data is not None
            files = {one: (data / path).resolve() for one, path in paths.items()}
            record |= files | {"labels": "domain", "platform": platform}
            record["n_domains"] = n_labels(next(iter(files.values())))
        records.append(record)
    folder.mkdir(parents=True, exist_ok=True)
    sheet = folder / "samplesheet.csv"
    with sheet.open("w", newline="") as file:
        table = csv.DictWriter(file, ["dataset", "rna", "adt", "atac", "labels", "platform", "n_domains"])
        table.writeheader()
        table.writerows(records)
    return sheet


def n_labels(path: Path) -> int:
    """Return the number of labels of a real tissue."""
    import anndata

    return int(anndata.read_h5ad(path, backed="r").obs["domain"].nunique())


def run(variant: str, params: dict[str, Any], sheet: Path, folder: Path) -> None:
    """Run the pipeline; all variants have the same work folder, so that common steps are computed once."""
    target = results(folder, variant)
    file = folder / f"params{'.' * bool(variant)}{slug(variant)}.json"
    file.write_text(json.dumps(params | {"input": str(sheet), "outdir": str(target)}, indent=2) + "\n")
    command = [
        tissues.ROOT / "nextflow",
        "run",
        tissues.ROOT,
        "-params-file",
        file,
        "-work-dir",
        folder / "work",
        "-resume",
    ]
    if (
        subprocess.run([str(word) for word in command], cwd=folder, check=False).returncode
        and not (target / "report.html").exists()
    ):
        sys.exit(f"the pipeline failed; {file} has its parameters")


def results(folder: Path, variant: str) -> Path:
    """Return the folder of the results of a variant."""
    return folder / f"results{'.' * bool(variant)}{slug(variant)}"


def leaderboard(folder: Path, variant: str) -> pd.DataFrame:
    """Return the scores of a variant by adjusted Rand index."""
    from spatialweave.io.result_tables import LEADERBOARD

    table = LEADERBOARD.read(results(folder, variant) / "benchmark" / "leaderboard.csv")
    return table[table["metric"] == "ari"]


def commit() -> str:
    """Return the commit of the code, marked if files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    return (
        subprocess.run(command, cwd=tissues.ROOT, capture_output=True, text=True, check=False).stdout.strip() or "none"
    )


def markdown(boards: dict[str, pd.DataFrame], rows: list[str], measure: str) -> str:
    """Return one measure of every method and variant on every tissue, and the mean over tissues.

    There is a row per tissue; with many methods, a row per method.
    """
    columns = {}
    for variant, board in boards.items():
        methods = list(dict.fromkeys(board["method"]))
        for method in sorted(methods, key=lambda one: (one != CONTROL, methods.index(one))):
            title = "control" if method == CONTROL else method
            own = board[board["method"] == method].set_index("dataset")
            columns[f"{title} {variant}".strip()] = own
    cells = [
        [_cell(own.loc[slug(name)], measure) if slug(name) in own.index else "" for own in columns.values()]
        for name in rows
    ]
    # A mean over fewer tissues would not be comparable.
    cells.append([_number(own[measure].mean(), measure) if len(own) == len(rows) else "" for own in columns.values()])
    table = [["tissue", *columns], *([name, *own] for name, own in zip([*rows, "mean"], cells, strict=True))]
    if len(columns) > BESIDE:
        table[0][0] = "method"
        table = [list(row) for row in zip(*table, strict=True)]
    head, *body = (f"| {' | '.join(row)} |" for row in table)
    return "\n".join([head, "|---" * len(table[0]) + "|", *body])


def _cell(row: pd.Series, measure: str) -> str:
    """Format the index with standard deviation; bold: better than every other method of its run; arrow: the verdict."""
    if measure != "mean":
        return _number(row[measure], measure)
    score = _number(row["mean"], measure) + (f" ± {row['sd']:.3f}" if row["sd"] == row["sd"] else "")
    return (f"**{score}**" if row["starred"] else score) + MARKS.get(str(row["verdict"]), "")


def _number(value: float, measure: str) -> str:
    return f"{value:.{DIGITS[measure]}f}" if value == value else ""


if __name__ == "__main__":
    main()
