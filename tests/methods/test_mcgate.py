"""MCGATE: what it learns, what each part does, and what must not matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from spatialweave.domains.mixture import tied_mixture
from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.methods import mcgate
from spatialweave.methods.mcgate import Config
from spatialweave.nn.edges import EdgeGraph
from spatialweave.nn.graph_attention import AttentionWeights, Neighbourhood
from spatialweave.presets import read_preset
from spatialweave.training.run import Run
from spatialweave.training.session import fit_preset

from .inputs import prepare_inputs

Tissue = Callable[..., Dataset]

SHORT = Config(epochs=10, step=4, n_dims=8, heads=2, alpha=0.3)


@pytest.fixture
def weak(tissue: Tissue) -> Dataset:
    """A tissue of three layers whose noise masks them in any single spot."""
    dataset = tissue(side=24)
    rng = np.random.default_rng(4)
    layer = dataset.obs["label"].astype(int).to_numpy()
    for m, name in enumerate(("rna", "adt")):
        latent = rng.normal(0, 0.2, (3, 20))[layer] + rng.normal(size=(dataset.n_spots, 20))
        dataset.modalities[m] = Modality(name, latent.astype(np.float32), np.ones(dataset.n_spots, dtype=bool))
    return dataset


def agreement(dataset: Dataset, embedding: np.ndarray) -> float:
    return adjusted_rand_score(dataset.obs["label"], tied_mixture(embedding, 3, seed=0).labels)


def permuted(dataset: Dataset, order: np.ndarray) -> Dataset:
    modalities = [Modality(m.name, m.latent[order], m.present[order]) for m in dataset.modalities]
    graphs = {name: graph[order][:, order].tocsr() for name, graph in dataset.graphs.items()}
    return replace(
        dataset,
        obs=dataset.obs.iloc[order],
        coordinates=dataset.coordinates[order],
        modalities=modalities,
        graphs=graphs,
    )


def encoder_of(dataset: Dataset, config: Config, run: Run) -> tuple[mcgate.McgateEncoder, Callable[[int], dict]]:
    inputs = prepare_inputs(dataset, config, run)
    network = mcgate.Mcgate(dataset.n_spots, sum(inputs.widths), config)
    network.reset_parameters(run.torch_generator())
    encoder = mcgate.McgateEncoder(dataset, network, config, run)
    terms, batch = mcgate.loss_terms(network), mcgate.Batch(inputs, encoder)
    return encoder, lambda epoch: terms(epoch, batch)


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("split", [False, True])
def test_planted_layers_are_found(tissue: Tissue, run: Run, heads: int, split: bool) -> None:
    dataset = tissue(side=16)
    fitted = mcgate.fit(dataset, Config(epochs=60, step=20, heads=heads, split_input=split), run)
    assert agreement(dataset, fitted.embedding) > 0.9


def test_training_finds_what_few_random_dimensions_miss(weak: Dataset, run: Run) -> None:
    # One head: cosines of two dimensions would say little.
    config = Config(n_dims=4, heads=1, epochs=120)
    scores = {
        epochs: np.mean(
            [
                agreement(weak, mcgate.fit(weak, replace(config, epochs=epochs), replace(run, seed=seed)).embedding)
                for seed in range(2)
            ]
        )
        for epochs in (0, 120)
    }
    assert scores[120] > scores[0] + 0.1
    assert scores[120] > 0.6


def test_loss_on_hidden_spots_falls_and_stays_above_the_noise(weak: Dataset, run: Run) -> None:
    losses = mcgate.fit(weak, Config(epochs=80), run).record["losses"]
    for name in ("rna", "adt"):
        values = losses[f"reconstruction_{name}"]
        assert np.mean(values[-5:]) < 0.98 * np.mean(values[:3])
        # Noise of variance 1 on a signal of variance 0.2 at most: what is predicted cannot be the spots' own noise.
        assert np.mean(values[-5:]) > 0.75


def test_overfits_a_tiny_tissue(tissue: Tissue, run: Run) -> None:
    """Where it may see what it rebuilds, and has more dimensions than features."""
    config = Config(epochs=300, learning_rate=1e-2, mask_fraction=0, max_rounds=0, alpha=0)
    values = mcgate.fit(tissue(side=5), config, run).record["losses"]["total"]
    assert values[-1] < 0.05 * values[0], values[-1]


@pytest.mark.parametrize("n_hidden", ["none", "12", "16-12"])
def test_every_weight_gets_a_gradient(tissue: Tissue, run: Run, n_hidden: str) -> None:
    encoder, terms = encoder_of(tissue(), replace(SHORT, step=1, n_hidden=n_hidden), run)
    # The first epoch has no embedding yet to find patterns and long-range neighbours in.
    terms(1)
    values = terms(2)
    assert encoder.around.pattern is not None and encoder.around.distant is not None
    torch.stack(list(values.values())).sum().backward()
    assert set(values) == {"reconstruction_rna", "reconstruction_adt"}
    for name, parameter in encoder.network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 1e-7, name


@pytest.mark.parametrize("names", [("rna",), ("rna", "adt"), ("rna", "adt", "atac")])
@pytest.mark.parametrize("split", [False, True])
def test_one_two_and_three_modalities(tissue: Tissue, run: Run, names: tuple[str, ...], split: bool) -> None:
    dataset = tissue(names=names)
    fitted = mcgate.fit(dataset, replace(SHORT, heads=4, split_input=split), run)
    assert fitted.embedding.shape == (144, 8) and fitted.embedding.dtype == np.float32
    assert np.isfinite(fitted.embedding).all() and fitted.record["epochs"] == 10
    assert set(fitted.record["losses"]) == {"total", *(f"reconstruction_{name}" for name in names)}
    assert {name: values.shape for name, values in fitted.denoised.items()} == {
        modality.name: modality.latent.shape for modality in dataset.modalities
    }


@pytest.mark.parametrize(
    "left_out", [{"local_pattern": False}, {"alpha": 0.0}, {"feed_forward": False}, {"temperature": 1e6}]
)
def test_every_part_changes_the_result(tissue: Tissue, run: Run, left_out: dict) -> None:
    whole = mcgate.fit(tissue(), SHORT, run)
    without = mcgate.fit(tissue(), replace(SHORT, **left_out), run)
    changes = [np.corrcoef(a, b)[0, 1] for a, b in zip(whole.embedding.T, without.embedding.T, strict=True)]
    assert min(changes) < 0.9999
    assert whole.record["losses"]["total"][-1] != without.record["losses"]["total"][-1]


def test_like_neighbours_get_more_attention(tissue: Tissue, run: Run) -> None:
    dataset = tissue(side=16)
    config = Config(epochs=40, step=20, temperature=0.5)
    encoder, terms = encoder_of(dataset, config, run)
    inputs = prepare_inputs(dataset, config, run)
    for epoch in (1, 2):
        terms(epoch)
    weights = encoder.settle(torch.cat(inputs.seen(), dim=1), 2).attention[-1]
    graph, label = encoder.around.local, dataset.obs["label"].to_numpy()
    same = torch.as_tensor(label[graph.receivers] == label[graph.senders])
    mean_weight = weights.local.mean(dim=1)
    border = torch.isin(graph.receivers, graph.receivers[~same]) & (graph.receivers != graph.senders)
    assert mean_weight[border & same].mean() > 1.3 * mean_weight[border & ~same].mean()


def test_long_range_attention_is_sought_every_step_epochs(tissue: Tissue, run: Run) -> None:
    encoder, terms = encoder_of(tissue(), SHORT, run)
    seen = []
    for epoch in range(1, 11):
        terms(epoch)
        seen.append(encoder.around.distant)
    assert seen[:4] == [None] * 4
    assert all(graph is seen[4] for graph in seen[4:8]) and all(graph is seen[8] for graph in seen[8:])
    assert seen[4] is not seen[8] and seen[4].n_edges > 144


def test_settling_leaves_the_training_as_it_is(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    encoder, terms = encoder_of(dataset, SHORT, run)
    for epoch in range(1, 6):
        terms(epoch)
    trained, x = encoder.found.pairs, torch.cat(prepare_inputs(dataset, SHORT, run).seen(), dim=1)
    first, second = encoder.settle(x, 5), encoder.settle(x, 5)
    assert torch.equal(first.embedding, second.embedding)
    assert encoder.found.pairs is trained and trained is not None
    assert encoder.around.distant is not None and first.around.distant is not None
    assert encoder.around.distant.n_edges == trained.nnz + dataset.n_spots
    assert not np.array_equal(first.around.distant.senders, encoder.around.distant.senders)


def test_attention_table(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    table = mcgate.fit(dataset, SHORT, run).extras["attention"]
    assert table.index.equals(dataset.obs.index) and list(table) == ["itself", "neighbours", "long range"]
    np.testing.assert_allclose(table.sum(axis=1), 1, atol=1e-5)
    assert table.to_numpy().min() >= 0 and 0 < table["long range"].max() < 0.3
    assert list(mcgate.fit(dataset, replace(SHORT, alpha=0), run).extras["attention"]) == ["itself", "neighbours"]


def test_attention_table_by_hand() -> None:
    """Spot 0 has neighbour 1 and long-range neighbour 1; spot 1 has only itself."""
    graph = EdgeGraph(sparse.csr_matrix(np.array([[1.0, 1.0], [0.0, 1.0]])))
    weights = AttentionWeights(torch.tensor([[0.2], [0.8], [1.0]]), torch.tensor([[0.5], [0.5], [1.0]]))
    table = mcgate.attention_table(Neighbourhood(graph, None, graph, alpha=0.4), weights, ["a", "b"])
    np.testing.assert_allclose(table.to_numpy(), [[0.6 * 0.2 + 0.4 * 0.5, 0.6 * 0.8, 0.4 * 0.5], [1, 0, 0]], atol=1e-6)


def test_order_of_spots_does_not_matter(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    order = np.random.default_rng(0).permutation(dataset.n_spots)
    config = replace(SHORT, mask_fraction=0, max_rounds=0, epochs=3, step=2)
    first = mcgate.fit(dataset, config, run).embedding
    second = mcgate.fit(permuted(dataset, order), config, run).embedding
    np.testing.assert_allclose(second, first[order], atol=2e-3)


def test_same_seed_same_embedding_other_seed_another(tissue: Tissue, run: Run) -> None:
    one, two = (mcgate.fit(tissue(), SHORT, run).embedding for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(mcgate.fit(tissue(), SHORT, replace(run, seed=12)).embedding - one).max() > 1e-3


@pytest.mark.parametrize("killed_at", [3, 5, 7, 10])
def test_resumed_equals_undisturbed(tissue: Tissue, run: Run, tmp_path: Path, killed_at: int) -> None:
    """Before, at and between the epochs in which long-range neighbours are sought (5 and 9), and in the last."""
    expected = mcgate.fit(tissue(), SHORT, run)

    def kill(line: str) -> None:
        if line.startswith(f"epoch {killed_at:2d}"):
            raise KeyboardInterrupt

    resuming = replace(run, checkpoint=tmp_path / "c.pt", checkpoint_seconds=0.0, progress_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        mcgate.fit(tissue(), SHORT, replace(resuming, log=kill))
    lines: list[str] = []
    fitted = mcgate.fit(tissue(), SHORT, replace(resuming, log=lines.append))
    assert any(f"resuming after epoch {killed_at - 1}" in line for line in lines)
    np.testing.assert_array_equal(fitted.embedding, expected.embedding)
    assert fitted.record["losses"] == expected.record["losses"]
    # All epochs are done already: nothing is trained, and the result is the same.
    again = mcgate.fit(tissue(), SHORT, resuming)
    np.testing.assert_array_equal(again.embedding, expected.embedding)


def test_missing_spots_are_embedded_and_their_rows_do_not_matter(tissue: Tissue, run: Run) -> None:
    dataset = tissue(missing=0.4)
    first = mcgate.fit(dataset, SHORT, run)
    adt = dataset.modalities[1]
    filled = np.where(adt.present[:, None], adt.latent, np.float32(1e3))
    dataset.modalities[1] = Modality(adt.name, filled, adt.present)
    np.testing.assert_array_equal(first.embedding, mcgate.fit(dataset, SHORT, run).embedding)
    assert np.isfinite(first.embedding).all() and first.embedding[~adt.present].std(axis=0).min() > 0


def test_denoised_latents_are_nearer_to_the_truth(tissue: Tissue, run: Run) -> None:
    rng = np.random.default_rng(4)
    dataset = tissue(side=20)
    layer = dataset.obs["label"].astype(int).to_numpy()
    truth = 20 * rng.normal(0, 1, (3, 10))[layer] + 100
    noisy = (truth + 20 * rng.normal(size=truth.shape)).astype(np.float32)
    dataset.modalities[1] = Modality("adt", noisy, np.ones(dataset.n_spots, dtype=bool))
    found = mcgate.fit(dataset, Config(epochs=150), run).denoised["adt"]
    assert found.dtype == np.float32
    assert np.mean((found - truth) ** 2) < 0.4 * np.mean((noisy - truth) ** 2)


def test_degenerate_modalities_are_survived(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    constant = np.full((dataset.n_spots, 3), 7, dtype=np.float32)
    for present in (True, False):
        dataset.modalities[1] = Modality("adt", constant, np.full(dataset.n_spots, present))
        assert np.isfinite(mcgate.fit(dataset, SHORT, run).embedding).all()


def test_widths_that_the_heads_do_not_divide_are_refused(tissue: Tissue, run: Run) -> None:
    for changed, name in (({"n_dims": 10}, "n_dims"), ({"n_hidden": "8-6"}, "n_hidden")):
        with pytest.raises(InputError, match=f"'{name}'.*heads = 4"):
            mcgate.fit(tissue(), replace(SHORT, heads=4, **changed), run)


@pytest.mark.parametrize("n_hidden", ["wide", "12-", "-12", "1.5", "100000"])
def test_hidden_widths_that_are_none_are_refused(tissue: Tissue, run: Run, n_hidden: str) -> None:
    with pytest.raises(InputError, match=f"'n_hidden'.*'{n_hidden}'"):
        mcgate.fit(tissue(), replace(SHORT, n_hidden=n_hidden), run)


def test_a_missing_graph_is_refused(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    dataset.graphs = {}
    with pytest.raises(InputError, match="spatial_connectivities"):
        mcgate.fit(dataset, SHORT, run)


@pytest.mark.parametrize("preset", ["hexagonal", "cells", "codex"])
def test_published_presets_run(tissue: Tissue, run: Run, project: Path, preset: str) -> None:
    published = read_preset(project / "assets" / "methods" / "mcgate_paper.yml")
    fitted = fit_preset(tissue(side=6), published, run, preset, ["epochs=3", "step=2"])
    assert fitted.embedding.shape == (36, 32)
    # Nothing is masked, and the input is the plain latents.
    assert fitted.record["config"]["mask_fraction"] == 0
    assert fitted.record["receptive_field"]["rna"] == {"rounds": 0, "explained": []}
    assert ("long range" in fitted.extras["attention"]) == (preset == "codex")
