"""The labels and domains of the integrated file, in the colours of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spatialweave.domains.palette import SpotClasses, colour, colour_classes
from spatialweave.io.integrated import LABEL, IntegratedRun, colour_key
from spatialweave.report.consensus import first_run
from spatialweave.report.inputs import MethodRun

if TYPE_CHECKING:
    import mudata


def add_classes(integrated: mudata.MuData, runs: list[MethodRun], metrics: pd.DataFrame) -> None:
    """Add labels and domains as categories with the report's colours, for all spots and inside each modality.

    Spots without a label have no category.

    Parameters
    ----------
    metrics
        Of all runs; they say which is the best, whose colours the others follow where there are no labels.
    """
    table = integrated.obs.drop(columns=LABEL, errors="ignore")
    colours = {}
    for column, classes in _classes(integrated.obs, runs, metrics).items():
        table[column] = pd.Categorical.from_codes(classes.codes, pd.Index(classes.names))
        colours[colour_key(column)] = np.array([colour(index) for index in classes.colours], dtype=object)
    integrated.obs = table
    integrated.uns.update(colours)
    for part in integrated.mod.values():
        part.obs = part.obs.drop(columns=table.columns, errors="ignore").join(table)
        part.uns.update(colours)


def _classes(obs: pd.DataFrame, runs: list[MethodRun], metrics: pd.DataFrame) -> dict[str, SpotClasses]:
    """By obs column: the labels, and the domains of each run, as far as they are there."""
    labels = obs[LABEL].astype(object).fillna("").astype(str).tolist() if LABEL in obs else []
    _, best = first_run(runs, metrics)
    truth, found = colour_classes(labels if any(labels) else None, [run.domains or [] for run in runs], best)
    named = {LABEL: truth} if truth else {}
    return named | {
        IntegratedRun(run.method, run.seed).key: classes
        for run, classes in zip(runs, found, strict=True)
        if run.domains
    }
