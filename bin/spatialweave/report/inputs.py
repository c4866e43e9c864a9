"""Read what the stages before the report left behind; whatever is absent, because a run failed, stays empty."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.contract import read_h5ad, read_h5mu
from spatialweave.io.embeddings import training_record
from spatialweave.modalities import MODALITIES
from spatialweave.preprocess.common_features import shared_counts
from spatialweave.report.features import FeatureTable, log_normalise

if TYPE_CHECKING:
    import pandas as pd

RUN_FILE = re.compile(r"^(?P<method>.+)\.seed(?P<seed>\d+)\.(?P<kind>h5ad|domains\.csv|clustering\.json|metrics\.csv)$")

DENOISED = "denoised_"
"""What the obsm keys of an embedding's denoised modalities begin with."""


@dataclass
class Run:
    """One method with one seed, as far as it came.

    Attributes
    ----------
    domains
        Domain name per spot in the order of :class:`Spots`, "" = none.
    training
        The embedding's uns['training'].
    embedding
        float32, spots x dimensions.
    extras
        What else the method says about the spots, as tables by name.
    denoised
        Per modality a table of features that the method rebuilt.
    """

    method: str
    seed: int
    domains: list[str] | None = None
    clustering: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    embedding: np.ndarray | None = None
    extras: dict[str, pd.DataFrame] = field(default_factory=dict)
    denoised: dict[str, pd.DataFrame] = field(default_factory=dict)


@dataclass
class Spots:
    """The spots of a dataset in the order of its latents; `labels` is None where no spot has one."""

    names: pd.Index
    barcodes: list[str]
    sections: list[str]
    labels: list[str] | None
    coordinates: np.ndarray
    layout: str

    def stack(self) -> tuple[np.ndarray, list[str]]:
        """Section code of every spot (int32), and the sections' names by code in the order of the stack."""
        names = list(dict.fromkeys(self.sections))
        code_of = {name: code for code, name in enumerate(names)}
        return np.array([code_of[name] for name in self.sections], dtype=np.int32), names


@dataclass
class Section:
    """What the headline says about one section: its platform and the spots of each modality."""

    name: str
    platform: str
    spots: dict[str, int]
    features: dict[str, int]


def read_spots(latents: Path) -> tuple[Spots, dict[str, Any]]:
    """The spots of a latents file, and per modality its preprocessing record."""
    data = read_h5mu(latents, "latents")
    obs = data.obs
    barcodes = obs.get("barcode", obs.index)
    labels = _texts(obs["label"]) if "label" in obs else []
    record = {name: _json_text(data.mod[name].uns.get("preprocess", "{}")) for name in MODALITIES if name in data.mod}
    spots = Spots(
        names=obs.index,
        barcodes=_texts(barcodes),
        sections=_texts(obs["section"]),
        labels=labels if any(labels) else None,
        coordinates=np.asarray(data.obsm["spatial"], dtype=np.float64),
        layout=str(data.uns["spatialweave"].get("layout", "cells")),
    )
    return spots, record


def read_sections(paths: Sequence[Path], spots: Spots) -> tuple[list[Section], list[FeatureTable]]:
    """The sections' facts, and per modality the normalised counts of all spots (of the features all sections share)."""
    sections: list[Section] = []
    parts: dict[str, list[tuple[np.ndarray, Any]]] = {}
    row_of = {pair: row for row, pair in enumerate(zip(spots.sections, spots.barcodes, strict=True))}
    for path in paths:
        data = read_h5mu(path, "section")
        facts = data.uns["spatialweave"]
        name = str(facts.get("section", path.name.split(".")[0]))
        present = [key for key in MODALITIES if key in data.mod]
        sections.append(
            Section(
                name,
                str(facts.get("platform", "")),
                {key: data.mod[key].n_obs for key in present},
                {key: data.mod[key].n_vars for key in present},
            )
        )
        for key in present:
            rows = np.array([row_of.get((name, str(barcode)), -1) for barcode in data.mod[key].obs_names], dtype=int)
            parts.setdefault(key, []).append((rows, data.mod[key]))
    tables = [_join(key, parts[key], len(spots.barcodes)) for key in MODALITIES if key in parts]
    return sections, tables


def _join(modality: str, parts: list[tuple[np.ndarray, Any]], n_spots: int) -> FeatureTable:
    """Stack the sections' counts of one modality in the order of the spots, on features as preprocessing joins them."""
    from scipy import sparse

    matrices = [sparse.csr_matrix(table.X) for _, table in parts]
    names, counts = shared_counts(modality, [table.var_names for _, table in parts], matrices)
    rows = np.concatenate([rows for rows, _ in parts])
    kept = np.flatnonzero(rows >= 0)
    present = np.zeros(n_spots, dtype=bool)
    present[rows[kept]] = True
    ones = np.ones(len(kept), dtype=np.float32)
    place = sparse.csr_matrix((ones, (rows[kept], kept)), shape=(n_spots, len(rows)))
    return FeatureTable(modality, [str(name) for name in names], log_normalise(place @ counts), present)


def read_runs(embeddings: Path | None, domains: Path | None, spots: Spots) -> list[Run]:
    """All runs of which an embedding or domains exist, by method and seed.

    Raises
    ------
    InputError
        When an embedding holds other spots than the latents.
    """
    runs: dict[tuple[str, int], Run] = {}
    for folder in (embeddings, domains):
        for path, method, seed, kind in run_files(folder):
            run = runs.setdefault((method, seed), Run(method, seed))
            if kind == "h5ad":
                _read_embedding(path, spots, run)
            elif kind == "domains.csv":
                run.domains = _read_domains(path, spots)
            elif kind == "clustering.json":
                run.clustering = read_json(path, {})
    return [runs[key] for key in sorted(runs)]


def run_files(folder: Path | None) -> list[tuple[Path, str, int, str]]:
    """The files `<method>.seed<k>.<kind>` of a folder as (path, method, seed, kind), without those of no length."""
    found = []
    for path in sorted(folder.rglob("*")) if folder is not None and folder.is_dir() else []:
        match = RUN_FILE.match(path.name)
        if match and path.is_file() and path.stat().st_size:
            found.append((path, match["method"], int(match["seed"]), match["kind"]))
    return found


def _read_embedding(path: Path, spots: Spots, run: Run) -> None:
    import pandas as pd

    data = read_h5ad(path, "embedding")
    if not data.obs_names.equals(spots.names):
        raise InputError(str(path), "its spots are not those of the latents", fix="train again on these latents")
    run.training, run.embedding = training_record(data), np.asarray(data.X, dtype=np.float32)
    tables = {key: value for key, value in data.obsm.items() if isinstance(value, pd.DataFrame)}
    run.extras = {key: table for key, table in tables.items() if not key.startswith(DENOISED)}
    run.denoised = {name: tables[DENOISED + name] for name in MODALITIES if DENOISED + name in tables}


def _read_domains(path: Path, spots: Spots) -> list[str]:
    table = read_table(path, ("barcode", "section", "domain"))
    keys = zip(table["section"], table["barcode"], strict=True)
    domain_of = dict(zip(keys, table["domain"], strict=True))
    return [domain_of.get(key, "") for key in zip(spots.sections, spots.barcodes, strict=True)]


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV as text ("" for empty cells) and check that it has `columns`."""
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputError(str(path), f"is not a readable CSV file ({error})") from error
    missing = [column for column in columns if column not in table]
    if missing:
        raise InputError(str(path), f"has no column '{missing[0]}'", "columns " + ", ".join(columns))
    return table


METRIC_COLUMNS = ("dataset", "method", "seed", "clustering", "n_domains", "metric", "value")


def read_metrics(paths: Sequence[Path]) -> pd.DataFrame:
    """Metrics tables as one, with `seed` as int and `value` as float (NaN where not computed)."""
    import pandas as pd

    tables = [read_table(path, METRIC_COLUMNS)[list(METRIC_COLUMNS)] for path in paths if path.stat().st_size]
    empty = pd.DataFrame({column: pd.Series(dtype=str) for column in METRIC_COLUMNS})
    joined = pd.concat([empty, *tables], ignore_index=True)
    joined["seed"] = pd.to_numeric(joined["seed"]).astype(int)
    joined["value"] = pd.to_numeric(joined["value"], errors="coerce").astype(float)
    return joined


def read_json(path: Path | None, default: Any) -> Any:
    """A JSON file's content, `default` where there is none."""
    if path is None or not path.is_file() or not path.stat().st_size:
        return default
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(str(path), f"is not valid JSON ({error})") from error


def read_yaml(path: Path | None) -> dict[str, Any]:
    """A YAML file's mapping, empty where there is none."""
    import yaml

    if path is None or not path.is_file():
        return {}
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(str(path), f"is not valid YAML ({' '.join(str(error).split())})") from error
    return value if isinstance(value, dict) else {}


def read_presets(folder: Path | None) -> dict[str, dict[str, Any]]:
    """Per method its preset: title, summary, citation and doi are what the report uses."""
    if folder is None or not folder.is_dir():
        return {}
    return {path.stem: read_yaml(path) for path in sorted(folder.glob("*.y*ml"))}


def _texts(values: Any) -> list[str]:
    return ["" if value is None or value != value else str(value) for value in values]


def _json_text(text: Any) -> Any:
    try:
        return json.loads(str(text))
    except ValueError:
        return {}
