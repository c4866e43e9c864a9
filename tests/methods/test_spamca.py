"""SpaMCA: what training finds, its outputs, and what does not change them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import entropy
from sklearn.metrics import adjusted_rand_score, homogeneity_score

from spatialweave.domains.mixture import tied_mixture
from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.methods import spamca
from spatialweave.training.loop import train
from spatialweave.training.outputs import check_denoised, check_extra
from spatialweave.training.run import Run

Tissue = Callable[..., Dataset]

SHORT = spamca.Config(epochs=10, n_dims=8, n_clusters=4)

PLAIN: dict[str, Any] = {"mask_fraction": 0.0, "max_rounds": 0, "scale_power": 1.0}
"""Inputs as they are: nothing drawn at random, nothing averaged."""


def agreement(dataset: Dataset, embedding: np.ndarray) -> float:
    return adjusted_rand_score(dataset.obs["label"], tied_mixture(embedding, 3, seed=0).labels)


def test_only_the_released_variant_masks_at_inference(tissue: Tissue, run: Run) -> None:
    def embedding(variant: str, fraction: float) -> np.ndarray:
        config = replace(SHORT, variant=variant, mask_fraction=fraction, max_rounds=0, epochs=0)
        return spamca.fit(tissue(), config, run).embedding

    for variant in ("tuned", "paper"):
        np.testing.assert_array_equal(embedding(variant, 0.0), embedding(variant, 0.5))
    assert np.abs(embedding("released", 0.0) - embedding("released", 0.5)).max() > 0.1
    np.testing.assert_array_equal(embedding("released", 0.5), embedding("released", 0.5))
    np.testing.assert_allclose(embedding("released", 0.0), embedding("paper", 0.0), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(embedding("paper", 0.0), axis=1), 1, rtol=1e-5)


def test_finds_planted_domains_with_embedding_and_clusters(tissue: Tissue, run: Run) -> None:
    dataset = tissue(side=18)
    fitted = spamca.fit(dataset, spamca.Config(), run)
    assert agreement(dataset, fitted.embedding) > 0.9
    assigned = fitted.extras["cluster_probabilities"].to_numpy().argmax(axis=1)
    assert homogeneity_score(dataset.obs["label"], assigned) > 0.8


def test_masked_spots_help_on_a_weak_signal(tissue: Tissue, run: Run) -> None:
    """Noise masks the layers in any single spot: an autoencoder that sees what it rebuilds learns the noise."""
    dataset = tissue(side=24)
    rng = np.random.default_rng(4)
    layer = dataset.obs["label"].astype(int).to_numpy()
    for m, name in enumerate(("rna", "adt")):
        latent = rng.normal(0, 0.2, (3, 20))[layer] + rng.normal(size=(dataset.n_spots, 20))
        dataset.modalities[m] = Modality(name, latent.astype(np.float32), np.ones(dataset.n_spots, dtype=bool))
        # Not the fixture's own, which was built on latents that separate the layers.
        dataset.graphs[f"{name}_connectivities"] = dataset.graphs["spatial_connectivities"]
    default, plain = (spamca.fit(dataset, spamca.Config(epochs=60, **extra), run).embedding for extra in ({}, PLAIN))
    assert agreement(dataset, default) > max(0.85, agreement(dataset, plain) + 0.1)


def test_what_the_heads_are_for_comes_about(tissue: Tissue, run: Run) -> None:
    config = spamca.Config(epochs=100, instance_weight=1.0, cluster_weight=1.0, target_weight=1.0)
    losses = spamca.fit(tissue(), config, run).record["losses"]
    for name in ("instance", "cluster", "target"):
        assert np.mean(losses[name][-5:]) < 0.8 * losses[name][0], name


def test_view_weights_differ_between_views_and_spots(tissue: Tissue, run: Run) -> None:
    weights = spamca.fit(tissue(side=18), spamca.Config(), run).extras["view_weights"].to_numpy()
    for view in (weights[:, :2], weights[:, 2:]):
        np.testing.assert_allclose(view.sum(axis=1), 1, atol=1e-5)
        assert entropy(view, axis=1).mean() < 0.98 * np.log(2)
        assert view.std(axis=0).min() > 0.01


def test_no_weights_collapse(tissue: Tissue, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    norms = []

    def watched(network: torch.nn.Module, *rest: Any, **named: Any) -> Any:
        before = [weights.norm().item() for weights in network.parameters()]
        history = train(network, *rest, **named)
        norms.extend(zip(before, (weights.norm().item() for weights in network.parameters()), strict=True))
        return history

    monkeypatch.setattr(spamca, "train", watched)
    spamca.fit(tissue(), spamca.Config(), run)
    assert len(norms) > 10
    assert all(after >= 0.1 * before for before, after in norms)


@pytest.mark.parametrize("name", ["reconstruction", "instance", "cluster", "target"])
def test_each_loss_shapes_the_embedding(tissue: Tissue, run: Run, name: str) -> None:
    whole = spamca.fit(tissue(), SHORT, run).embedding
    without = spamca.fit(tissue(), replace(SHORT, **dict[str, Any]({f"{name}_weight": 0.0})), run).embedding
    assert np.abs(whole - without).max() > 1e-3


@pytest.mark.parametrize("graph", ["spatial", "rna", "adt"])
def test_each_graph_shapes_the_embedding(tissue: Tissue, run: Run, graph: str) -> None:
    dataset = tissue()
    whole = spamca.fit(dataset, SHORT, run).embedding
    shuffled = np.random.default_rng(0).permutation(dataset.n_spots)
    key = f"{graph}_connectivities"
    dataset.graphs[key] = dataset.graphs[key][shuffled][:, shuffled]
    assert np.abs(whole - spamca.fit(dataset, SHORT, run).embedding).max() > 1e-2


def test_outputs_beside_the_embedding(tissue: Tissue, run: Run) -> None:
    dataset = tissue(missing=0.3)
    fitted = spamca.fit(dataset, SHORT, run)
    for key, entries in fitted.extras.items():
        check_extra(key, entries, dataset)
    for name, latent in fitted.denoised.items():
        check_denoised(name, latent, dataset)
    views = fitted.extras["view_weights"]
    assert list(views.columns) == ["rna spatial", "rna features", "adt spatial", "adt features"]
    for name in ("rna", "adt"):
        np.testing.assert_allclose(views[f"{name} spatial"] + views[f"{name} features"], 1, atol=1e-6)
    assert list(fitted.extras["cluster_probabilities"].columns) == ["1", "2", "3", "4"]
    assert set(fitted.denoised) == set(fitted.record["receptive_field"]) == {"rna", "adt"}


def test_rebuilds_latents_in_their_units(tissue: Tissue, run: Run) -> None:
    dataset = tissue(side=18)
    rna = dataset.modalities[0]
    dataset.modalities[0] = Modality(rna.name, 5 * rna.latent + 40, rna.present)
    rebuilt = spamca.fit(dataset, spamca.Config(), run).denoised["rna"]
    error = np.square(rebuilt - dataset.modalities[0].latent).mean()
    assert error < 0.4 * dataset.modalities[0].latent.var(axis=0).mean()


@pytest.mark.parametrize("names", [("rna",), ("rna", "adt"), ("rna", "adt", "atac")])
def test_one_two_and_three_modalities(tissue: Tissue, run: Run, names: tuple[str, ...]) -> None:
    dataset = tissue(names=names)
    fitted = spamca.fit(dataset, replace(SHORT, epochs=60), run)
    assert fitted.embedding.shape == (144, 8) and fitted.embedding.dtype == np.float32
    assert fitted.record["epochs"] == 60
    assert agreement(dataset, fitted.embedding) > 0.8


def test_missing_spots_are_embedded_and_their_rows_do_not_matter(tissue: Tissue, run: Run) -> None:
    dataset = tissue(missing=0.4)
    first = spamca.fit(dataset, SHORT, run).embedding
    adt = dataset.modalities[1]
    filled = np.where(adt.present[:, None], adt.latent, np.float32(1e3))
    dataset.modalities[1] = Modality(adt.name, filled, adt.present)
    second = spamca.fit(dataset, SHORT, run)
    np.testing.assert_array_equal(first, second.embedding)
    assert np.isfinite(first).all() and first[~adt.present].std(axis=0).min() > 0


def test_order_of_spots_does_not_matter(tissue: Tissue, run: Run) -> None:
    dataset, config = tissue(), replace(SHORT, **PLAIN)
    order = np.random.default_rng(1).permutation(dataset.n_spots)
    turned = Dataset(
        dataset.name,
        dataset.obs.iloc[order],
        dataset.coordinates[order],
        [Modality(m.name, m.latent[order], m.present[order]) for m in dataset.modalities],
        {key: graph[order][:, order] for key, graph in dataset.graphs.items()},
        dataset.layout,
    )
    first, second = spamca.fit(dataset, config, run), spamca.fit(turned, config, run)
    np.testing.assert_allclose(second.embedding, first.embedding[order], atol=1e-3)
    for key, entries in second.extras.items():
        pd.testing.assert_frame_equal(entries, first.extras[key].iloc[order], atol=1e-3, check_names=False)


def test_scale_and_offset_of_a_modality_do_not_matter(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    first = spamca.fit(dataset, SHORT, run).embedding
    rna = dataset.modalities[0]
    dataset.modalities[0] = Modality(rna.name, 64 * rna.latent + 128, rna.present)
    np.testing.assert_allclose(spamca.fit(dataset, SHORT, run).embedding, first, atol=1e-3)


def test_degenerate_modalities_are_survived(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    constant = np.full((dataset.n_spots, 3), 7, dtype=np.float32)
    for present in (np.ones, np.zeros):
        dataset.modalities[1] = Modality("adt", constant, present(dataset.n_spots, dtype=bool))
        assert np.isfinite(spamca.fit(dataset, SHORT, run).embedding).all()


@pytest.mark.parametrize("variant", ["tuned", "released"])
def test_same_seed_same_embedding_other_seed_another(tissue: Tissue, run: Run, variant: Any) -> None:
    config = replace(SHORT, variant=variant)
    one, two = (spamca.fit(tissue(), config, run).embedding for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(spamca.fit(tissue(), config, replace(run, seed=12)).embedding - one).max() > 1e-3


def test_resumed_equals_undisturbed(tissue: Tissue, run: Run, tmp_path: Path) -> None:
    config = replace(SHORT, epochs=12)
    expected = spamca.fit(tissue(), config, run)

    def kill(line: str) -> None:
        if line.startswith("epoch  7"):
            raise KeyboardInterrupt

    resuming = replace(run, checkpoint=tmp_path / "c.pt", checkpoint_seconds=0.0, progress_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        spamca.fit(tissue(), config, replace(resuming, log=kill))
    lines: list[str] = []
    fitted = spamca.fit(tissue(), config, replace(resuming, log=lines.append))
    assert any("resuming after epoch 6" in line for line in lines)
    np.testing.assert_array_equal(fitted.embedding, expected.embedding)
    assert fitted.record["losses"] == expected.record["losses"]


@pytest.mark.parametrize("graph", ["spatial", "adt"])
def test_a_missing_graph_is_refused(tissue: Tissue, run: Run, graph: str) -> None:
    dataset = tissue()
    del dataset.graphs[f"{graph}_connectivities"]
    with pytest.raises(InputError, match=f"{graph}_connectivities"):
        spamca.fit(dataset, SHORT, run)
