"""Expression in domains under conditions: donors, and not spots, are the replicates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.cohort.expression import differential_expression, pseudobulk
from spatialweave.cohort.samples import read_samples

N_FEATURES, N_CHANGED, SPOTS = 60, 6, 60


@pytest.fixture(scope="module")
def tissue():
    """Four donors per condition; under b six features double in domain 2. Donors differ by a factor on each feature."""
    rng = np.random.default_rng(0)
    base = rng.gamma(2, 1, N_FEATURES)
    counts, sections, domains = [], [], []
    for donor in range(8):
        own = base * np.exp(rng.normal(0, 0.15, N_FEATURES))
        for domain in (1, 2):
            rise = np.where((np.arange(N_FEATURES) < N_CHANGED) & (donor >= 4) & (domain == 2), 2, 1)
            counts.append(rng.poisson(own * rise, (SPOTS, N_FEATURES)))
            sections += [f"s{donor}"] * SPOTS
            domains += [domain] * SPOTS
    names = [f"s{donor}" for donor in range(8)]
    condition = {name: "a" if number < 4 else "b" for number, name in enumerate(names)}
    samples = read_samples("x", pd.Series(sections), {name: name for name in names}, condition)
    matrix = sparse.csr_matrix(np.vstack(counts).astype(np.float32))
    return samples, pd.Series(domains), matrix, pd.Index([f"G{number}" for number in range(N_FEATURES)])


def test_counts_are_added_up_by_sample_and_domain(tissue) -> None:
    samples, domains, matrix, _features = tissue
    sums, spots = pseudobulk(samples, domains.to_numpy() - 1, 2, matrix)
    assert sums.shape == (8, 2, N_FEATURES) and (spots == SPOTS).all()
    np.testing.assert_array_equal(sums[3, 1], matrix[7 * SPOTS : 8 * SPOTS].sum(axis=0).A1)


def test_changed_features_are_found_in_their_domain_only(tissue) -> None:
    samples, domains, matrix, features = tissue
    found = pd.DataFrame(differential_expression(samples, domains, [1, 2], matrix, features))
    hits = {domain: set(rows.loc[rows["p_adjusted"] < 0.05, "feature"]) for domain, rows in found.groupby("domain")}
    truth = {f"G{number}" for number in range(N_CHANGED)}
    assert hits[1] == set() and hits[2] >= truth and len(hits[2] - truth) <= 1
    changed = found[(found["domain"] == 2) & found["feature"].isin(truth)]
    assert changed["log2_fold_change"].median() == pytest.approx(1, abs=0.3)


def test_domains_with_too_few_samples_are_not_compared(tissue) -> None:
    samples, domains, matrix, features = tissue
    # Three of the four donors of b have nine spots of domain 2.
    position = np.arange(len(domains)) % SPOTS
    lost = (samples.of_spot >= 5) & (domains == 2) & (position >= 9)
    other = domains.where(~lost, 1)
    found = pd.DataFrame(differential_expression(samples, other, [1, 2], matrix[:, :8], features[:8]))
    assert set(found["domain"]) == {1}
