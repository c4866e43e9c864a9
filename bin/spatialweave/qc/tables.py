"""Tables of QC."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from spatialweave.io.result_tables import QC_SUMMARY
from spatialweave.qc.filters import Verdict
from spatialweave.qc.spot_metrics import SPOT_METRICS
from spatialweave.qc.thresholds import MIN_SPOTS

SPOT_COLUMNS = ("barcode", "section", "modality", *SPOT_METRICS, "kept", "reason")


def spots_table(section: str, verdicts: Mapping[str, Verdict]) -> pd.DataFrame:
    """Build one row per spot and modality (:data:`SPOT_COLUMNS`): metrics, `kept` (true or false), and the reason."""
    parts = []
    for modality, verdict in verdicts.items():
        part = verdict.metrics.astype(np.float64).round(4)
        part["n_features"] = part["n_features"].astype(np.int64)
        part.insert(0, "barcode", verdict.metrics.index)
        part.insert(1, "section", section)
        part.insert(2, "modality", modality)
        part["kept"] = np.where(verdict.kept_spots, "true", "false")
        part["reason"] = verdict.reasons()
        parts.append(part)
    return pd.concat(parts, ignore_index=True)[list(SPOT_COLUMNS)]


def summary_table(
    section: str, verdicts: Mapping[str, Verdict], thresholds: Mapping[str, float], n_before: int, n_after: int
) -> pd.DataFrame:
    """Build one row per modality and check (:data:`~spatialweave.io.result_tables.QC_SUMMARY`).

    `unit` is `spots` or `features`. Every check counts the spots that fail it independently of other checks, so the
    counts may overlap. The row with the check `any` counts each removed spot once. The last row, modality `all`, counts
    the spots of the section that are left in no modality.

    Parameters
    ----------
    n_before, n_after
        Number of spots of the section.
    """
    rows: list[tuple[str, str, str, float | None, int, int]] = []
    for modality, verdict in verdicts.items():
        n_spots, n_features = len(verdict.kept_spots), len(verdict.kept_features)
        for check, failed in verdict.failed.items():
            rows.append((modality, "spots", check, thresholds[check], n_spots, int(failed.sum())))
        rows.append((modality, "spots", "any", None, n_spots, int((~verdict.kept_spots).sum())))
        n_lost = int((~verdict.kept_features).sum())
        rows.append((modality, "features", MIN_SPOTS, thresholds[MIN_SPOTS], n_features, n_lost))
    rows.append(("all", "spots", "no_modality_left", None, n_before, n_before - n_after))
    table = pd.DataFrame(rows, columns=["modality", "unit", "check", "threshold", "n_before", "n_failed"])
    table.insert(0, "section", section)
    table["percent_failed"] = (100 * table["n_failed"] / table["n_before"]).round(4)
    table["n_after"] = table["n_before"] - table["n_failed"]
    return table[QC_SUMMARY.columns]
