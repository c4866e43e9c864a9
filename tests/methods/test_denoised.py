"""What methods rebuild of the latents: in the latents' own units, and nearer to the truth than what was measured."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import sparse

from spatialweave.io.dataset import Dataset, Modality
from spatialweave.methods import smart
from spatialweave.nn.propagation import Propagation, neighbour_mean
from spatialweave.training.masking import InputConfig, prepare_input
from spatialweave.training.run import Run

Tissue = Callable[..., Dataset]


def averaging(n_spots: int) -> Propagation:
    """Every spot is its own mean."""
    return neighbour_mean(sparse.identity(n_spots, dtype=np.float32, format="csr"))


@pytest.mark.parametrize("power", [0.0, 0.5, 1.0])
def test_units_come_back_by_undoing_the_scaling(power: float, run: Run) -> None:
    rng = np.random.default_rng(0)
    latent = (rng.normal(size=(60, 5)) * [9, 3, 1, 0.1, 0] + [4, -50, 0, 1, 7]).astype(np.float32)
    present = np.arange(60) % 4 > 0
    config = InputConfig(scale_power=power)
    modality = Modality("rna", latent * present[:, None], present)
    one = prepare_input(modality, averaging(60), config, rng, run.device)
    assert one.features[present].square().mean() == pytest.approx(1, rel=1e-5)
    sd = latent[present].std(axis=0, dtype=np.float64)[:4]
    shape = one.features[present].numpy().std(axis=0)[:4]
    np.testing.assert_allclose(shape / shape[0], (sd / sd[0]) ** power, rtol=1e-4)
    back = one.to_latents(one.features)
    np.testing.assert_allclose(back[present], latent[present], rtol=1e-5, atol=1e-5)
    # Zero is the mean of the measured spots, for those where the modality is missing too.
    np.testing.assert_allclose(back[~present], np.tile(latent[present].mean(axis=0), (15, 1)), rtol=1e-5)
    assert back.dtype == np.float32


def test_a_modality_without_spots_is_zero(run: Run) -> None:
    nothing = Modality("adt", np.zeros((4, 2), np.float32), np.zeros(4, dtype=bool))
    one = prepare_input(nothing, averaging(4), InputConfig(), run.numpy_generator(), run.device)
    assert (one.to_latents(torch.ones(4, 2)) == 0).all()


def test_smart_takes_noise_away_and_fills_in_what_is_missing(tissue: Tissue, run: Run) -> None:
    rng = np.random.default_rng(4)
    dataset = tissue(side=20)
    layer = dataset.obs["label"].astype(int).to_numpy()
    truths = {}
    for m, (name, size) in enumerate((("rna", 1.0), ("adt", 20.0))):
        truths[name] = size * rng.normal(0, 1, (3, 10))[layer] + 5 * size
        present = rng.random(dataset.n_spots) > (0.3 if m else 0)
        noisy = truths[name] + size * rng.normal(size=truths[name].shape)
        dataset.modalities[m] = Modality(name, (noisy * present[:, None]).astype(np.float32), present)
    fitted = smart.fit(dataset, smart.Config(epochs=80), run)
    for modality in dataset.modalities:
        truth, found = truths[modality.name], fitted.denoised[modality.name]
        assert found.shape == modality.latent.shape and found.dtype == np.float32
        noise = np.mean((modality.latent - truth)[modality.present] ** 2)
        assert np.mean((found - truth)[modality.present] ** 2) < 0.5 * noise
        missing = ~modality.present
        if missing.any():
            variance = np.mean((truth - truth.mean(axis=0))[missing] ** 2)
            assert np.mean((found - truth)[missing] ** 2) < 0.5 * variance
