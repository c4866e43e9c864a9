"""Files of a dataset that CHARACTERISE reads: for the run that the report shows first, the consensus and named runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError
from spatialweave.graphs.lattice import square_lattice
from spatialweave.graphs.matrices import symmetrise
from spatialweave.io.contract import CARRIED
from spatialweave.io.dataset import Dataset, read_dataset
from spatialweave.io.embeddings import MATCHED_RUNS, read_embedding
from spatialweave.io.graph_file import read_spatial_graph
from spatialweave.io.joined_counts import SectionSize, read_stored_counts
from spatialweave.io.notices import warn
from spatialweave.io.result_tables import WEAVE
from spatialweave.io.run_names import RunKey
from spatialweave.io.spot_tables import read_domains
from spatialweave.io.stage_checks import check_same_spots
from spatialweave.io.stored_counts import StoredCounts
from spatialweave.results.first_run import first_run
from spatialweave.results.runs import MethodRun, read_methods, read_metrics, run_files
from spatialweave.results.sightings import others_of, seen_by_runs

if TYPE_CHECKING:
    import anndata
    import mudata
    import pandas as pd
    from scipy import sparse


LABEL = "label"

AGREEMENT = "agreement"
"""Name of the statistic in the structure table: fraction of the other runs that place a spot in the same domain."""

CONFIDENCE, WEIGHTS = "confidence", "modality_weights"
"""obsm keys of embeddings whose means by domain are reported."""


@dataclass(frozen=True)
class CharacterisedRun:
    """Run to characterise.

    Attributes
    ----------
    codes
        Domain of every spot, from 0.
    embedding
        float32, spots x dimensions; None if the run has none.
    per_spot
        Name -> further values of each spot, e.g. ``confidence``, ``agreement`` with the other runs, ``weight_rna``.
    member
        For a consensus, whose embedding separates the domains: id and embedding of the run that agrees with it most.
    """

    id: str
    codes: np.ndarray
    embedding: np.ndarray | None
    per_spot: dict[str, np.ndarray]
    member: tuple[str, np.ndarray] | None = None

    @property
    def continuous(self) -> tuple[str, np.ndarray] | None:
        """Id and embedding of a run in which domains can merge into each other; None if there is none."""
        return self.member or (None if self.embedding is None else (self.id, self.embedding))

    @property
    def n_domains(self) -> int:
        """Number of domains."""
        return int(self.codes.max()) + 1


@dataclass(frozen=True)
class Characterised:
    """Contents of a dataset's files.

    Attributes
    ----------
    graph
        Undirected spatial graph over all spots.
    columns
        Name -> class of every spot: its known label, and the user's own columns.
    """

    dataset: Dataset
    sections: list[SectionSize]
    graph: sparse.csr_matrix
    columns: dict[str, np.ndarray]
    runs: list[CharacterisedRun]

    @cached_property
    def places(self) -> dict[str, np.ndarray | None]:
        """Section -> column and row of every spot on a square grid; None without such a grid."""
        rows = self.dataset.section_rows()
        return {name: square_lattice(self.dataset.coordinates[own]) for name, own in rows.items()}


def read_sources(files: Path, runs: Sequence[str]) -> tuple[Characterised, mudata.MuData, dict[str, StoredCounts]]:
    """Read the files of a dataset, its joined raw counts without X, and the counts of each modality on disk.

    Parameters
    ----------
    files
        Folder with one ``*.counts.h5mu``, ``*.latents.h5mu``, ``graph.h5ad``, and for each run
        ``<method>.seed<k>.h5ad``, ``.domains.csv`` and ``.metrics.csv``.
    runs
        Ids of further runs, e.g. ``smart.seed1``, after the run that the report shows first and the consensus, if there
        is one. Runs that the dataset does not have are left out with a notice.

    Raises
    ------
    InputError
        When a file is missing or has other spots, or no run has domains.
    """
    counts_file = _one(files, "*.counts.h5mu")
    # The counts have the recipe of the first method; the "latents" of other recipes may be e.g. raw counts.
    own = files / counts_file.name.replace(".counts.", ".latents.")
    dataset = read_dataset(own if own.exists() else _one(files, "*.latents.h5mu"))
    counts, stored, sections = read_stored_counts(counts_file)
    check_same_spots(counts_file, counts.obs_names, dataset.obs.index, "preprocess again")
    found = list(_runs(files, dataset))
    chosen = _chosen(files, dataset, found, runs)
    codes = {(run.method, run.seed): run.domains - 1 for run in found if run.domains is not None}
    sources = Characterised(
        dataset,
        sections,
        symmetrise(read_spatial_graph(_one(files, "graph.h5ad"), dataset.obs.index)),
        _columns(counts, dataset),
        [_run(files, dataset, run, found, codes) for run in chosen],
    )
    return sources, counts, stored


def _one(files: Path, pattern: str) -> Path:
    found = sorted(files.glob(pattern))
    if not found:
        raise InputError(str(files), f"holds no {pattern} file", fix="pass the folder of a dataset's files")
    return found[0]


def _runs(files: Path, dataset: Dataset) -> Iterator[MethodRun]:
    """Yield the runs that have domains; only the embedding of the consensus is read, for its members."""
    for path, method, seed, kind in run_files(files):
        if kind == "domains.csv":
            run = MethodRun(method, seed, read_domains(path, dataset.obs))
            if method == WEAVE and (embedding := _embedding(files, dataset, run)) is not None:
                run.matched_runs = embedding.obsm.get(MATCHED_RUNS)
            yield run


def _chosen(files: Path, dataset: Dataset, found: list[MethodRun], wanted: Sequence[str]) -> list[MethodRun]:
    by_id = {run.id: run for run in found}
    for name in wanted:
        if name not in by_id:
            warn("--run", f"dataset {dataset.name} has no run {name} with domains; it is left out")
    _, first = first_run(found, read_metrics(files, dataset.name), read_methods(files))
    if first is None:
        raise InputError(str(files), "no run has domains", "<method>.seed<k>.domains.csv with its metrics")
    woven = [run.id for run in found if run.method == WEAVE]
    return [by_id[name] for name in dict.fromkeys([found[first].id, *woven, *wanted]) if name in by_id]


def _embedding(files: Path, dataset: Dataset, run: MethodRun) -> anndata.AnnData | None:
    path = files / f"{run.id}.h5ad"
    if not path.exists():
        return None
    return read_embedding(path, dataset.obs.index, keys=[MATCHED_RUNS, CONFIDENCE, WEIGHTS])


def _run(
    files: Path, dataset: Dataset, run: MethodRun, found: list[MethodRun], codes: Mapping[RunKey, np.ndarray]
) -> CharacterisedRun:
    """Read a run of those that were `found`; `codes` are the domains of all of them, from 0."""
    embedding = _embedding(files, dataset, run)
    per_spot: dict[str, np.ndarray] = {}
    if embedding is not None and CONFIDENCE in embedding.obsm:
        per_spot[CONFIDENCE] = embedding.obsm[CONFIDENCE][CONFIDENCE].to_numpy()
    if embedding is not None and WEIGHTS in embedding.obsm:
        weights: pd.DataFrame = embedding.obsm[WEIGHTS]
        per_spot |= {f"weight_{name}": weights[name].to_numpy() for name in weights}
    name = (run.method, run.seed)
    agreement = seen_by_runs(codes[name], others_of(name, codes)).agreement
    if agreement is not None:
        per_spot[AGREEMENT] = agreement
    values = None if embedding is None else np.asarray(embedding.X, dtype=np.float32)
    member = _closest(files, dataset, run, found) if run.method == WEAVE else None
    return CharacterisedRun(run.id, codes[name], values, per_spot, member)


def _closest(files: Path, dataset: Dataset, woven: MethodRun, found: list[MethodRun]) -> tuple[str, np.ndarray] | None:
    """Return the run joined by a consensus whose domains agree with it most, and its embedding."""
    from sklearn.metrics import adjusted_rand_score

    names = set() if woven.matched_runs is None else set(woven.matched_runs.columns)
    members = [run for run in found if run.id in names]
    members.sort(key=lambda run: -float(adjusted_rand_score(woven.domains, run.domains)))
    for run in members:
        embedding = _embedding(files, dataset, run)
        if embedding is not None:
            return run.id, np.asarray(embedding.X, dtype=np.float32)
    return None


def _columns(counts: mudata.MuData, dataset: Dataset) -> dict[str, np.ndarray]:
    """Return the label and the user's own columns of every spot as text; empty columns are left out."""
    columns = {}
    if LABEL in dataset.obs:
        columns[LABEL] = dataset.obs[LABEL].astype(object).fillna("").astype(str).to_numpy()
    for name in (name for name in counts.obs if name.startswith(CARRIED)):
        columns[name] = counts.obs[name].astype(object).fillna("").astype(str).to_numpy()
    return {name: values for name, values in columns.items() if (values != "").any()}
