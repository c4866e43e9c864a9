"""Every method on a pretended GPU: nothing mixes devices, and the result is that of the CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from spatialweave.graphs.build import feature_distances
from spatialweave.graphs.matrices import symmetrise
from spatialweave.graphs.recipe import FeatureRecipe
from spatialweave.graphs.spatial import knn
from spatialweave.io.dataset import Dataset
from spatialweave.method import Fitted, load_method
from spatialweave.presets import read_preset
from spatialweave.settings import configure
from spatialweave.training.run import Run
from spatialweave.training.tiles import local

from .pretended_gpu import DEVICE, PretendedError, pretended

NATIVE = {
    "smart", "smart_ms", "smart_paper", "smart_ms_paper", "spamo", "spabalance", "spamca", "mcgate", "spatialfuser"
}  # fmt: skip
SHORT = {"epochs": 2, "fusion_epochs": 2, "match_step": 1, "step": 1, "max_rounds": 1, "mask_fraction": 0.5}
SIDE, BATCH = 12, 120
RECIPE = {"k": 8, "metric": "correlation", "rounds": 1}


SEVERAL = {"smart_ms", "smart_ms_paper", "spatialfuser", "spatialfuser_paper"}
"""Methods that join sections."""

PRESETS = Path(__file__).resolve().parents[2] / "assets" / "methods"


def native_presets() -> list[str]:
    return sorted(path.stem for path in PRESETS.glob("*.yml") if read_preset(path).module in NATIVE)


def by_tiles(name: str) -> bool:
    return "batch_spots" in load_method(read_preset(PRESETS / f"{name}.yml").module).Config.__dataclass_fields__


@pytest.fixture(scope="module")
def corner(demo: Callable[[str], Dataset]) -> Dataset:
    """A corner of the demo tissue, with all graphs."""
    whole = demo("tissue")
    corner = np.flatnonzero((whole.coordinates - whole.coordinates.min(axis=0) < SIDE * spacing(whole)).all(axis=1))
    cut = local(whole, corner)
    return graphed(replace(cut, modalities=cut.modalities[:2]))


@pytest.fixture(scope="module")
def two(corner: Dataset) -> Dataset:
    """Its two halves as sections that lie over each other."""
    first = corner.coordinates[:, 1] < np.median(corner.coordinates[:, 1])
    points = corner.coordinates.copy()
    for own in (first, ~first):
        points[own] -= points[own].min(axis=0)
    obs = corner.obs.assign(section=pd.Categorical(np.where(first, "one", "two")))
    return graphed(replace(corner, obs=obs, coordinates=points, aligned=points.copy()))


def spacing(dataset: Dataset) -> float:
    return float(np.median(dataset.spatial_distances().data))


def graphed(dataset: Dataset) -> Dataset:
    distances = knn(dataset.coordinates, dataset.obs["section"].to_numpy().astype(str), 6)
    graphs = {"spatial_distances": distances, "spatial_connectivities": symmetrise(distances)}
    for one in dataset.modalities:
        found = feature_distances(one, FeatureRecipe(**RECIPE), graphs["spatial_connectivities"])
        graphs |= {f"{one.name}_distances": found, f"{one.name}_connectivities": symmetrise(found)}
    return replace(dataset, graphs=graphs, graph_recipe={"features": RECIPE})


def fitted(dataset: Dataset, name: str, options: dict[str, Any], device: str) -> tuple[Fitted, Fitted | None]:
    """A short training by a preset's settings, and the same spots embedded by what it saves."""
    preset = read_preset(PRESETS / f"{name}.yml")
    method = load_method(preset.module)
    known = {key: value for key, value in options.items() if key in method.Config.__dataclass_fields__}
    config = configure(method.Config, name, preset.config, known, {})
    torch.manual_seed(0)
    found = method.fit(dataset, config, Run(device, log=lambda line: None))
    if not (found.state and hasattr(method, "embed")):
        return found, None
    return found, method.embed(dataset, config, Run(device, log=lambda line: None), found.state)


@pytest.mark.parametrize("batch_spots", [0, BATCH])
@pytest.mark.parametrize("name", native_presets())
def test_no_method_mixes_devices(corner: Dataset, two: Dataset, name: str, batch_spots: int) -> None:
    if batch_spots and not by_tiles(name):
        pytest.skip("it trains on all spots at once")
    dataset, options = two if name in SEVERAL else corner, SHORT | {"batch_spots": batch_spots}
    with pretended():
        found, again = fitted(dataset, name, options, DEVICE)
    expected, expected_again = fitted(dataset, name, options, "cpu")
    np.testing.assert_allclose(found.embedding, expected.embedding, rtol=1e-4, atol=1e-4)
    assert (again is None) == (expected_again is None)
    if again is not None and expected_again is not None:
        np.testing.assert_allclose(again.embedding, expected_again.embedding, rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("batch_spots", [0, BATCH])
@pytest.mark.parametrize("name", sorted(NATIVE))
def test_a_gpu_trains_like_the_cpu(
    corner: Dataset, two: Dataset, monkeypatch: pytest.MonkeyPatch, name: str, batch_spots: int
) -> None:
    """The same numbers every time, and those of the CPU, but for rounding, which Adam's first steps enlarge."""
    if batch_spots and not by_tiles(name):
        pytest.skip("it trains on all spots at once")
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True)
    try:
        dataset, options = two if name in SEVERAL else corner, SHORT | {"batch_spots": batch_spots}
        one, again, expected = (fitted(dataset, name, options, device)[0] for device in ("cuda", "cuda", "cpu"))
    finally:
        torch.use_deterministic_algorithms(False)
    np.testing.assert_array_equal(one.embedding, again.embedding)
    size = np.abs(expected.embedding).max()
    np.testing.assert_allclose(one.embedding, expected.embedding, rtol=0, atol=0.02 * size)


def test_the_host_waits_a_few_times_per_part(corner: Dataset) -> None:
    """SpaBalance fetches the losses and the products of gradients of a part, and asks for each of two modalities
    whose input is not averaged whether all its spots are visible; all else is known once a part is made."""
    waits = {}
    for epochs in (1, 2):
        with pretended() as traffic:
            fitted(corner, "spabalance", SHORT | {"batch_spots": BATCH, "epochs": epochs}, DEVICE)
            waits[epochs] = traffic.waits
    parts = 4
    # The second update may be the first to use one of the five parts.
    assert waits[2] - waits[1] <= parts * (2 + 2) + 6


def test_what_cuda_refuses_is_refused() -> None:
    with pretended() as traffic:
        on_gpu, on_cpu = torch.ones(3, device=DEVICE), torch.ones(3)
        layer = torch.nn.Linear(3, 2).to(DEVICE)
        layer(on_gpu).sum().backward()
        assert layer.weight.grad is not None and layer.weight.grad.device.type == DEVICE
        with pytest.raises(PretendedError, match="same device"):
            on_gpu + on_cpu
        with pytest.raises(PretendedError, match="indices should be"):
            on_cpu[torch.arange(2, device=DEVICE)]
        with pytest.raises(RuntimeError, match="numpy"):
            np.asarray(on_gpu)
        with pytest.raises(PretendedError, match="generator"):
            torch.nn.init.xavier_normal_(layer.weight, generator=torch.Generator())
        with pytest.raises(PretendedError, match="deterministic"):
            on_gpu.cumsum(0)
        assert traffic.waits == 0
        assert float(on_gpu.sum()) == 3 and on_gpu[on_gpu > 0].shape == (3,) and on_gpu.cpu().tolist() == [1, 1, 1]
        assert traffic.waits == 3
