"""The UMAPs of the integrated file."""

from __future__ import annotations

import anndata
import mudata
import numpy as np
import pytest

from spatialweave.assemble.umap import add_umaps
from spatialweave.io.integrated import IntegratedRun
from spatialweave.results import projection
from spatialweave.results.projection import project

pytestmark = pytest.mark.filterwarnings("ignore")
SMART, FLAT, FAILED = (IntegratedRun(name, 1) for name in ("smart", "flat", "failed"))


def integrated(n_spots: int) -> mudata.MuData:
    data = mudata.MuData({"rna": anndata.AnnData(np.ones((n_spots, 1), dtype=np.float32))})
    data.obsm["X_smart_1"] = np.random.default_rng(0).normal(size=(n_spots, 4)).astype(np.float32)
    data.obsm["X_flat_1"] = np.ones((n_spots, 4), dtype=np.float32)
    return data


def test_umaps_are_those_of_the_report() -> None:
    data = integrated(30)
    add_umaps(data, [SMART, FLAT, FAILED])
    np.testing.assert_array_equal(data.obsm["X_umap_smart_1"], project(data.obsm["X_smart_1"]))
    # An embedding without variance, and none at all, have no UMAP.
    assert not {"X_umap_flat_1", "X_umap_failed_1"} & set(data.obsm)


def test_spots_that_are_too_many_have_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projection, "MAX_SPOTS", 20)
    data = integrated(30)
    add_umaps(data, [SMART])
    drawn = np.isfinite(data.obsm["X_umap_smart_1"]).all(axis=1)
    assert drawn.sum() == 20
    np.testing.assert_array_equal(data.obsm["X_umap_smart_1"][drawn], project(data.obsm["X_smart_1"][drawn]))
