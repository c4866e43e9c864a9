"""Map of pseudotime of the run that CHARACTERISE was given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from spatialweave.io.spot_tables import read_pseudotime
from spatialweave.report.encode import pack
from spatialweave.report.features import quantise_between
from spatialweave.results.runs import MethodRun
from spatialweave.results.spots import DatasetSpots
from spatialweave.results.titles import run_title


def pseudotime_map(
    folder: Path | None, spots: DatasetSpots, runs: list[MethodRun], rows: np.ndarray, titles: Mapping[str, str]
) -> dict[str, Any] | None:
    """Return the pseudotime of the first run that has one, for JSON; None if no run has one. It comes with its name,
    the root domain, the run whose embedding it uses ("": its own) and the fraction of the spots that are joined to the
    root.

    Raises
    ------
    InputError
        When the file is damaged, or has other spots.
    """
    paths = sorted(folder.rglob("pseudotime.csv")) if folder is not None and folder.is_dir() else []
    found = next((read_pseudotime(path, spots.obs) for path in paths if path.stat().st_size), {})
    for run in runs:
        embedding, values = found.get(run.id, ("", None))
        if values is None or not np.isfinite(values).any() or run.domains is None:
            continue
        root = str(run.domains[int(np.nanargmin(values))])
        return {
            "name": f"Pseudotime of {run_title(run.id, titles)}, from domain {root}",
            "root": root,
            "by": "" if embedding == run.id else run_title(embedding, titles),
            "joined": float(np.isfinite(values).mean()),
            "low": 0.0,
            "top": 1.0,
            "whole": True,
            "unit": "diffusion distance from the root, 0 to 1",
            "steps": pack(quantise_between(values[rows], 0.0, 1.0)),
        }
    return None
