"""The files of CHARACTERISE behind the charts beyond markers, for a made-up dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from spatialweave.io.result_tables import DENOISED_AUC, DENOISED_CURVES, DISTRIBUTIONS, PSEUDOTIME, SHARED_EDGES
from spatialweave.io.spot_tables import pseudotime_table

from .characterised_files import RUN

NUMBERS = {"mean": 0.5, "low": 0.0, "q25": 0.25, "median": 0.5, "q75": 0.75, "high": 1.0}


def write_analyses(folder: Path, obs: pd.DataFrame | None = None, truth: str = "label") -> None:
    """Three domains, beside what `write_characterised` writes. `obs`: the spots; the last has no pseudotime."""
    rows = [
        {"run": run, "quantity": quantity, "modality": modality, "feature": feature, "domain": domain, "spots": 30}
        | NUMBERS | {"unit": unit}
        for run in (RUN, "other.seed1")
        for quantity, modality, feature, unit in (
            ("value", "rna", "a1", "log"), ("value", "rna", "b1", "log"), ("value", "adt", "P", "log"),
            ("distance_correlation", "rna", "", "r"), ("distance_correlation", "adt", "", "r"),
        )
        for domain in (1, 2, 3)
    ]  # fmt: skip
    DISTRIBUTIONS.write(folder / "distributions.csv", DISTRIBUTIONS.frame(rows))
    counts = {"rna": 60, "embedding + rna": 30, "embedding + spatial": 10}
    edges = [(RUN, names, count, count / 100, 10) for names, count in counts.items()]
    SHARED_EDGES.write(folder / "shared_edges.csv", SHARED_EDGES.frame(edges))
    kinds = dict.fromkeys((truth, "domain"))
    facts = [(RUN, run, "rna", domain, kind) for run in (RUN, "<i>.seed2") for domain in (1, 2) for kind in kinds]
    areas = [(*one, feature, 100, 30, 0.7, 0.9) for one in facts for feature in ("a1", "all")]
    DENOISED_AUC.write(folder / "denoised_auc.csv", DENOISED_AUC.frame(areas))
    curves = [
        (*one, values, enriched, purity, 0.3 * purity / enriched, (enriched - 0.3 * purity) / 0.7)
        for one in facts
        for values in ("measured", "denoised")
        for enriched, purity in ((0.3, 0.8), (1.0, 1.0))
    ]
    DENOISED_CURVES.write(folder / "denoised_curves.csv", DENOISED_CURVES.frame(curves))
    if obs is not None:
        times = np.linspace(0, 1, len(obs))
        times[-1] = np.nan
        PSEUDOTIME.write(folder / "pseudotime.csv", pseudotime_table(RUN, "<i>.seed2", obs, times))
