"""Tables of CHARACTERISE, COHORT and ASSESS among the files of a dataset, as far as they exist."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spatialweave.io.result_table import ResultTable
from spatialweave.io.result_tables import (
    ABUNDANCE,
    BESIDE,
    COMPOSITION,
    EXPRESSION,
    GENE_SETS,
    MARKERS,
    MODALITY_VALUE,
    NAMES,
    NEIGHBOURHOODS,
    SAMPLES,
    STRUCTURE,
)

if TYPE_CHECKING:
    import pandas as pd

CHARACTERISED: dict[str, ResultTable] = {
    "markers": MARKERS,
    "structure": STRUCTURE,
    "neighbours": BESIDE,
    "composition": COMPOSITION,
    "names": NAMES,
    "gene_sets": GENE_SETS,
}

COHORT: dict[str, ResultTable] = {
    "samples": SAMPLES,
    "abundance": ABUNDANCE,
    "neighbourhoods": NEIGHBOURHOODS,
    "expression": EXPRESSION,
}


@dataclass(frozen=True)
class FoundTables:
    """Tables written by the stages, by file name; those that were not computed are absent.

    `cohort` is for the run that the report shows first, `modality_value` for all runs.
    """

    characterised: dict[str, pd.DataFrame]
    cohort: dict[str, pd.DataFrame]
    modality_value: pd.DataFrame | None

    def of_run(self, run: str) -> dict[str, pd.DataFrame]:
        """Return the tables of CHARACTERISE with the rows of one run; empty if it was not characterised."""
        if run not in self.runs:
            return {}
        return {name: table[table["run"] == run] for name, table in self.characterised.items()}

    @property
    def runs(self) -> list[str]:
        """Ids of the characterised runs."""
        structure = self.characterised.get("structure")
        return [] if structure is None else [str(run) for run in structure["run"].unique()]


def read_tables(folder: Path | None) -> FoundTables:
    """Read the tables in a folder.

    Raises
    ------
    InputError
        When a table is damaged.
    """
    return FoundTables(
        _present(folder, CHARACTERISED),
        _present(folder, COHORT),
        read_table(folder, "modality_value", MODALITY_VALUE),
    )


def _present(folder: Path | None, kinds: dict[str, ResultTable]) -> dict[str, pd.DataFrame]:
    found = {name: read_table(folder, name, table) for name, table in kinds.items()}
    return {name: table for name, table in found.items() if table is not None}


def read_table(folder: Path | None, name: str, table: ResultTable) -> pd.DataFrame | None:
    """Read the file ``<name>.csv`` in a folder or its subfolders; return None if there is none, or an empty one."""
    paths = sorted(folder.rglob(f"{name}.csv")) if folder is not None and folder.is_dir() else []
    return next((table.read(path) for path in paths if path.stat().st_size), None)


def domain_labels(domains: Iterable[int], names: pd.DataFrame | None) -> dict[int, str]:
    """Return the number of each domain of a run with, where the table of its names has one, its name."""
    given: dict[int, str] = {}
    if names is not None:
        named = names[names["named"]]
        given = dict(zip(named["domain"].astype(int), named["name"], strict=True))
    return {domain: f"{domain}: {given[domain]}" if domain in given else str(domain) for domain in domains}
