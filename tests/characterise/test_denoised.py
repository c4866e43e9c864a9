"""Curves of denoised markers: values by hand, scikit-learn's area, and a tissue in which denoising helps."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import auc, roc_auc_score

from spatialweave.characterise import denoised
from spatialweave.characterise.denoised import _areas, _curves, denoised_rows, denoisers
from spatialweave.characterise.features import FeatureValues
from spatialweave.characterise.markers import marker_tests
from spatialweave.characterise.sources import Characterised, CharacterisedRun
from spatialweave.characterise.split import SplitSpots
from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset
from spatialweave.io.embeddings import write_embedding
from spatialweave.io.loadings import Loadings


def test_curves_and_areas_by_hand() -> None:
    """Six spots, three inside; values 5 4 3 inside and 4 1 0 outside, so that two are tied."""
    inside = np.array([True, True, True, False, False, False])
    values = {
        "measured": np.array([[5.0], [4], [3], [4], [1], [0]]),
        "denoised": np.array([[9.0], [8], [7], [1], [1], [1]]),
    }
    (one, both) = _areas({}, ["a"], values, inside)
    # Of nine pairs the inside is higher in 7, and tied in one.
    assert one["auc_measured"] == pytest.approx(7.5 / 9, abs=1e-5) and one["auc_denoised"] == 1
    assert (one["feature"], one["spots"], one["inside"]) == ("a", 6, 3)
    assert both["feature"] == "all" and both["auc_measured"] == one["auc_measured"]
    points = [row for row in _curves({}, values, inside) if row["values"] == "measured"]
    found = {row["enriched"]: (row["purity"], row["coverage"], row["outside"]) for row in points}
    third = pytest.approx(1 / 3, abs=1e-4)
    assert found[0.16667] == (third, 1, 0)
    # Above 3: two inside and the tied one outside.
    assert found[0.5] == (pytest.approx(2 / 3, abs=1e-4), pytest.approx(2 / 3, abs=1e-4), third)
    assert found[1.0] == (1, 0.5, 1)


def test_curves_are_thinned_but_keep_their_area() -> None:
    rng = np.random.default_rng(0)
    inside = rng.random(5000) < 0.2
    values = {"measured": (inside + rng.normal(size=5000))[:, None], "denoised": rng.normal(size=(5000, 1))}
    areas = next(_areas({}, ["a"], values, inside))
    for source in values:
        points = [row for row in _curves({}, values, inside) if row["values"] == source]
        assert 30 <= len(points) <= denoised.CURVE_POINTS
        x, y = ([0.0, *(row[name] for row in points)] for name in ("outside", "purity"))
        assert auc(x, y) == pytest.approx(areas[f"auc_{source}"], abs=0.01)


@pytest.fixture
def dataset() -> Dataset:
    obs = pd.DataFrame({"barcode": list("abc"), "section": "one"}, index=list("abc"))
    return Dataset("toy", obs, np.zeros((3, 2)), [], recipe="smart")


def test_who_denoises(tmp_path, dataset) -> None:
    extras = {"denoised_latent_rna": np.zeros((3, 2), np.float32)}
    for name, more in (
        ("smart.seed1", extras),
        ("smart.seed2", extras),
        ("spamca.seed1", extras),
        ("weave.seed1", None),
    ):
        write_embedding(tmp_path / f"{name}.h5ad", dataset, np.zeros((3, 2)), {}, more)
    names = dataset.obs.index
    assert [one.id for one in denoisers(tmp_path, "smart.seed2", names)] == ["smart.seed2"]
    assert [one.id for one in denoisers(tmp_path, "weave.seed1", names)] == ["smart.seed1", "spamca.seed1"]
    assert denoisers(tmp_path, "weave.seed1", names)[0].recipe == "smart"
    with pytest.raises(InputError, match="its spots are not those of the latents"):
        denoisers(tmp_path, "weave.seed1", names[::-1])
    with h5py.File(tmp_path / "spamca.seed1.h5ad", "a") as file:
        del file["uns"]
    with pytest.raises(InputError, match=r"spamca\.seed1\.h5ad"):
        denoisers(tmp_path, "weave.seed1", names)


def test_a_tissue_in_which_denoising_helps(tmp_path, monkeypatch) -> None:
    """Two domains; the latents that a run rebuilds are the rates without noise, which tell the domains perfectly."""
    n = 400
    rng = np.random.default_rng(3)
    codes = np.repeat([0, 1], n // 2)
    rates = np.where(np.arange(6) % 2 == codes[:, None], 1.5, 1.0)
    values = np.log1p(rng.poisson(rates)).astype(np.float32)
    present = np.arange(n) % 10 != 0
    names = [f"g{k}" for k in range(6)]
    table = FeatureValues("rna", names, sparse.csc_matrix(values), present, np.expm1)
    obs = pd.DataFrame({"barcode": "b", "section": "one"}, index=[f"s{k}" for k in range(n)])
    dataset = Dataset("toy", obs, rng.random((n, 2)), [], recipe="smart")
    extras = {"denoised_latent_rna": np.log1p(rates).astype(np.float32)}
    write_embedding(tmp_path / "smart.seed1.h5ad", dataset, np.zeros((n, 2)), {}, extras)
    (tmp_path / "smart.latents.h5mu").touch()
    # The recipe has left out the last feature.
    loadings = Loadings(pd.Index(names[:5]), np.eye(6, dtype=np.float32)[:5], np.zeros(5), np.ones(5))
    monkeypatch.setattr(denoised, "read_loadings", lambda path: {"rna": loadings})
    split = SplitSpots(np.where(np.arange(n) % 3 == 0, -1, codes), np.array([0.9, 0.2]))
    label = np.where(codes == 0, "x", "")
    label[codes == 1] = np.where(np.arange(n // 2) < 150, "y", "z")
    run = CharacterisedRun("smart.seed1", codes, None, {})
    sources = Characterised(dataset, [], sparse.csr_matrix((n, n)), {"label": label.astype(object)}, [run])

    def denoised_of(split: SplitSpots) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
        (tests, *_) = marker_tests(table, {"one": np.arange(n)}, codes, 2, split)
        areas, curves = denoised_rows(tmp_path, sources, run, [(table, tests)], split, 0)
        return pd.DataFrame(areas), curves

    # A domain that is not found again has no markers to compare.
    assert set(denoised_of(split)[0]["domain"]) == {1}
    found, curves = denoised_of(replace(split, found_again=np.array([0.9, 0.9])))
    assert set(found["truth"]) == {"domain", "held out", "label"} and "g5" not in set(found["feature"])
    assert set(found.loc[found["truth"] == "held out", "domain"]) == {1, 2}
    assert (found.loc[found["truth"] == "domain", "auc_denoised"] == 1).all()
    assert found["auc_measured"].between(0.5, 0.8).all()
    one = found[(found["truth"] == "held out") & (found["feature"] != "all")].iloc[0]
    rows = present & (split.codes >= 0)
    expected = roc_auc_score(codes[rows] == 0, values[rows, int(one["feature"][1:])])
    assert one["auc_measured"] == pytest.approx(expected, abs=1e-4) and one["spots"] == rows.sum()
    # The label of domain 2 is the more frequent one.
    labelled = found[(found["truth"] == "label") & (found["domain"] == 2)].iloc[0]
    assert labelled["inside"] == (present[n // 2 :][:150]).sum() and labelled["spots"] == present.sum()
    assert {row["values"] for row in curves} == {"measured", "denoised"}
