"""Read the files of the stages before the report; files missing after a failed run leave empty values."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.count_matrix import numbered, stored_blocks
from spatialweave.io.dataset import open_latents
from spatialweave.io.dataset import read_spots as read_spots_only
from spatialweave.io.embeddings import DENOISED, LONG_RANGE, MATCHED_RUNS, read_embedding, training_record
from spatialweave.io.files import read_json
from spatialweave.io.joined_counts import SectionSize, read_joined_counts, read_stored_counts
from spatialweave.io.result_tables import DIFFERENCES, METRICS
from spatialweave.io.run_names import run_id, split_file_name
from spatialweave.io.spot_tables import read_domains
from spatialweave.io.tissue_image import TissueImage, images_of
from spatialweave.modalities import MODALITIES
from spatialweave.presets import MethodPreset, read_preset
from spatialweave.report.features import LOG_COUNTS, FeatureTable, change_to, log_normalise, unit_of

if TYPE_CHECKING:
    import mudata
    import pandas as pd

RUN_FILES = ("h5ad", "domains.csv", "clustering.json", "metrics.csv")
"""Endings of the files of a run, after its id."""

Kind = TypeVar("Kind", list[Any], dict[str, Any])


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


@dataclass
class DatasetSpots:
    """Spots of a dataset in the order of its latents.

    Attributes
    ----------
    obs
        Index = unique spot names, columns `barcode` and `section`, as text.
    labels
        One per spot, "" = none; None if no spot has one.
    coordinates
        float64, spots x 2, platform units.
    """

    obs: pd.DataFrame
    labels: list[str] | None
    coordinates: np.ndarray
    layout: str

    def __len__(self) -> int:
        return len(self.obs)

    def stack(self) -> tuple[np.ndarray, list[str]]:
        """Return the section code of every spot (int32), and the section names by code in the order of the stack."""
        import pandas as pd

        codes, names = pd.factorize(self.obs["section"])
        return codes.astype(np.int32), names.tolist()


def read_spots(latents: Path) -> DatasetSpots:
    """Read the spots of a latents file."""
    dataset = read_spots_only(latents)
    labels = _texts(dataset.obs["label"]) if "label" in dataset.obs else []
    return DatasetSpots(
        obs=dataset.obs[["barcode", "section"]].astype(str),
        labels=labels if any(labels) else None,
        coordinates=dataset.coordinates,
        layout=dataset.layout,
    )


def read_preprocessing(latents: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Read the preprocessing record of each modality from latents files, by the name of their recipe."""
    from anndata.io import read_elem

    recipes = {}
    for path in latents:
        with open_latents(path) as file:
            records = {name: file[f"mod/{name}"].get("uns/preprocess") for name in MODALITIES if name in file["mod"]}
            recipes[str(read_elem(file["uns/spatialweave"]).get("recipe", ""))] = {
                name: {} if record is None else _json_text(read_elem(record)) for name, record in records.items()
            }
    return recipes


def read_counts(
    path: Path | None, spots: DatasetSpots
) -> tuple[list[SectionSize], list[FeatureTable], dict[str, TissueImage]]:
    """Read the sections before joining: normalised counts of all spots by modality, and images by section.

    All are empty if no file is given.

    Raises
    ------
    InputError
        When the file holds other spots than the latents.
    """
    if path is None:
        return [], [], {}
    data, sections = read_joined_counts(path)
    _check_same_spots(path, data, spots)
    tables = [_feature_table(name, data, spots) for name in MODALITIES if name in data.mod]
    return sections, tables, images_of(str(path), data.uns)


def _feature_table(modality: str, data: mudata.MuData, spots: DatasetSpots) -> FeatureTable:
    """Return the normalised counts of one modality in the order of the spots; empty rows for unmeasured spots.

    They are removed from `data`.
    """
    from scipy import sparse

    part = data.mod[modality]
    rows = spots.obs.index.get_indexer(part.obs_names)
    present = np.zeros(len(spots), dtype=bool)
    present[rows] = True
    names = [str(name) for name in part.var_names]
    values = sparse.csr_matrix(part.X)
    part.X = None
    # Copy only if it differs: with many spots a copy takes gigabytes.
    if not np.array_equal(rows, np.arange(len(spots))):
        ones = np.ones(len(rows), dtype=np.float32)
        values = sparse.csr_matrix((ones, (rows, np.arange(len(rows)))), shape=(len(spots), len(rows))) @ values
    unit = unit_of(modality, values, part.uns)
    # Normalise in place: with many spots a copy takes gigabytes.
    changed = log_normalise(values, copy=False) if unit == LOG_COUNTS else change_to(unit, values)(values)
    return FeatureTable(modality, names, changed, present, unit)


def read_features(
    path: Path | None, spots: DatasetSpots, wanted: Collection[tuple[str, str]]
) -> tuple[list[SectionSize], dict[tuple[str, str], np.ndarray]]:
    """Read the sections before joining, and the values of some features at all spots, NaN if not measured.

    The values are those of :func:`read_counts`, but only a block of spots is in memory at a time. Both are empty if no
    file is given.

    Parameters
    ----------
    wanted
        Modality and name of features; unmeasured ones are left out.

    Raises
    ------
    InputError
        When the file holds other spots than the latents.
    """
    if path is None:
        return [], {}
    data, counts, sections = read_stored_counts(path)
    _check_same_spots(path, data, spots)
    found: dict[tuple[str, str], np.ndarray] = {}
    for modality, part in data.mod.items():
        names = [name for name in dict.fromkeys(wanted) if name[0] == modality and name[1] in part.var_names]
        if names:
            change = change_to(unit_of(modality, counts[modality], part.uns), counts[modality])
            columns = part.var_names.get_indexer([name for _, name in names])
            values = np.full((len(spots), len(names)), np.nan, dtype=np.float32)
            rows = spots.obs.index.get_indexer(part.obs_names)
            for start, block in numbered(stored_blocks(counts[modality])):
                values[rows[start : start + block.shape[0]]] = change(block)[:, columns].toarray()
            found |= dict(zip(names, values.T, strict=True))
    return sections, found


def _check_same_spots(path: Path, data: mudata.MuData, spots: DatasetSpots) -> None:
    if not data.obs_names.equals(spots.obs.index):
        raise InputError(str(path), "its spots are not those of the latents", fix="preprocess again")


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


def read_failures(path: Path | None) -> list[dict[str, Any]]:
    """Read the failures of the run, one record per failed step; empty if there is no file."""
    return [] if path is None else _read_json(path, list, "a list of failures")


def read_left_out(path: Path | None) -> list[dict[str, Any]]:
    """Read the methods that were not run on a dataset, with the reason; empty if there is no file."""
    return [] if path is None else _read_json(path, list, "a list of methods that were left out")


def read_params(path: Path | None) -> dict[str, Any]:
    """Read the parameters of the run; empty if there is no file."""
    return {} if path is None else _read_json(path, dict, "names and values")


def _read_json(path: Path, kind: type[Kind], expected: str) -> Kind:
    value = read_json(path)
    if not isinstance(value, kind):
        raise InputError(str(path), f"holds {type(value).__name__}", expected)
    return value


def read_versions(path: Path | None) -> dict[str, Any]:
    """Read software versions: names to versions, or processes to such mappings; empty if there is no file."""
    import yaml

    if path is None or not path.is_file():
        return {}
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(str(path), f"is not valid YAML ({' '.join(str(error).split())})") from error
    return value if isinstance(value, dict) else {}


def read_presets(folder: Path | None) -> dict[str, MethodPreset]:
    """Read the methods' presets by name; the report uses their title, summary, citation and DOI."""
    if folder is None or not folder.is_dir():
        return {}
    return {path.stem: read_preset(path) for path in sorted(folder.glob("*.yml"))}


def _texts(values: Any) -> list[str]:
    return ["" if value is None or value != value else str(value) for value in values]


def _json_text(text: Any) -> Any:
    try:
        return json.loads(str(text))
    except ValueError:
        return {}
