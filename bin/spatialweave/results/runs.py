"""The runs of a dataset, read from their files; files missing after a failed run leave empty values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.embeddings import DENOISED, LONG_RANGE, MATCHED_RUNS, read_embedding, training_record
from spatialweave.io.files import read_json
from spatialweave.io.result_tables import DIFFERENCES, METRICS
from spatialweave.io.run_names import run_id, split_file_name
from spatialweave.io.spot_tables import read_domains
from spatialweave.modalities import MODALITIES
from spatialweave.results.spots import DatasetSpots

if TYPE_CHECKING:
    import pandas as pd

RUN_FILES = ("h5ad", "domains.csv", "clustering.json", "metrics.csv")
"""Endings of the files of a run, after its id."""


@dataclass
class MethodRun:
    """Files of one method with one seed.

    Attributes
    ----------
    domains
        int64 from 1, one per spot in the order of :class:`DatasetSpots`.
    clustering
        The record of CLUSTER (clustering.json).
    training
        The embedding's uns['training'].
    embedding
        float32, spots x dimensions.
    extras
        Further per-spot outputs of the method, as tables by name.
    denoised
        For each modality a table of features that the method reconstructed.
    matched_runs
        For the consensus: the domain of each run at each spot, renumbered to match; 0 = none.
    """

    method: str
    seed: int
    domains: np.ndarray | None = None
    clustering: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    embedding: np.ndarray | None = None
    extras: dict[str, pd.DataFrame] = field(default_factory=dict)
    denoised: dict[str, pd.DataFrame] = field(default_factory=dict)
    matched_runs: pd.DataFrame | None = None

    @property
    def id(self) -> str:
        """Name of its files, e.g. "smart.seed1"."""
        return run_id(self.method, self.seed)


def read_runs(files: Path | None, spots: DatasetSpots, embeddings_of: Sequence[str] | None = None) -> list[MethodRun]:
    """Read all runs that have an embedding or domains, by method and seed.

    Parameters
    ----------
    embeddings_of
        Methods whose embeddings are read; None: all.

    Raises
    ------
    InputError
        When an embedding or domains have other spots than the latents.
    """
    runs: dict[tuple[str, int], MethodRun] = {}
    for path, method, seed, kind in run_files(files):
        left_out = kind == "h5ad" and embeddings_of is not None and method not in embeddings_of
        if kind == "metrics.csv" or left_out:
            continue
        run = runs.setdefault((method, seed), MethodRun(method, seed))
        if kind == "h5ad":
            _read_embedding(path, spots, run)
        elif kind == "domains.csv":
            run.domains = read_domains(path, spots.obs)
        else:
            run.clustering = read_json(path)
    return [runs[key] for key in sorted(runs)]


def run_files(folder: Path | None) -> list[tuple[Path, str, int, str]]:
    """Return the non-empty files of runs in a folder as (path, method, seed, one of :data:`RUN_FILES`)."""
    found = []
    for path in sorted(folder.rglob("*")) if folder is not None and folder.is_dir() else []:
        run = split_file_name(path.name)
        if run and run[2] in RUN_FILES and path.is_file() and path.stat().st_size:
            found.append((path, *run))
    return found


def _read_embedding(path: Path, spots: DatasetSpots, run: MethodRun) -> None:
    import pandas as pd

    data = read_embedding(path, spots.obs.index)
    run.training, run.embedding = training_record(data), np.asarray(data.X, dtype=np.float32)
    tables = {key: value for key, value in data.obsm.items() if isinstance(value, pd.DataFrame)}
    run.matched_runs = tables.pop(MATCHED_RUNS, None)
    run.extras = {key: table for key, table in tables.items() if not key.startswith(DENOISED) and key != LONG_RANGE}
    run.denoised = {name: tables[DENOISED + name] for name in MODALITIES if DENOISED + name in tables}


def read_methods(files: Path | None) -> list[str]:
    """Read the methods of the run in the order in which they were given (methods.json); none if there is no file.

    Raises
    ------
    InputError
        When the file is not a list of names.
    """
    path = files / "methods.json" if files is not None else None
    if path is None or not path.is_file():
        return []
    content = read_json(path)
    if not isinstance(content, list) or not all(isinstance(name, str) for name in content):
        raise InputError(str(path), "is not a list of names", "the methods of the run")
    return content


def read_metrics(files: Path | None, dataset: str) -> pd.DataFrame:
    """Read the metrics of all runs of a dataset (table :data:`~spatialweave.io.result_tables.METRICS`)."""
    table = METRICS.read_all(path for path, _, _, kind in run_files(files) if kind == "metrics.csv")
    return table[table["dataset"] == dataset]


def read_differences(files: Path | None) -> pd.DataFrame:
    """Read the differences between the methods of a dataset (table DIFFERENCES); without rows if there is no file."""
    found = sorted(files.rglob("*.differences.csv")) if files is not None and files.is_dir() else []
    return DIFFERENCES.read_all(path for path in found if path.stat().st_size)
