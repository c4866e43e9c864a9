"""Curves of denoised markers: values by hand, scikit-learn's area, and a tissue in which denoising helps."""

from __future__ import annotations

import h5py
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import auc

from spatialweave.characterise import denoised
from spatialweave.characterise.denoised import _areas, _curves, denoisers
from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset
from spatialweave.io.embeddings import write_embedding


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
