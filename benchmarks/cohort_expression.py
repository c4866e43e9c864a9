#!/usr/bin/env python3
"""Findings in expression between conditions where nothing changes, and where a part of a small panel doubles.

Four donors of each condition; donors differ by a factor on each feature (log-normal, standard deviation 0.15). Prints
the numbers of docs/cohorts.md.

    .venv/bin/python benchmarks/cohort_expression.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from spatialweave.cohort.expression import feature_effects
from spatialweave.cohort.samples import Contrast
from spatialweave.metrics.multiple_tests import adjusted

N_DONORS, LEVEL, DONORS_DIFFER = 4, 0.05, 0.15
DOMAINS, FEATURES = 4, 50
"""Size of the cohorts in which nothing changes."""

PANELS = ((8, 2), (12, 4), (30, 10))
"""Features of a panel, and how many of them double."""


@click.command(context_settings={"show_default": True})
@click.option("--cohorts", default=40, help="Cohorts of each kind.")
def main(cohorts: int) -> None:
    """Print a line per kind of cohort."""
    rng = np.random.default_rng(0)
    names = [f"d{donor}" for donor in range(2 * N_DONORS)]
    contrast = Contrast.of(pd.DataFrame({"donor": names, "condition": ["a"] * N_DONORS + ["b"] * N_DONORS}), "b", "a")
    p = np.array(
        [
            [feature_effects(draw(rng, FEATURES, 0), contrast).table["pvalue"] for _ in range(DOMAINS)]
            for _ in range(cohorts)
        ]
    ).reshape(cohorts, -1)
    cohorts_with = (adjusted(p) < LEVEL).any(axis=1).mean()
    click.echo(f"nothing changes: any finding in {cohorts_with:.1%}; p < 0.05: {(p < LEVEL).mean():.1%}")
    click.echo("features, doubled | found | false among findings | log2 ratio of the doubled | of the others")
    for n_features, n_changed in PANELS:
        found, false, ratios = 0, 0, []
        for _ in range(cohorts):
            effects = feature_effects(draw(rng, n_features, n_changed), contrast).table
            called = adjusted(effects["pvalue"].to_numpy()) < LEVEL
            found, false = found + int(called[:n_changed].sum()), false + int(called[n_changed:].sum())
            ratio = effects["log2FoldChange"].to_numpy()
            ratios.append((ratio[:n_changed].mean(), ratio[n_changed:].mean()))
        doubled, others = np.mean(ratios, axis=0)
        shares = f"{found / (cohorts * n_changed):.0%} | {false / max(found + false, 1):.1%}"
        click.echo(f"{n_features}, {n_changed} | {shares} | {doubled:.2f} | {others:.2f}")


def draw(rng: np.random.Generator, n_features: int, n_changed: int) -> pd.DataFrame:
    """Draw the counts of one domain per donor; in the second half of the donors the first features double."""
    base = rng.gamma(2, 60, n_features) * rng.uniform(0.7, 1.4, (2 * N_DONORS, 1))
    own = base * np.exp(rng.normal(0, DONORS_DIFFER, (2 * N_DONORS, n_features)))
    own[N_DONORS:, :n_changed] *= 2
    return pd.DataFrame(rng.poisson(own), columns=[f"F{number}" for number in range(n_features)])


if __name__ == "__main__":
    main()
