"""Simulated cohorts: how the spots of each donor divide into domains."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spatialweave.cohort.samples import Samples, read_samples

N_DOMAINS = 6
DOMAINS = [str(domain + 1) for domain in range(N_DOMAINS)]


class Cohort:
    """Donors `d0`, `d1`, ... of the conditions a and b, one section each, and the domain of every spot."""

    def __init__(self, sizes: np.ndarray) -> None:
        self.sizes = sizes
        n_donors = len(sizes)
        self.sections = pd.Series(np.repeat([f"s{i}" for i in range(n_donors)], sizes.sum(axis=1)))
        self.domains = pd.Series(np.concatenate([np.repeat(DOMAINS, row) for row in sizes]))
        self.donor = {f"s{i}": f"d{i}" for i in range(n_donors)}
        self.condition = {f"s{i}": "a" if i < n_donors // 2 else "b" for i in range(n_donors)}

    def samples(self, condition: dict[str, str] | None = None) -> Samples:
        return read_samples("cohort", self.sections, self.donor, condition or self.condition)


@pytest.fixture
def cohort():
    def draw(rng: np.random.Generator, ratio: float = 1.0, n_donors: int = 8) -> Cohort:
        """Of the second half of the donors domain 3 is `ratio` times as large; 800 spots each."""
        base = rng.dirichlet(np.full(N_DOMAINS, 10.0))
        sizes = []
        for donor in range(n_donors):
            weights = base * np.where((np.arange(N_DOMAINS) == 2) & (donor >= n_donors // 2), ratio, 1.0)
            sizes.append(rng.multinomial(800, rng.dirichlet(150 * weights / weights.sum())))
        return Cohort(np.array(sizes))

    return draw
