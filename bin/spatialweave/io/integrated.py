"""The integrated file of a dataset, which ASSEMBLE writes and which EXPORT and users read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.contract import read_without_counts
from spatialweave.io.files import FILE_NAME
from spatialweave.io.joined_counts import counts_of_spots
from spatialweave.io.run_names import run_id
from spatialweave.io.stage_checks import AGAIN, check_graph, check_table
from spatialweave.io.stored_counts import StoredCounts
from spatialweave.io.tissue_image import TissueImage, images_of

if TYPE_CHECKING:
    import mudata

RUNS = "runs"
"""The uns key of the list of runs."""

PARAMETERS, VERSIONS = "parameters", "versions"
"""The uns keys of the run's parameters and of the versions of its software, as JSON text."""

LABEL = "label"
"""The obs column of the known domains."""

COLOUR = re.compile("#[0-9A-Fa-f]{6}")


@dataclass(frozen=True)
class IntegratedRun:
    """One run in an integrated file."""

    method: str
    seed: int

    @property
    def key(self) -> str:
        """Obs column of its domains, and ending of its other keys, e.g. "smart_1"."""
        return f"{self.method}_{self.seed}"

    @property
    def names_key(self) -> str:
        """Obs column with the names of its domains, if any has a name."""
        return f"{self.key}_name"

    @property
    def pseudotime_key(self) -> str:
        """The obs column with the pseudotime of its spots, where there is one."""
        return f"{self.key}_pseudotime"

    @property
    def embedding_key(self) -> str:
        """The obsm key of its embedding."""
        return f"X_{self.key}"

    @property
    def umap_key(self) -> str:
        """The obsm key of the UMAP of its embedding."""
        return f"X_umap_{self.key}"

    @property
    def confidence_key(self) -> str:
        """The obsm key of the table with the confidence of a consensus."""
        return f"confidence_{self.key}"

    @property
    def id(self) -> str:
        """Name of its files, e.g. "smart.seed1"."""
        return run_id(self.method, self.seed)


@dataclass
class Integrated:
    """The content of an integrated file.

    Attributes
    ----------
    data
        Everything but the X of the modalities.
    counts
        X of each modality, on disk.
    runs
        Runs with domains or an embedding. The domains of a run are the categories of `data.obs[run.key]`.
    images
        Images of the tissue, by section, of the sections that have one.
    """

    data: mudata.MuData
    counts: dict[str, StoredCounts]
    runs: list[IntegratedRun]
    images: dict[str, TissueImage] = field(default_factory=dict)

    @property
    def classes(self) -> list[str]:
        """Obs columns with classes of spots: labels, domains of each run and their names, where present."""
        of_runs = [key for run in self.runs for key in (run.key, run.names_key)]
        return [key for key in (LABEL, *of_runs) if key in self.data.obs]


def colour_key(column: str) -> str:
    """Return the uns key of the colours of an obs column's categories, as in scanpy and squidpy."""
    return f"{column}_colors"


def runs_text(runs: Sequence[IntegratedRun]) -> str:
    """Return the list of runs as JSON text for uns."""
    return json.dumps([asdict(run) for run in runs])


def read_integrated(path: Path) -> Integrated:
    """Read an integrated file and check everything that an export relies on.

    Raises
    ------
    InputError
        When a check fails; names the file and the slot.
    """
    data = read_without_counts(path, "integrated")
    counts = counts_of_spots(path, data)
    for stored in counts.values():
        stored.check_all()
    check_graph(path, data)
    spots = pd.MultiIndex.from_frame(data.obs[["section", "barcode"]].astype(str))
    if not spots.is_unique:
        section, barcode = spots[spots.duplicated()][0]
        raise InputError(f"{path}, obs", f"barcode '{barcode}' occurs twice in section '{section}'", "once", AGAIN)
    content = Integrated(data, counts, _read_runs(path, data.uns.get(RUNS)), images_of(str(path), data.uns))
    for name in (*data.obs["section"].astype(str).unique(), *(run.method for run in content.runs)):
        if not FILE_NAME.fullmatch(name):
            raise InputError(str(path), f"'{name}' cannot be in the name of a file", "letters, digits, . _ -", AGAIN)
    for key in (run.embedding_key for run in content.runs if run.embedding_key in data.obsm):
        check_table(f"{path}, obsm['{key}']", data.obsm[key], data.n_obs, "spot")
    for column in content.classes:
        _check_classes(path, data, column)
    return content


def _read_runs(path: Path, text: Any) -> list[IntegratedRun]:
    try:
        runs = [IntegratedRun(str(entry["method"]), int(entry["seed"])) for entry in json.loads(str(text))]
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}, uns['{RUNS}']", f"is not a list of runs ({error})", fix=AGAIN) from error
    return runs


def _check_classes(path: Path, data: mudata.MuData, column: str) -> None:
    """Refuse classes that are not categories with one colour each."""
    if not isinstance(data.obs[column].dtype, pd.CategoricalDtype):
        raise InputError(f"{path}, obs['{column}']", "is not categorical", "a category per domain", AGAIN)
    colours = data.uns.get(colour_key(column), ())
    n_classes = len(data.obs[column].cat.categories)
    if isinstance(colours, str) or [bool(COLOUR.fullmatch(str(colour))) for colour in colours] != [True] * n_classes:
        where = f"{path}, uns['{colour_key(column)}']"
        raise InputError(where, "is not a list of one colour per class", f"{n_classes} colours like #0072B2", AGAIN)
