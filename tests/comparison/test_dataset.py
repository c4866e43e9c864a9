"""The tables of one dataset, from files whose content the test knows."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

from spatialweave.comparison.dataset import compare, control_columns, difference_rows
from spatialweave.errors import InputError
from spatialweave.io import contract
from spatialweave.io.result_tables import AGREEMENT, DIFFERENCES, DOMAINS, METRICS, SCORES
from spatialweave.metrics.intervals import Runs, difference

N = 400


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """20 x 20 spots with four labels, a tenth without: `good` has two seeds with some errors, `poor` one with many."""
    rng = np.random.default_rng(0)
    names = [f"s{index}" for index in range(N)]
    mudata.set_options(pull_on_update=False)
    part = anndata.AnnData(
        obs=pd.DataFrame(index=names), obsm={"X_latent": np.zeros((N, 2), np.float32)}, uns={"preprocess": "{}"}
    )
    data = mudata.MuData({"rna": part})
    truth = np.arange(N) // 100
    labels = np.where(np.arange(N) % 10 == 3, "", truth.astype(str))
    data.obs = pd.DataFrame({"barcode": names, "section": "a", "label": labels}, index=names)
    data.obsm["spatial"] = np.column_stack([np.arange(N) % 20, np.arange(N) // 20]).astype(float)
    data.uns["spatialweave"] = contract.stamp("latents", dataset="d", platform="dbit", layout="square")
    contract.write(data, tmp_path / "smart.latents.h5mu")
    for method, seed, rate in (("good", 1, 0.02), ("good", 2, 0.03), ("poor", 1, 0.5)):
        domains = np.where(rng.random(N) < rate, rng.integers(0, 4, N), truth) + 1
        table = data.obs[["barcode", "section"]].assign(domain=domains)
        DOMAINS.write(tmp_path / f"{method}.seed{seed}.domains.csv", table)
        known = labels != ""
        rows = [
            ("d", method, seed, "mclust", 4, "ari", adjusted_rand_score(labels[known], domains[known])),
            ("d", method, seed, "mclust", 4, "pas", rate),
        ]
        METRICS.write(tmp_path / f"{method}.seed{seed}.metrics.csv", METRICS.frame(rows))
    return tmp_path


def test_scores_differences_and_agreement(files: Path) -> None:
    found = compare(
        sorted(files.glob("*.domains.csv")), sorted(files.glob("*.metrics.csv")), files / "smart.latents.h5mu"
    )
    scores = found.scores.set_index(["metric", "method"])
    given = METRICS.read_all(sorted(files.glob("*.metrics.csv"))).query("metric == 'ari' and method == 'good'")["value"]
    assert scores.loc[("ari", "good"), ["seeds", "mean", "sd"]].tolist() == pytest.approx(
        [2, given.mean(), given.std()]
    )
    assert scores["basis"].to_dict() == {
        ("ari", "good"): "spots and seeds",
        ("ari", "poor"): "spots",
        ("pas", "good"): "seeds",
        ("pas", "poor"): "none",
    }
    assert (
        scores.loc[("ari", "poor"), "low"] < scores.loc[("ari", "poor"), "mean"] < scores.loc[("ari", "poor"), "high"]
    )
    assert np.isnan(scores.loc[("pas", "poor"), "low"])
    between = found.differences.set_index(["metric", "method", "other"])
    assert between.loc[("ari", "good", "poor"), "difference"] == -between.loc[("ari", "poor", "good"), "difference"]
    assert between["distinguishable"].to_dict() == {
        ("ari", "good", "poor"): True,
        ("ari", "poor", "good"): True,
        ("pas", "good", "poor"): False,
        ("pas", "poor", "good"): False,
    }
    assert found.agreement[["method", "seed", "other", "other_seed"]].to_numpy().tolist() == [
        ["good", 1, "good", 2],
        ["good", 1, "poor", 1],
        ["good", 2, "poor", 1],
    ]
    one, other = (pd.read_csv(files / f"good.seed{seed}.domains.csv")["domain"] for seed in (1, 2))
    # Over all spots, also those without a label.
    assert found.agreement["ari"].iloc[0] == pytest.approx(adjusted_rand_score(one, other))
    # What is written can be read, and is the same every time.
    again = compare(
        sorted(files.glob("*.domains.csv")), sorted(files.glob("*.metrics.csv")), files / "smart.latents.h5mu"
    )
    for kind, name in ((SCORES, "scores"), (DIFFERENCES, "differences"), (AGREEMENT, "agreement")):
        kind.write(files / f"{name}.csv", getattr(found, name))
        assert len(kind.read(files / f"{name}.csv")) == len(getattr(found, name))
        pd.testing.assert_frame_equal(getattr(found, name), getattr(again, name))


def test_a_run_twice_or_of_other_spots_is_refused(files: Path) -> None:
    domains = sorted(files.glob("*.domains.csv"))
    with pytest.raises(InputError, match=r"run good\.seed1 is given more than once"):
        compare([*domains, domains[0]], [], files / "smart.latents.h5mu")
    pd.read_csv(domains[0]).iloc[1:].to_csv(domains[0], index=False)
    with pytest.raises(InputError, match="1 spots are missing"):
        compare(domains, [], files / "smart.latents.h5mu")
    (files / "x.csv").write_text("barcode,section,domain\n")
    with pytest.raises(InputError, match="does not contain the name of a run"):
        compare([files / "x.csv"], [], files / "smart.latents.h5mu")


def test_differences_of_a_method_and_those_of_the_consensus_are_families_of_their_own() -> None:
    rng = np.random.default_rng(0)
    methods = {name: Runs(rng.normal(size=5), None) for name in ("a", "b", "c", "weave")}
    # Two differences among the three methods, three of the consensus to them.
    levels = {name: 1 - 0.05 / (3 if "weave" in name else 2) for name in permutations(methods, 2)}
    for _, _, method, other, _, low, high, *_ in difference_rows(("d", "ari"), methods, 16):
        expected = difference(methods[method], methods[other], 16, levels[method, other])
        assert (low, high) == (expected.low, expected.high)


def with_spots(values: list[float], seed: int) -> Runs:
    """Scores of seeds with resamples of the spots that share most of their variation."""
    rng = np.random.default_rng(seed)
    spots = np.random.default_rng(0).normal(0, 0.03, 1000)
    return Runs(np.array(values), np.mean(values) + spots + rng.normal(0, 0.01, (len(values), 1000)))


def test_the_comparison_with_the_control_does_not_depend_on_other_controls() -> None:
    one, control = with_spots([0.62, 0.59, 0.61], 1), with_spots([0.55, 0.545, 0.555], 2)
    others = {name: with_spots([0.1, 0.12, 0.11], 3) for name in ("noise", "coordinates", "pca")}
    alone = control_columns({"smart": one, "pca_smooth": control}, 16)
    beside = control_columns({"smart": one, "pca_smooth": control, **others}, 16)
    expected = difference(one, control, 16, 0.95)
    assert alone["smart"] == beside["smart"] == (expected.value, expected.low, expected.high, "spots and seeds")
    assert alone["pca_smooth"] == (None, None, None, "none")
    # Each further method is one more comparison: with four and the consensus, each holds at 99%.
    methods = dict.fromkeys(("smart", "spamo", "spamca", "banksy"), one) | {"weave": with_spots([0.63], 4)}
    found = control_columns(methods | others | {"pca_smooth": control}, 16)
    strict = difference(one, control, 16, 0.99)
    assert found["banksy"][1:3] == (strict.low, strict.high)
    # The consensus is one run, so its interval is over spots.
    assert found["weave"][3] == "spots"
    assert control_columns({"smart": one}, 16) == {"smart": (None, None, None, "none")}


def test_of_methods_that_equal_the_control_few_are_called_different() -> None:
    """Eight methods of three seeds drawn as those of the control: in 5% of the runs at most one is called different."""
    rng, wrong, runs = np.random.default_rng(0), 0, 300
    for _ in range(runs):
        scores = {name: Runs(rng.normal(0.5, 0.02, 3)) for name in (*"abcdefgh", "pca_smooth")}
        found = control_columns(scores, 0)
        wrong += any(low > 0 or high < 0 for _, low, high, basis in found.values() if basis != "none")
    assert wrong <= 0.06 * runs
