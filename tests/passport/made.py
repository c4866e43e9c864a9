"""Spots, runs and tables of three domains, made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from spatialweave.io.result_tables import ABUNDANCE, COMPOSITION, EXPRESSION, NEIGHBOURHOODS, SAMPLES
from spatialweave.results.runs import MethodRun
from spatialweave.results.spots import DatasetSpots

CODES = np.array([1, 1, 1, 1, 2, 2, 2, 3, 3, 3])
SHIFTED = np.array([3, 3, 3, 1, 1, 1, 1, 2, 2, 2])
HALVED = np.array([1, 2, 1, 2, 3, 3, 3, 3, 3, 3])


def spots() -> DatasetSpots:
    """Ten spots in a row, the last four in a second section."""
    names = [f"s{index}" for index in range(10)]
    obs = pd.DataFrame({"barcode": names, "section": ["left"] * 6 + ["right"] * 4}, index=names)
    return DatasetSpots(obs, None, np.column_stack([np.arange(10.0), np.zeros(10)]), "square")


def run(method: str, seed: int, codes: np.ndarray) -> MethodRun:
    """A run with these domains, numbered from 1."""
    return MethodRun(method, seed, codes)


def consensus(confidence: float = 0.9) -> MethodRun:
    """The consensus, with the same confidence everywhere but at the first spot, where it is 0.2."""
    woven = run("weave", 1, CODES)
    values = np.array([0.2] + [confidence] * 9)
    woven.extras["confidence"] = pd.DataFrame({"confidence": values})
    woven.matched_runs = pd.DataFrame({"a.seed1": CODES, "b.seed1": CODES, "c.seed1": CODES})
    return woven


def write_cohort(folder: Path) -> None:
    """Domain 1 grows under treatment, domain 2 cannot be compared; two features change in domain 1."""
    abundance = [
        (1, "treated", "control", 3, 4, 0.4, 0.2, 1.0, 0.5, 1.5, 0.001, 0.002),
        (2, "treated", "control", 3, 4, 0.3, 0.3, None, None, None, None, None),
    ]
    ABUNDANCE.write(folder / "abundance.csv", ABUNDANCE.frame(abundance))
    samples = [
        (donor, condition, domain, 4, 0.4)
        for domain in (1, 2, 3)
        for donor, condition in (("P2", "treated"), ("P1", "control"))
    ]
    SAMPLES.write(folder / "samples.csv", SAMPLES.frame(samples))
    changed = [
        ("rna", 1, "treated", "control", 3, 4, feature, 5.0, 1.0, 0.5, 1.5, p, p)
        for feature, p in (("b", 0.02), ("a", 0.01), ("c", 0.2))
    ]
    EXPRESSION.write(folder / "expression.csv", EXPRESSION.frame(changed))
    borders = [
        (1, other, "treated", "control", 3, 4, 0.5, 0.2, 1.0, 0.5, 1.5, p, p) for other, p in ((2, 0.01), (3, 0.5))
    ]
    NEIGHBOURHOODS.write(folder / "neighbourhoods.csv", NEIGHBOURHOODS.frame(borders))


def write_composition(folder: Path, run_name: str) -> None:
    """Labels and donors of domain 1."""
    rows = [
        (run_name, 1, "label", "cortex", 1, 0.25), (run_name, 1, "label", "medulla", 3, 0.75),
        (run_name, 1, "meta_donor", "P1", 4, 1.0),
    ]  # fmt: skip
    COMPOSITION.write(folder / "composition.csv", COMPOSITION.frame(rows))
