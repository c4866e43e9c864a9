"""Tables of a whole run of the pipeline: its runs, their costs and metrics, and the paths of the files."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.errors import InputError
from spatialweave.io.files import read_json
from spatialweave.io.result_table import ResultTable
from spatialweave.io.result_tables import COMPLETED, FAILED, INDEX, NOTICES, RUNS

if TYPE_CHECKING:
    import pandas as pd

RUN_KEYS = ["dataset", "method", "seed"]


def read_planned(path: Path) -> list[dict[str, Any]]:
    """Read the list of planned runs; anything but dataset, method and seed of each is an InputError."""
    planned = read_json(path)
    if not isinstance(planned, list):
        raise InputError(str(path), f"holds {type(planned).__name__}", "a list of runs")
    return [_checked_run(f"{path}, run {number}", run) for number, run in enumerate(planned, start=1)]


def read_record(path: Path) -> dict[str, Any]:
    """Read the record of one training, with its dataset; a record that does not name a run is an InputError."""
    return _checked_run(str(path), read_json(path))


def _checked_run(where: str, run: Any) -> dict[str, Any]:
    if not isinstance(run, dict) or not {*RUN_KEYS} <= {*run} or type(run["seed"]) is not int:
        raise InputError(where, f"is {json.dumps(run)[:100]}", "dataset, method and seed of a run")
    return run


def runs_table(
    planned: list[dict[str, Any]],
    trainings: Iterable[dict[str, Any]],
    failures: list[dict[str, Any]],
    metrics: pd.DataFrame,
) -> pd.DataFrame:
    """Return one row per planned run: its status, and the time and memory of its training.

    Parameters
    ----------
    planned
        One record per run with `dataset`, `method` and `seed`.
    trainings
        The records of the trainings that completed.
    failures
        One record per failed step; `method` is "" if the step serves all methods. A run with a failed step is
        `failed` even if it was trained.
    metrics
        The metrics of all runs. A run without any is `failed`: it has no domains, e.g. since the number of domains of
        its dataset could not be chosen.

    Returns
    -------
    The table :data:`~spatialweave.io.result_tables.RUNS`; status is "completed" or "failed"; seconds and memory are
    those of the training, empty where it failed.
    """
    records = {_key(record): record for record in trainings}
    evaluated = set(metrics[RUN_KEYS].itertuples(index=False, name=None))
    # A failed step without a method needs no entry, since the runs that need it were not trained or not evaluated.
    failed = {_key(failure) for failure in failures if failure["method"]}
    rows = []
    for run in planned:
        key = _key(run)
        record = records.get(key, {})
        status = COMPLETED if record and key in evaluated and key not in failed else FAILED
        rows.append({**dict(zip(RUN_KEYS, key, strict=True)), "status": status, **_costs(record)})
    return RUNS.frame(rows).sort_values(RUN_KEYS, ignore_index=True)


def _key(record: dict[str, Any]) -> tuple[str, str, int]:
    return str(record["dataset"]), str(record["method"]), int(record["seed"])


def _costs(record: dict[str, Any]) -> dict[str, Any]:
    return {name: record.get(name) for name in ("epochs", "seconds", "peak_rss_mb", "peak_gpu_mb")}


def joined_table(kind: ResultTable, files: Iterable[Path]) -> pd.DataFrame:
    """Read the tables of all runs as one, ordered by run, sections and metric."""
    keys = [column for column in kind.columns if column not in ("clustering", "n_domains", "value")]
    return kind.read_all(files).sort_values(keys, ignore_index=True)


def read_notices(path: Path) -> pd.DataFrame:
    """Read the list of the warnings of all tasks; anything but process, task and notice of each is an InputError."""
    content = read_json(path)
    wrong = not isinstance(content, list) or any(
        not isinstance(row, dict) or any(not isinstance(row.get(name), str) for name in NOTICES.columns)
        for row in content
    )
    if wrong:
        raise InputError(str(path), "is not a list of notices", "process, task and notice of each")
    return NOTICES.frame(content)


def read_written(path: Path) -> list[str]:
    """Read the list of the paths of integrated files and dataset reports; anything else is an InputError."""
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
        raise InputError(str(path), "is not a list of paths", "paths of integrated files and dataset reports")
    return content


def index_table(runs: pd.DataFrame, written: Iterable[str]) -> pd.DataFrame:
    """Return one row per run with the paths of its files, relative to the results folder; empty where it failed.

    Parameters
    ----------
    runs
        The table :data:`~spatialweave.io.result_tables.RUNS`.
    written
        The paths of the integrated files and reports of datasets; those that are not among them are left empty.
    """
    found = set(written)
    rows = []
    for run in runs.itertuples():
        done = run.status == COMPLETED
        paths = (f"{run.dataset}/{name}" for name in ("integrated.h5mu", "report.html"))
        integrated, report = (path if path in found else "" for path in paths)
        rows.append(
            {
                "dataset": run.dataset,
                "method": run.method,
                "seed": run.seed,
                "status": run.status,
                "embedding": f"{run.dataset}/embeddings/{run.method}/seed{run.seed}.h5ad" if done else "",
                "domains": f"{run.dataset}/domains/{run.method}/seed{run.seed}.csv" if done else "",
                "integrated": integrated,
                "report": report,
            }
        )
    return INDEX.frame(rows)
