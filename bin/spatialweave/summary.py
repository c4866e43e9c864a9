"""Tables of a whole run: what was run, what it cost, how good it is, and where the files are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.embeddings import read_training_record

RUN_KEYS = ["dataset", "method", "seed"]
RUN_COLUMNS = [*RUN_KEYS, "status", "epochs", "seconds", "peak_rss_mb", "peak_gpu_mb"]
METRIC_COLUMNS = [*RUN_KEYS, "clustering", "n_domains", "metric", "value"]
ALIGNMENT_COLUMNS = [*RUN_KEYS, "section_a", "section_b", "metric", "value"]


def read_json(path: Path) -> Any:
    """Read a JSON file; one that is not JSON is an InputError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(str(path), f"is not readable JSON ({error})") from error


def read_planned(path: Path) -> list[dict[str, Any]]:
    """Read the list of planned runs; anything but dataset, method and seed of each is an InputError."""
    planned = read_json(path)
    if not isinstance(planned, list):
        raise InputError(str(path), f"holds {type(planned).__name__}", "a list of runs")
    for number, run in enumerate(planned, start=1):
        if not isinstance(run, dict) or not {*RUN_KEYS} <= {*run} or type(run["seed"]) is not int:
            raise InputError(
                f"{path}, run {number}", f"is {json.dumps(run)[:100]}", "dataset, method and seed of a run"
            )
    return planned


def runs_table(
    planned: list[dict[str, Any]], embeddings: Iterable[Path], failures: list[dict[str, Any]]
) -> pd.DataFrame:
    """One row per planned run: its status and what its training took.

    Parameters
    ----------
    planned
        One record per run with `dataset`, `method` and `seed`.
    embeddings
        The embedding files that came about.
    failures
        One record per failed step, `method` is "" where it serves all methods; a run with one is `failed` even when
        its embedding exists.

    Returns
    -------
    Columns :data:`RUN_COLUMNS`; status is "completed" or "failed"; seconds and memory are those of the training,
    empty where it failed.
    """
    records = {_key(record): record for record in map(read_training_record, embeddings)}
    # A step that serves all methods names none; the runs that lack it have no embedding.
    failed = {_key(failure) for failure in failures if failure["method"]}
    rows = []
    for run in planned:
        key = _key(run)
        record = records.get(key, {})
        status = "completed" if record and key not in failed else "failed"
        rows.append({**dict(zip(RUN_KEYS, key, strict=True)), "status": status, **_costs(record)})
    return pd.DataFrame(rows, columns=RUN_COLUMNS).sort_values(RUN_KEYS, ignore_index=True)


def _key(record: dict[str, Any]) -> tuple[str, str, int]:
    return str(record["dataset"]), str(record["method"]), int(record["seed"])


def _costs(record: dict[str, Any]) -> dict[str, Any]:
    return {name: record.get(name) for name in ("epochs", "seconds", "peak_rss_mb", "peak_gpu_mb")}


def joined_table(files: Iterable[Path], columns: list[str]) -> pd.DataFrame:
    """The tables of all runs as one, with these columns, ordered by all of them but the value."""
    tables = []
    for file in files:
        try:
            tables.append(pd.read_csv(file)[columns])
        except (OSError, ValueError, KeyError) as error:
            expected = "columns " + ", ".join(columns)
            raise InputError(str(file), f"is not a readable table ({error})", expected) from error
    if not tables:
        return pd.DataFrame(columns=columns)
    keys = [column for column in columns if column not in ("clustering", "n_domains", "value")]
    return pd.concat(tables, ignore_index=True).sort_values(keys, ignore_index=True)


def index_table(runs: pd.DataFrame) -> pd.DataFrame:
    """One row per run with the paths of its files, relative to the results folder; empty where it failed."""
    rows = []
    for run in runs.itertuples():
        done = run.status == "completed"
        rows.append(
            {
                "dataset": run.dataset,
                "method": run.method,
                "seed": run.seed,
                "status": run.status,
                "embedding": f"{run.dataset}/embeddings/{run.method}/seed{run.seed}.h5ad" if done else "",
                "domains": f"{run.dataset}/domains/{run.method}/seed{run.seed}.csv" if done else "",
                "integrated": f"{run.dataset}/integrated.h5mu",
                "report": f"{run.dataset}/report.html",
            }
        )
    columns = [*RUN_KEYS, "status", "embedding", "domains", "integrated", "report"]
    return pd.DataFrame(rows, columns=columns)
