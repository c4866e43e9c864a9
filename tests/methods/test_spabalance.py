"""SpaBalance on small tissues."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from spatialweave.domains.mixture import tied_mixture
from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.method import Fitted
from spatialweave.methods import spabalance
from spatialweave.presets import read_preset
from spatialweave.training.outputs import check_denoised, check_extra
from spatialweave.training.run import Run

from .spabalance_setup import PLAIN, SHORT, Tissue


def fit(dataset: Dataset, config: spabalance.Config, run: Run) -> Fitted:
    """As the TRAIN stage does it."""
    torch.manual_seed(run.seed)
    return spabalance.fit(dataset, config, run)


def permuted(dataset: Dataset, order: np.ndarray) -> Dataset:
    """The same tissue with its spots in another order."""
    modalities = [Modality(m.name, m.latent[order], m.present[order]) for m in dataset.modalities]
    graphs = {key: sparse.csr_matrix(graph[order][:, order]) for key, graph in dataset.graphs.items()}
    return Dataset(
        dataset.name, dataset.obs.iloc[order], dataset.coordinates[order], modalities, graphs, dataset.layout
    )


@pytest.mark.parametrize("names", [("rna",), ("rna", "adt"), ("rna", "adt", "atac")])
def test_one_two_and_three_modalities(tissue: Tissue, run: Run, names: tuple[str, ...]) -> None:
    dataset = tissue(names=names)
    fitted = fit(dataset, SHORT, run)
    assert fitted.embedding.shape == (144, 8) and fitted.embedding.dtype == np.float32
    assert np.isfinite(fitted.embedding).all()
    weights = fitted.extras["modality_weights"]
    check_extra("modality_weights", weights, dataset)
    assert list(weights.columns) == list(names)
    for name, latent in fitted.denoised.items():
        check_denoised(name, latent, dataset)
    assert set(fitted.denoised) == set(names)
    cross = [name for name in fitted.record["losses"] if name.startswith(("consistency", "barlow"))]
    assert len(cross) == {1: 0, 2: 3, 3: 9}[len(names)]


def test_order_of_spots_does_not_matter(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    order = np.random.default_rng(0).permutation(dataset.n_spots)
    config = replace(PLAIN, epochs=3, infomax_weight=0.0, dropout=0.0)
    one, two = fit(dataset, config, run), fit(permuted(dataset, order), config, run)
    np.testing.assert_allclose(two.embedding, one.embedding[order], atol=1e-4)
    pd.testing.assert_frame_equal(two.extras["modality_weights"], one.extras["modality_weights"].iloc[order], atol=1e-4)


def test_same_seed_same_embedding_other_seed_another(tissue: Tissue, run: Run) -> None:
    one, two = (fit(tissue(), SHORT, run).embedding for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(fit(tissue(), SHORT, replace(run, seed=12)).embedding - one).max() > 1e-3


@pytest.mark.parametrize("killed_at", [3, 8])
def test_resumed_equals_undisturbed(
    tissue: Tissue, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    undisturbed = fit(tissue(), SHORT, run)
    saving = replace(run, checkpoint=tmp_path / "run.pt", checkpoint_seconds=0.0)
    real = spabalance.shuffles

    def killed(present: list[torch.Tensor], run: Run, epoch: int) -> list[torch.Tensor]:
        if epoch == killed_at:
            raise KeyboardInterrupt
        return real(present, run, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(spabalance, "shuffles", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(tissue(), SHORT, saving)
    resumed = fit(tissue(), SHORT, saving)
    np.testing.assert_array_equal(resumed.embedding, undisturbed.embedding)
    assert resumed.record["losses"] == undisturbed.record["losses"]


def test_missing_spots_are_embedded_and_their_rows_do_not_matter(tissue: Tissue, run: Run) -> None:
    dataset = tissue(missing=0.4)
    first = fit(dataset, SHORT, run).embedding
    adt = dataset.modalities[1]
    filled = np.where(adt.present[:, None], adt.latent, np.float32(1e3))
    dataset.modalities[1] = Modality(adt.name, filled, adt.present)
    np.testing.assert_array_equal(first, fit(dataset, SHORT, run).embedding)
    assert np.isfinite(first).all() and first[~adt.present].std(axis=0).min() > 0


def test_degenerate_modalities_are_survived(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    constant = np.full((dataset.n_spots, 3), 7, dtype=np.float32)
    for present in (np.ones(dataset.n_spots, dtype=bool), np.zeros(dataset.n_spots, dtype=bool)):
        dataset.modalities[1] = Modality("adt", constant, present)
        assert np.isfinite(fit(dataset, SHORT, run).embedding).all()


@pytest.mark.parametrize(
    "left_out",
    [
        {"balance": "none"},
        {"heads": 0},
        {"infomax_weight": 0.0},
        {"consistency_weight": 0.0},
        {"barlow_weight": 0.0},
        {"uncertainty_from": 1.0},
        {"nonlinear_strength": 0.0},
        {"gate_strength": 0.0},
        {"spatial_fraction": 1.0},
        {"mask_fraction": 0.0},
    ],
)
def test_every_part_makes_a_difference(tissue: Tissue, run: Run, left_out: dict[str, float]) -> None:
    # Each modality has layers of its own, so that their losses conflict.
    dataset = tissue()
    rng = np.random.default_rng(1)
    column = (dataset.coordinates[:, 0] // 4).astype(int)
    other = rng.normal(0, 3, (3, 9))[column] + rng.normal(size=(dataset.n_spots, 9))
    dataset.modalities[1] = Modality("adt", other.astype(np.float32), np.ones(dataset.n_spots, dtype=bool))
    full = replace(SHORT, epochs=30, learning_rate=0.02)
    with_it = fit(dataset, full, run).embedding
    without = fit(dataset, replace(full, **left_out), run).embedding
    variance = np.square(with_it - with_it.mean(axis=0)).sum()
    assert np.square(with_it - without).sum() > 1e-3 * variance


def test_overfits_a_tiny_tissue(tissue: Tissue, run: Run) -> None:
    dataset = tissue(side=5)
    # Convolutions make neighbours similar; without neighbours every spot's own noise can be learned.
    dataset.graphs = {key: sparse.csr_matrix((25, 25)) for key in dataset.graphs}
    config = replace(SHORT, epochs=250, mask_fraction=0.0, max_rounds=0, n_dims=16, learning_rate=0.03)
    losses = fit(dataset, config, run).record["losses"]
    for name in ("rna", "adt"):
        values = losses[f"reconstruction_{name}"]
        assert values[-1] < 0.1 * values[0]


def test_planted_domains_are_found(tissue: Tissue, run: Run) -> None:
    dataset = tissue(side=18)
    fitted = fit(dataset, spabalance.Config(), run)
    found = tied_mixture(fitted.embedding, 3, seed=0).labels
    assert adjusted_rand_score(dataset.obs["label"], found) > 0.95
    for modality in dataset.modalities:
        # Denoised latents are closer to the layers' means than the latents are.
        labels = dataset.obs["label"].to_numpy()
        means = np.stack([modality.latent[labels == label].mean(axis=0) for label in labels])
        errors = [np.square(x - means).mean() for x in (fitted.denoised[modality.name], modality.latent)]
        assert errors[0] < errors[1]


def test_heads_that_do_not_divide_and_missing_graphs_are_refused(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    with pytest.raises(InputError, match="heads"):
        spabalance.fit(dataset, replace(SHORT, heads=3), run)
    for key in ("rna_connectivities", "spatial_connectivities"):
        del dataset.graphs[key]
        with pytest.raises(InputError, match=key):
            spabalance.fit(dataset, SHORT, run)


@pytest.mark.parametrize("name", ["spabalance", "spabalance_paper"])
def test_presets_are_settings(project: Path, name: str) -> None:
    from spatialweave.settings import configure

    preset = read_preset(project / "assets" / "methods" / f"{name}.yml")
    for settings in ({}, *preset.presets.values()):
        config = configure(spabalance.Config, name, preset.config, settings)
        assert config.n_dims % config.heads == 0
