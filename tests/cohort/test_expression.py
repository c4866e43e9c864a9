"""Expression in domains under conditions: donors, and not spots, are the replicates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from scipy.stats import false_discovery_control

from spatialweave.cohort.expression import (
    ExpressionChanges,
    differential_expression,
    feature_effects,
    over_conditions,
    pseudobulk,
)
from spatialweave.cohort.samples import Contrast, Remark, Samples, read_samples

N_FEATURES, N_CHANGED, SPOTS = 60, 6, 60


def made(rng: np.random.Generator, n_features: int) -> tuple[Samples, pd.Series, sparse.csr_matrix, pd.Index]:
    """Four donors per condition; under b six features double in domain 2. Donors differ by a factor on each feature."""
    base = rng.gamma(2, 1, n_features)
    counts, sections, domains = [], [], []
    for donor in range(8):
        own = base * np.exp(rng.normal(0, 0.15, n_features))
        for domain in (1, 2):
            rise = np.where((np.arange(n_features) < N_CHANGED) & (donor >= 4) & (domain == 2), 2, 1)
            counts.append(rng.poisson(own * rise, (SPOTS, n_features)))
            sections += [f"s{donor}"] * SPOTS
            domains += [domain] * SPOTS
    names = [f"s{donor}" for donor in range(8)]
    condition = {name: "a" if number < 4 else "b" for number, name in enumerate(names)}
    samples = read_samples("x", pd.Series(sections), {name: name for name in names}, condition)
    matrix = sparse.csr_matrix(np.vstack(counts).astype(np.float32))
    return samples, pd.Series(domains), matrix, pd.Index([f"G{number}" for number in range(n_features)])


@pytest.fixture(scope="module")
def tissue():
    return made(np.random.default_rng(0), N_FEATURES)


def test_counts_are_added_up_by_sample_and_domain(tissue) -> None:
    samples, domains, matrix, _features = tissue
    sums, spots = pseudobulk(samples, domains.to_numpy() - 1, 2, matrix)
    assert sums.shape == (8, 2, N_FEATURES) and (spots == SPOTS).all()
    np.testing.assert_array_equal(sums[3, 1], matrix[7 * SPOTS : 8 * SPOTS].sum(axis=0).A1)


def changes(samples: Samples, domains: pd.Series, matrix: sparse.csr_matrix, features: pd.Index) -> pd.DataFrame:
    found = differential_expression(samples, domains.to_numpy(), 2, matrix, features)
    return pd.DataFrame(over_conditions(found.rows))


def test_changed_features_are_found_in_their_domain_only(tissue) -> None:
    samples, domains, matrix, features = tissue
    found = changes(samples, domains, matrix, features)
    hits = {domain: set(rows.loc[rows["p_adjusted"] < 0.05, "feature"]) for domain, rows in found.groupby("domain")}
    truth = {f"G{number}" for number in range(N_CHANGED)}
    assert hits[1] == set() and hits[2] >= truth and len(hits[2] - truth) <= 1
    changed = found[(found["domain"] == 2) & found["feature"].isin(truth)]
    assert changed["log2_fold_change"].median() == pytest.approx(1, abs=0.3)
    assert (found[["donors", "donors_reference"]] == 4).all(axis=None)


def test_permuted_conditions_find_nothing() -> None:
    """Of 20 cohorts with changed features whose conditions are permuted, any finding in no more than 5% allow.

    Each is a cohort of its own: one feature that differs between donors by chance does so in many permutations.
    """
    rng, findings = np.random.default_rng(1), 0
    for _ in range(20):
        samples, *rest = made(rng, 24)
        shuffled = samples.table.assign(condition=rng.permutation(samples.table["condition"]))
        findings += bool((changes(Samples(shuffled, samples.of_spot, "a"), *rest)["p_adjusted"] < 0.05).any())
    # Of 20 cohorts, two standard errors above 5%; DESeq2's p values are from a normal approximation.
    assert findings <= 3


def test_p_values_are_adjusted_over_domains_and_modalities() -> None:
    rng = np.random.default_rng(0)
    rows = [
        {"modality": modality, "domain": domain, "condition": condition, "p": float(rng.uniform() ** 3)}
        for condition in ("b", "c")
        for modality in ("rna", "adt")
        for domain in (1, 2)
        for _ in range(5)
    ]
    rows[3]["p"] = np.nan
    found = pd.DataFrame(over_conditions(rows))
    for _, own in found.groupby("condition"):
        known = own["p"].notna()
        np.testing.assert_allclose(own.loc[known, "p_adjusted"], false_discovery_control(own.loc[known, "p"]))
    assert found["p_adjusted"].isna().sum() == 1 and over_conditions([]) == []


def panel(rng: np.random.Generator, n_features: int, n_changed: int) -> pd.DataFrame:
    """Counts of 4 + 4 donors, whose sizes differ; in the second half the first features double."""
    base = rng.gamma(2, 60, n_features)
    doubled = np.where(np.arange(n_features) < n_changed, 2, 1)
    own = base * np.exp(rng.normal(0, 0.15, (8, n_features))) * rng.uniform(0.7, 1.4, (8, 1))
    own[4:] *= doubled
    return pd.DataFrame(rng.poisson(own), columns=[f"P{number}" for number in range(n_features)])


def contrast() -> Contrast:
    table = pd.DataFrame({"donor": [f"d{donor}" for donor in range(8)], "condition": list("aaaabbbb")})
    return Contrast.of(table, "b", "a")


def test_a_third_of_a_panel_that_changes_leaves_the_others_as_they_are() -> None:
    """By the median of all features those that do not change have a log2 fold change of -0.3."""
    rng = np.random.default_rng(2)
    folds, false = [], 0
    for _ in range(10):
        effects = feature_effects(panel(rng, 30, 10), contrast())
        assert effects.comparable and effects.unchanged >= 16
        found = effects.table
        corrected = false_discovery_control(found["pvalue"])
        assert (corrected[:10] < 0.05).sum() >= 8
        false += int((corrected[10:] < 0.05).sum())
        folds.append((found["log2FoldChange"][:10].mean(), found["log2FoldChange"][10:].mean()))
    np.testing.assert_allclose(np.mean(folds, axis=0), [1, 0], atol=0.06)
    # Of at least 80 findings.
    assert false <= 6


def test_more_than_half_of_a_panel_that_changes_is_said() -> None:
    found = feature_effects(panel(np.random.default_rng(3), 12, 6), contrast())
    assert not found.comparable and np.isfinite(found.table["pvalue"]).all()


def compared(counts: np.ndarray, spots: int = 20) -> ExpressionChanges:
    """Donors x features, the same in every spot of one domain."""
    names = [f"s{donor}" for donor in range(len(counts))]
    sections = pd.Series(np.repeat(names, spots))
    condition = dict(zip(names, "aaaabbbb", strict=True))
    samples = read_samples("x", sections, {name: name for name in names}, condition)
    matrix = sparse.csr_matrix(np.repeat(counts, spots, axis=0), dtype=np.float32)
    features = pd.Index([f"G{number}" for number in range(counts.shape[1])])
    return differential_expression(samples, np.ones(len(sections), dtype=int), 1, matrix, features)


def test_what_is_not_tested_has_a_reason() -> None:
    counts = np.random.default_rng(4).poisson(5, (8, 6)) + 1
    few = compared(counts, spots=9)
    assert few.rows == []
    assert few.untested == [Remark("b", "fewer than 2 samples of a condition have 10 spots of it", (1,))]
    single = compared(counts[:, :1])
    assert single.rows == [] and single.untested == [Remark("b", "fewer than 2 features have 10 counts in it", (1,))]
    small = compared(counts)
    assert len(small.rows) == 6 and small.untested == []
    assert small.doubtful[0].words({1: "1: Core"}) == (
        "domain 1: Core: fewer than 10 features have counts in every sample and do not change, so that one that "
        "changes can make others seem to"
    )
    # Of 40 features none has counts in every sample, so it is not known which ones change.
    sparse_counts = np.random.default_rng(4).poisson(1, (8, 40))
    sparse_counts[np.arange(40) % 8, np.arange(40)] = 0
    assert feature_effects(pd.DataFrame(sparse_counts), contrast()).usable == 0
    assert [remark.domains for remark in compared(sparse_counts).doubtful] == [(1,)]


def test_sums_are_rounded() -> None:
    """20 times 0.98 is 19.6, which is as good as 20."""
    counts = np.random.default_rng(4).poisson(5, (8, 12)) + 1.0
    lower = counts - 0.02
    expected = pd.DataFrame(compared(counts).rows)
    pd.testing.assert_frame_equal(pd.DataFrame(compared(lower).rows), expected)


def test_domains_with_too_few_samples_are_not_compared(tissue) -> None:
    samples, domains, matrix, features = tissue
    # Three of the four donors of b have nine spots of domain 2.
    position = np.arange(len(domains)) % SPOTS
    lost = (samples.of_spot >= 5) & (domains == 2) & (position >= 9)
    other = domains.where(~lost, 1)
    found = differential_expression(samples, other.to_numpy(), 2, matrix[:, :8], features[:8])
    assert {row["domain"] for row in found.rows} == {1} and found.untested[0].domains == (2,)
