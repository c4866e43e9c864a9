#!/usr/bin/env python3
"""Frequency with which the comparison of conditions finds a changed domain, and others, in simulated cohorts.

Four donors of each condition have 800 spots each; their fractions of domains are Dirichlet about those of the
condition. Prints the table of docs/cohorts.md.

    .venv/bin/python benchmarks/cohorts.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bin"))

from spatialweave.cohort.abundance import LOG2, abundance_effects

N_DONORS, SPOTS, CHANGED, RATIO, LEVEL = 4, 800, 2, 3.0, 0.05
CONCENTRATION = {5: 100, 6: 150, 8: 200}
"""Concentration of the Dirichlet distribution over donors, by the number of domains."""

DESIGN = np.column_stack([np.repeat([0.0, 1.0], N_DONORS), np.ones(2 * N_DONORS)])


@click.command(context_settings={"show_default": True})
@click.option("--cohorts", default=80, help="Cohorts of each kind.")
def main(cohorts: int) -> None:
    """Print a line per number of domains."""
    click.echo("domains | nothing changed: any finding | changed: found | another found | bias of the log2 ratio")
    for n_domains, concentration in CONCENTRATION.items():
        rng = np.random.default_rng(0)
        none, found, others, ratios = 0, 0, 0, []
        for _ in range(cohorts):
            none += bool((abundance_effects(draw(rng, n_domains, concentration, 1.0), DESIGN)[1] < LEVEL).any())
            effects, p = abundance_effects(draw(rng, n_domains, concentration, RATIO), DESIGN)
            found += bool(p[CHANGED] < LEVEL)
            others += bool((np.delete(p, CHANGED) < LEVEL).any())
            ratios.append(effects[CHANGED].value / LOG2)
        shares = " | ".join(f"{count / cohorts:.1%}" for count in (none, found, others))
        click.echo(f"{n_domains} | {shares} | {np.mean(ratios) - np.log2(RATIO):.2f}")


def draw(rng: np.random.Generator, n_domains: int, concentration: float, ratio: float) -> np.ndarray:
    """Draw spots per domain and donor; in the second half of the donors one domain is `ratio` times as frequent."""
    base = rng.dirichlet(np.full(n_domains, 5.0))
    rows = []
    for factor in np.repeat([1.0, ratio], N_DONORS):
        weights = np.where(np.arange(n_domains) == CHANGED, factor, 1.0) * base
        rows.append(rng.multinomial(SPOTS, rng.dirichlet(concentration * weights / weights.sum())))
    return np.array(rows)


if __name__ == "__main__":
    main()
