"""The labels and domains of the integrated file, in the colours of the report, and the pseudotime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spatialweave.domains.palette import SpotClasses, colour, colour_classes
from spatialweave.io.integrated import LABEL, IntegratedRun, colour_key
from spatialweave.results.first_run import first_run
from spatialweave.results.runs import MethodRun

if TYPE_CHECKING:
    import mudata


def add_classes(integrated: mudata.MuData, runs: list[MethodRun], metrics: pd.DataFrame, order: Sequence[str]) -> None:
    """Add labels and domains as categories with the report's colours, for all spots and inside each modality.

    Spots without a label have no category.

    Parameters
    ----------
    metrics
        Metrics of all runs; without labels, colours follow the run that the report shows first.
    order
        The methods in the order in which they were given.
    """
    table = integrated.obs.drop(columns=LABEL, errors="ignore")
    colours = {}
    for column, classes in _classes(integrated.obs, runs, metrics, order).items():
        table[column] = pd.Categorical.from_codes(classes.codes, pd.Index(classes.names))
        colours[colour_key(column)] = np.array([colour(index) for index in classes.colours], dtype=object)
    integrated.obs = table
    integrated.uns.update(colours)
    for part in integrated.mod.values():
        part.obs = part.obs.drop(columns=table.columns, errors="ignore").join(table)
        part.uns.update(colours)


def add_names(integrated: mudata.MuData, runs: list[IntegratedRun], names: pd.DataFrame) -> None:
    """Add a column with the names of domains for each run that has any; a domain without a name keeps its number.

    Parameters
    ----------
    names
        Table :data:`~spatialweave.io.result_tables.NAMES`. Several domains may have the same name; it has the colour
        of the first.
    """
    for run in runs:
        names_of_run = names[(names["run"] == run.id) & names["named"]]
        if names_of_run.empty or run.key not in integrated.obs:
            continue
        domains = integrated.obs[run.key].cat.categories
        name_of = dict(zip(names_of_run["domain"].astype(str), names_of_run["name"], strict=True))
        named = [name_of.get(str(domain), str(domain)) for domain in domains]
        categories = list(dict.fromkeys(named))
        codes = np.array([categories.index(name) for name in named])[integrated.obs[run.key].cat.codes]
        values = pd.Categorical.from_codes(codes, pd.Index(categories))
        column = pd.Series(values, integrated.obs_names, name=run.names_key)
        colours = integrated.uns[colour_key(run.key)]
        first = np.array([colours[named.index(name)] for name in categories], dtype=object)
        for part in (integrated, *integrated.mod.values()):
            part.obs = part.obs.drop(columns=run.names_key, errors="ignore").join(column)
            part.uns[colour_key(run.names_key)] = first


def add_pseudotime(integrated: mudata.MuData, runs: list[IntegratedRun], times: Mapping[str, np.ndarray]) -> None:
    """Add a column with the pseudotime of every spot for each run that has one; NaN if no path joins it to the root.

    Parameters
    ----------
    times
        Pseudotime by the id of the run.
    """
    for run in runs:
        if run.id in times:
            column = pd.Series(times[run.id], integrated.obs_names, name=run.pseudotime_key)
            for part in (integrated, *integrated.mod.values()):
                part.obs = part.obs.drop(columns=run.pseudotime_key, errors="ignore").join(column)


def _classes(
    obs: pd.DataFrame, runs: list[MethodRun], metrics: pd.DataFrame, order: Sequence[str]
) -> dict[str, SpotClasses]:
    """Return the labels and the domains of each run, where present, by obs column."""
    labels = obs[LABEL].astype(object).fillna("").astype(str).tolist() if LABEL in obs else []
    _, best = first_run(runs, metrics, order)
    truth, found = colour_classes(labels if any(labels) else None, [run.domains for run in runs], best)
    named = {LABEL: truth} if truth else {}
    return named | {
        IntegratedRun(run.method, run.seed).key: classes
        for run, classes in zip(runs, found, strict=True)
        if run.domains is not None
    }
