"""Simulated tissues: counts against the closed form of their distribution, domains, determinism, refusals."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from spatialweave.errors import InputError
from spatialweave.simulate import PRESETS, CountModel, Tissue, domains_at, markers, select_modalities, simulate, write


@pytest.mark.parametrize("zero_inflation", [0.0, 0.4])
def test_moments_are_those_of_the_closed_form(zero_inflation: float) -> None:
    mean, theta, signal = 6.0, 2.0, 0.5
    model = CountModel(40, mean, theta, zero_inflation, marker_fraction=0.5, feature_sd=0.0)
    spec = Tissue(60, 60, "layers", 2, signal, {"rna": model}, depth_sd=0.0)
    counts = simulate(spec, seed=3)["rna"].X.toarray()
    row, col = np.divmod(np.arange(60 * 60), 60)
    domains = domains_at(spec, np.column_stack([col, row]))
    raised = markers(model, 2).astype(bool)[domains]
    for where, m in ((raised, mean * np.exp(signal)), (~raised, mean)):
        drawn = counts[where]
        kept = 1 - zero_inflation
        variance = kept * (m + m**2 / theta) + zero_inflation * kept * m**2
        standard_error = np.sqrt(variance / drawn.size)
        assert abs(drawn.mean() - kept * m) < 4 * standard_error
        assert drawn.var() == pytest.approx(variance, rel=0.05)
        # P(0) of a negative binomial is (theta / (theta + m))^theta.
        zeros = zero_inflation + kept * (theta / (theta + m)) ** theta
        assert (drawn == 0).mean() == pytest.approx(zeros, abs=0.01)


def test_depth_and_feature_means_are_log_normal() -> None:
    model = CountModel(2000, mean=50.0, dispersion=1e6, feature_sd=0.5, marker_fraction=0.0)
    spec = Tissue(40, 40, "layers", 2, 0.0, {"rna": model}, depth_sd=0.3)
    counts = simulate(spec, seed=0)["rna"].X
    assert np.log(np.asarray(counts.sum(axis=1)).ravel()).std() == pytest.approx(0.3, rel=0.1)
    assert np.log(np.asarray(counts.mean(axis=0)).ravel()).std() == pytest.approx(0.5, rel=0.1)


@pytest.mark.parametrize(("preset", "n_spots", "features"), [("demo", 1296, (1000, 100, 1000)), ("layers", 3600, None)])
def test_presets_have_their_sizes_and_domains(preset: str, n_spots: int, features: tuple[int, ...] | None) -> None:
    tissue = simulate(PRESETS[preset], seed=1)
    for data in tissue.values():
        assert data.n_obs == n_spots
        assert data.obs["label"].nunique() == PRESETS[preset].n_domains
        assert data.X.format == "csr" and data.X.dtype == np.float32
        assert (data.X.data > 0).all() and (data.X.data == np.round(data.X.data)).all()
        assert len(np.unique(data.obsm["spatial"], axis=0)) == n_spots
    if features:
        assert tuple(data.n_vars for data in tissue.values()) == features


def test_a_domain_that_a_modality_is_blind_to_has_no_markers_there() -> None:
    table = markers(CountModel(60, 1.0, 1.0, marker_fraction=0.5, blind_to=1), n_domains=4)
    assert table[1].sum() == 0
    assert table.sum(axis=1)[[0, 2, 3]].tolist() == [10, 10, 10]
    assert table[:, 30:].sum() == 0


def test_signal_decides_whether_domains_can_be_seen() -> None:
    scores = []
    for signal in (0.0, 1.5):
        data = simulate(replace(PRESETS["demo"], signal=signal), seed=0)["rna"]
        logs = np.log1p(data.X.toarray())
        found = KMeans(5, n_init=5, random_state=0).fit_predict(logs)
        scores.append(adjusted_rand_score(data.obs["label"], found))
    assert abs(scores[0]) < 0.02
    assert scores[1] > 0.95


def test_same_seed_gives_equal_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    for folder, seed in (("a", 5), ("b", 5), ("c", 6)):
        write(simulate(PRESETS["test"], seed), tmp_path / folder, "test", 4)
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == ["samplesheet.csv", "test_adt.h5ad", "test_atac.h5ad", "test_rna.h5ad"]
    for name in names:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a" / names[3]).read_bytes() != (tmp_path / "c" / names[3]).read_bytes()


def test_a_modality_does_not_depend_on_the_others() -> None:
    everything = simulate(PRESETS["test"], seed=2)["atac"]
    alone = simulate(select_modalities(PRESETS["test"], ["atac"]), seed=2)["atac"]
    assert (everything.X != alone.X).nnz == 0


def test_counts_do_not_depend_on_the_block_that_they_are_drawn_in() -> None:
    # 70 x 70 = 4900 spots are drawn in two blocks; both must hold the same tissue.
    spec = replace(PRESETS["test"], rows=70, cols=70, signal=0.0, depth_sd=0.0)
    totals = np.asarray(simulate(spec, seed=0)["rna"].X.sum(axis=1)).ravel()
    first, second = totals[:4096], totals[4096:]
    assert abs(first.mean() - second.mean()) < 5 * np.sqrt(first.var() / len(second))


def test_missing_spots_lack_one_modality_but_never_all() -> None:
    spec = replace(select_modalities(PRESETS["test"], ["rna", "adt"]), missing={"rna": 0.5, "adt": 0.75})
    tissue = simulate(spec, seed=0)
    n_spots = spec.rows * spec.cols
    assert tissue["adt"].n_obs == n_spots - round(0.75 * n_spots)
    assert tissue["rna"].n_obs >= n_spots // 2
    assert len(tissue["rna"].obs_names.union(tissue["adt"].obs_names)) == n_spots
    full = simulate(replace(spec, missing={}), seed=0)["adt"]
    assert (full[tissue["adt"].obs_names].X != tissue["adt"].X).nnz == 0


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"rows": 2}, "rows"),
        ({"cols": 0}, "cols"),
        ({"signal": -1.0}, "signal"),
        ({"signal": float("nan")}, "signal"),
        ({"n_domains": 1}, "n_domains"),
        ({"n_domains": 6}, "n_domains"),
        ({"pattern": "stripes"}, "pattern"),
        ({"missing": {"rna": 1.0}}, "missing rna"),
        ({"missing": {"histone": 0.1}}, "missing"),
        ({"modalities": {}}, "modalities"),
    ],
)
def test_a_tissue_that_makes_no_sense_is_refused(change: dict, where: str) -> None:
    with pytest.raises(InputError) as error:
        simulate(replace(PRESETS["test"], **change), seed=0)
    assert error.value.where == where
