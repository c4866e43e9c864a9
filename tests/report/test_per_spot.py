"""Per-spot outputs of the methods on the dataset's page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spatialweave.report.dataset_results import DatasetSources

from .page import dataset_page, unpack

pytestmark = pytest.mark.usefixtures("fast_umap")


def values_of(drawn: dict[str, Any]) -> np.ndarray:
    return drawn["low"] + unpack(drawn["steps"]) / 254 * (drawn["top"] - drawn["low"])


def test_per_spot_outputs(sources: DatasetSources, tmp_path: Path) -> None:
    page = dataset_page(sources, tmp_path)
    assert "Per-spot outputs of the method" in page.text
    data = page.data()
    runs = {(run["method"], run["seed"]): run["perSpot"] for run in data["runs"]}
    assert runs["pca_smooth", 1] is None
    shown = [seed for (method, seed), outputs in runs.items() if method == "smart" and outputs]
    best = data["runs"][data["best"]]["seed"]
    assert shown == sorted({1, best})
    outputs = runs["smart", 1]
    names = [column["name"] for column in outputs["extras"]]
    assert names[:3] == ["Weight of RNA", "Weight of protein (ADT)", "Weight of view rna spatial"]
    assert names[3:] == [f"Probability of cluster {k}" for k in range(1, 5)]
    region = unpack(data["labels"]["codes"])  # 4 = no label, of the first spot
    weights = values_of(outputs["extras"][1])[1:]
    assert weights == pytest.approx((region[1:] + 1) / 5, abs=3e-3)
    assert (outputs["extras"][0]["low"], outputs["extras"][0]["top"]) == (
        outputs["extras"][1]["low"],
        outputs["extras"][1]["top"],
    )
    assert values_of(outputs["extras"][5])[1:] == pytest.approx((region[1:] == 2).astype(float), abs=0.01)
    assert [column["name"] for column in outputs["denoised"]] == [f"{m}{k}" for m in ("rna", "adt") for k in range(6)]
    assert values_of(outputs["denoised"][7])[1:] == pytest.approx(np.where(region[1:] == 1, 2, -0.5), abs=0.01)


def test_measured_features_are_beside_their_own_denoised_ones(
    make_dataset: Callable[..., DatasetSources], tmp_path: Path
) -> None:
    """With names that HDF5 cannot hold too."""
    data = dataset_page(make_dataset(prefix="a/b "), tmp_path).data()
    by_name = {(feature["modality"], feature["name"]): feature for feature in data["features"]}
    compared = 0
    for column in data["runs"][data["best"]]["perSpot"]["denoised"]:
        assert column["name"].startswith("a/b ")
        measured = data["measured"][column["measured"]]
        assert measured["name"] == column["name"]
        same = by_name.get((column["modality"], column["name"]))
        if same:
            compared += 1
            assert unpack(measured["steps"]).tolist() == unpack(same["steps"]).tolist()
    assert compared > 3


def test_tables_of_many_columns_and_runs_are_cut(
    make_dataset: Callable[..., DatasetSources], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spatialweave.report.per_spot.MAX_VALUES", 1.5 * 144)
    data = dataset_page(make_dataset(n_domains=16, seeds=(1, 2, 3)), tmp_path).data()
    shown = [index for index, run in enumerate(data["runs"]) if run["perSpot"]]
    assert shown == [data["best"]]
    assert len(data["runs"][data["best"]]["perSpot"]["extras"]) == 12


def test_no_section_where_no_method_has_per_spot_outputs(
    make_dataset: Callable[..., DatasetSources], tmp_path: Path
) -> None:
    page = dataset_page(make_dataset(methods=("pca_smooth",)), tmp_path)
    assert "Per-spot outputs" not in page.text
    assert not [attrs for _, attrs in page.tags if attrs.get("id") == "per-spot"]
