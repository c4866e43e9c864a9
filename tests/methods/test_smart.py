"""SMART's default variant: it trains, it learns from hidden spots, and training beats not training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from spatialweave.domains.mixture import tied_mixture
from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.methods import smart
from spatialweave.mining.beyond_window import mine_distant_triplets, within
from spatialweave.nn.hiding import explained_by_neighbours, network_input, smallest_sufficient, visible_average
from spatialweave.nn.propagation import Propagation, neighbour_mean
from spatialweave.training.hidden_inputs import hidden_spots, prepare_inputs
from spatialweave.training.run import Run

Tissue = Callable[..., Dataset]

SHORT = smart.Config(epochs=10, n_hidden=16, n_dims=8)


def path_graph(n_spots: int) -> sparse.csr_matrix:
    """Spots in a row, each beside the next."""
    return sparse.diags([1.0, 1.0], [-1, 1], shape=(n_spots, n_spots), format="csr")


def averaging(graph: sparse.csr_matrix) -> Propagation:
    return neighbour_mean((graph + sparse.identity(graph.shape[0])).tocsr())


@pytest.fixture
def weak(tissue: Tissue) -> Dataset:
    """A tissue of three layers whose noise hides them in any single spot."""
    dataset = tissue(side=24)
    rng = np.random.default_rng(4)
    layer = dataset.obs["label"].astype(int).to_numpy()
    for m, name in enumerate(("rna", "adt")):
        latent = rng.normal(0, 0.2, (3, 20))[layer] + rng.normal(size=(dataset.n_spots, 20))
        dataset.modalities[m] = Modality(name, latent.astype(np.float32), np.ones(dataset.n_spots, dtype=bool))
    return dataset


def agreement(dataset: Dataset, embedding: np.ndarray) -> float:
    return adjusted_rand_score(dataset.obs["label"], tied_mixture(embedding, 3, seed=0).labels)


def test_average_counts_visible_spots_only() -> None:
    values = torch.tensor([[1.0], [100.0], [3.0], [5.0]])
    visible = torch.tensor([True, False, True, True])
    average = visible_average(values, visible, averaging(path_graph(4)), rounds=1)
    # Spot 0 sees itself; 1 sees 0 and 2; 2 sees itself and 3; 3 sees 2 and itself.
    assert average[:, 0].tolist() == pytest.approx([1.0, 2.0, 4.0, 4.0])
    nobody = visible_average(values, torch.zeros(4, dtype=torch.bool), averaging(path_graph(4)), rounds=2)
    assert nobody.tolist() == [[0.0]] * 4


def test_without_rounds_a_visible_spot_keeps_its_value_and_a_hidden_one_takes_its_neighbours() -> None:
    values = torch.tensor([[1.0], [100.0], [3.0]])
    seen = network_input(values, torch.tensor([True, False, True]), averaging(path_graph(3)), rounds=0)
    assert seen[:, 0].tolist() == pytest.approx([1.0, 2.0, 3.0])


def test_a_hidden_spots_own_value_never_reaches_its_prediction() -> None:
    values = torch.randn(30, 4, generator=torch.Generator().manual_seed(0))
    hidden = torch.arange(30) % 3 == 0
    changed = torch.where(hidden[:, None], values + 50, values)
    for rounds in (0, 1, 3):
        one, two = (network_input(x, ~hidden, averaging(path_graph(30)), rounds) for x in (values, changed))
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize(("width", "wide"), [(3, False), (200, True)])
def test_receptive_field_grows_with_the_domains(width: int, wide: bool) -> None:
    # Noisy stripes along a row of spots: averaging over stripes of 3 is harmful beyond one round, over 200 it is not.
    rng = np.random.default_rng(0)
    stripes = rng.normal(size=(1200 // width, 6)).repeat(width, axis=0)
    noise = 3.0 if wide else 0.3
    values = torch.as_tensor(stripes + noise * rng.normal(size=stripes.shape), dtype=torch.float32)
    everywhere = torch.ones(1200, dtype=torch.bool)
    explained = explained_by_neighbours(values, everywhere, averaging(path_graph(1200)), 6, rng)
    rounds = smallest_sufficient(explained, 0.9)
    assert (rounds >= 4) if wide else (rounds == 1)


def test_pure_noise_is_not_explained() -> None:
    rng = np.random.default_rng(1)
    values = torch.as_tensor(rng.normal(size=(2000, 5)), dtype=torch.float32)
    everywhere = torch.ones(2000, dtype=torch.bool)
    assert explained_by_neighbours(values, everywhere, averaging(path_graph(2000)), 3, rng).max() < 0.01


def test_distant_triplets_match_a_brute_force_search() -> None:
    rng = np.random.default_rng(3)
    features, graph, n_nearest = rng.normal(size=(50, 3)).astype(np.float32), path_graph(50), 2
    anchors, positives, negatives = mine_distant_triplets(features, graph, 3, n_nearest, 0.5, rng, np.arange(50))
    distance = np.linalg.norm(features[:, None] - features[None], axis=2)
    apart = np.abs(np.arange(50)[:, None] - np.arange(50)[None]) > 3
    nearest = np.argsort(np.where(apart, distance, np.inf), axis=1)[:, :n_nearest]
    expected = {(i, j) for i in range(50) for j in nearest[i] if i in nearest[j]}
    assert set(zip(anchors.tolist(), positives.tolist(), strict=True)) == expected
    assert (distance[anchors, negatives] >= np.median(distance[anchors], axis=1) * 0.99).all()


def test_window_is_the_number_of_steps() -> None:
    assert sorted(within(path_graph(9), 2)[4].indices.tolist()) == [2, 3, 4, 5, 6]


def test_every_weight_gets_a_gradient(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    graph, rng = dataset.graphs["spatial_connectivities"], run.numpy_generator()
    inputs = prepare_inputs(dataset, SHORT, run, rng)
    triplets = [smart.mine(x, graph, inputs.neighbours, SHORT, rng) for x in inputs.modalities]
    network = smart.Smart(inputs.widths, SHORT.n_hidden, SHORT.n_dims)
    network.reset_parameters(run.torch_generator())
    values = smart.loss_terms(network, inputs, triplets, SHORT)(1)
    torch.stack(list(values.values())).sum().backward()
    assert set(values) == {"reconstruction_rna", "reconstruction_adt", "triplet_rna", "triplet_adt"}
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_loss_on_hidden_spots_falls(weak: Dataset, run: Run) -> None:
    losses = smart.fit(weak, smart.Config(epochs=60), run).record["losses"]
    for name in ("rna", "adt"):
        values = losses[f"reconstruction_{name}"]
        assert np.mean(values[-5:]) < 0.98 * np.mean(values[:3])
        # Noise of variance 1 on a signal of variance 0.2 at most: what is predicted cannot be the spots' own noise.
        assert np.mean(values[-5:]) > 0.75


def test_training_helps_on_a_weak_signal(weak: Dataset, run: Run) -> None:
    trained: list[float] = []
    untrained: list[float] = []
    for seed in range(3):
        for scores, epochs in ((trained, 150), (untrained, 0)):
            fitted = smart.fit(weak, smart.Config(epochs=epochs), replace(run, seed=seed))
            scores.append(agreement(weak, fitted.embedding))
    assert np.mean(trained) > np.mean(untrained) + 0.1
    assert np.mean(trained) > 0.8


@pytest.mark.parametrize("names", [("rna",), ("rna", "adt"), ("rna", "adt", "atac")])
def test_one_two_and_three_modalities(tissue: Tissue, run: Run, names: tuple[str, ...]) -> None:
    fitted = smart.fit(tissue(names=names), SHORT, run)
    assert fitted.embedding.shape == (144, 8) and fitted.embedding.dtype == np.float32
    assert np.isfinite(fitted.embedding).all()
    assert set(fitted.record["receptive_field"]) == set(names)
    assert fitted.record["variant"] == "tuned" and fitted.record["epochs"] == 10


def test_missing_spots_are_embedded_and_their_rows_do_not_matter(tissue: Tissue, run: Run) -> None:
    dataset = tissue(missing=0.4)
    first = smart.fit(dataset, SHORT, run).embedding
    adt = dataset.modalities[1]
    filled = np.where(adt.present[:, None], adt.latent, np.float32(1e3))
    dataset.modalities[1] = Modality(adt.name, filled, adt.present)
    second = smart.fit(dataset, SHORT, run)
    np.testing.assert_array_equal(first, second.embedding)
    assert np.isfinite(first).all() and first[~adt.present].std(axis=0).min() > 0


def test_same_seed_same_embedding_other_seed_another(tissue: Tissue, run: Run) -> None:
    one, two = (smart.fit(tissue(), SHORT, run).embedding for _ in range(2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(smart.fit(tissue(), SHORT, replace(run, seed=12)).embedding - one).max() > 1e-3


def test_scale_and_offset_of_a_modality_do_not_matter(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    first = smart.fit(dataset, SHORT, run).embedding
    rna = dataset.modalities[0]
    dataset.modalities[0] = Modality(rna.name, 64 * rna.latent + 128, rna.present)
    np.testing.assert_allclose(smart.fit(dataset, SHORT, run).embedding, first, atol=1e-3)


def test_degenerate_modalities_are_survived(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    constant = np.full((dataset.n_spots, 3), 7, dtype=np.float32)
    dataset.modalities[1] = Modality("adt", constant, np.ones(dataset.n_spots, dtype=bool))
    assert np.isfinite(smart.fit(dataset, SHORT, run).embedding).all()
    dataset.modalities[1] = Modality("adt", constant, np.zeros(dataset.n_spots, dtype=bool))
    assert np.isfinite(smart.fit(dataset, SHORT, run).embedding).all()


def test_resuming_hides_the_same_spots() -> None:
    one, two = (hidden_spots(1000, 0.3, seed=5, epoch=9) for _ in range(2))
    assert torch.equal(one, two) and 250 < int(one.sum()) < 350
    assert not torch.equal(one, hidden_spots(1000, 0.3, seed=5, epoch=10))


def test_a_missing_graph_is_refused(tissue: Tissue, run: Run) -> None:
    dataset: Dataset = tissue()
    dataset.graphs = {}
    with pytest.raises(InputError, match="spatial_connectivities"):
        smart.fit(dataset, SHORT, run)
