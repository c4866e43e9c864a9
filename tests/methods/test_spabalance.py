"""SpaBalance: each part against an independent account of it, and the whole on small tissues."""

from __future__ import annotations

from collections.abc import Callable
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
from spatialweave.graphs.matrices import gcn_normalise
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.method import Fitted
from spatialweave.methods import spabalance
from spatialweave.nn.barlow import barlow_loss
from spatialweave.presets import read_preset
from spatialweave.training.masking import MaskedInputs, prepare_inputs, random_mask
from spatialweave.training.outputs import check_denoised, check_table
from spatialweave.training.run import Run

Tissue = Callable[..., Dataset]

SHORT = spabalance.Config(
    epochs=8, n_dims=8, n_hidden=10, mixer_width=12, heads=2, n_landmarks=20, nonlinear_strength=0.1
)
PLAIN = replace(SHORT, epochs=0, max_rounds=0, mask_fraction=0.0, n_landmarks=10_000)


def fit(dataset: Dataset, config: spabalance.Config, run: Run) -> Fitted:
    """As the TRAIN stage does it."""
    torch.manual_seed(run.seed)
    return spabalance.fit(dataset, config, run)


def built(
    dataset: Dataset, config: spabalance.Config, run: Run
) -> tuple[MaskedInputs, spabalance.SpaBalanceGraphs, spabalance.SpaBalance]:
    """Inputs, graphs and the initial network."""
    torch.manual_seed(run.seed)
    inputs = prepare_inputs(dataset, config, run)
    generator = run.torch_generator()
    graphs = spabalance.make_graphs(dataset, config, generator, run.device)
    network = spabalance.SpaBalance(inputs.widths, config)
    network.reset_parameters(generator)
    return inputs, graphs, network


def permuted(dataset: Dataset, order: np.ndarray) -> Dataset:
    """The same tissue with its spots in another order."""
    modalities = [Modality(m.name, m.latent[order], m.present[order]) for m in dataset.modalities]
    graphs = {key: sparse.csr_matrix(graph[order][:, order]) for key, graph in dataset.graphs.items()}
    return Dataset(
        dataset.name, dataset.obs.iloc[order], dataset.coordinates[order], modalities, graphs, dataset.layout
    )


def propagated(graph: sparse.csr_matrix, x: torch.Tensor) -> torch.Tensor:
    """D^-1/2 (A + I) D^-1/2 x with dense matrices."""
    return torch.as_tensor(gcn_normalise(graph).toarray()) @ x


def test_forward_by_dense_algebra(tissue: Tissue, run: Run) -> None:
    dataset = tissue()
    inputs, graphs, network = built(dataset, PLAIN, run)
    network.eval()
    seen = inputs.seen()
    encoded = network(seen, graphs)
    mixed = []
    for m, modality in enumerate(dataset.modalities):
        both = [dataset.graphs["spatial_connectivities"], dataset.graphs[f"{modality.name}_connectivities"]]
        spatial, features = (propagated(graph, seen[m] @ network.encoders[m].weight) for graph in both)
        added = network.mixers[m].layers(torch.cat([spatial, features], dim=1))
        mixed.append(network.mixers[m].linear(0.75 * spatial + 0.25 * features) + 0.1 * added)
        torch.testing.assert_close(encoded.mixed[m], mixed[m])
    informed = []
    for m in range(2):
        attention, other = network.attention[m], mixed[1 - m]
        query, key, value = attention.query(mixed[m]), attention.key(other), attention.value(other)
        gathered = [
            torch.softmax(query[:, head] @ key[:, head].T / 2, dim=1) @ value[:, head]
            for head in (slice(0, 4), slice(4, 8))
        ]
        informed.append(mixed[m] + 0.1 * attention.output(torch.cat(gathered, dim=1)))
    weights = torch.softmax(0.1 * network.gate(torch.cat(informed, dim=1)), dim=1)
    torch.testing.assert_close(encoded.weights, weights)
    torch.testing.assert_close(encoded.embedding, weights[:, :1] * informed[0] + weights[:, 1:] * informed[1])
    rebuilt = network.decode(encoded.embedding, graphs)[1]
    expected = propagated(dataset.graphs["spatial_connectivities"], encoded.embedding @ network.decoders[1].weight)
    torch.testing.assert_close(rebuilt, expected)


def test_attention_is_not_the_same_for_all_spots(tissue: Tissue, run: Run) -> None:
    inputs, graphs, network = built(tissue(), PLAIN, run)
    network.eval()
    mixed = network(inputs.seen(), graphs).mixed
    gathered = network.attention[0](mixed[0], mixed[1], None, graphs.landmarks)
    assert (gathered.std(dim=0) / gathered.abs().mean(dim=0)).min() > 1e-3


def test_every_ordered_pair_goes_through_its_own_modality(tissue: Tissue, run: Run) -> None:
    dataset = tissue(names=("rna", "adt", "atac"))
    inputs, graphs, network = built(dataset, PLAIN, run)
    network.eval()
    encoded = network(inputs.seen(), graphs)
    values = spabalance.shared_terms(network, inputs, encoded, graphs, PLAIN, learned=False)
    space = dataset.graphs["spatial_connectivities"]
    names = ["rna", "adt", "atac"]
    for i in range(3):
        for j in set(range(3)) - {i}:
            through = propagated(space, encoded.mixed[i] @ network.decoders[j].weight)
            back = network.mixers[j].linear(propagated(space, through @ network.encoders[j].weight))
            error = (back - encoded.mixed[i]).square().mean() / encoded.mixed[i].square().mean()
            value = values[f"consistency_{names[i]}_{names[j]}"]
            torch.testing.assert_close(value, PLAIN.consistency_weight * error)
    alike = barlow_loss(encoded.mixed[1], encoded.mixed[2], PLAIN.off_diagonal)
    torch.testing.assert_close(values["barlow_adt_atac"], PLAIN.barlow_weight * alike)
    assert len(values) == 6 + 3


def test_learned_weights_of_the_cycles(tissue: Tissue, run: Run) -> None:
    inputs, graphs, network = built(tissue(), PLAIN, run)
    network.eval()
    encoded = network(inputs.seen(), graphs)
    plain = spabalance.shared_terms(network, inputs, encoded, graphs, PLAIN, learned=False)["consistency_adt_rna"]
    with torch.no_grad():
        network.log_variances[1] = np.log(4.0)
    learned = spabalance.shared_terms(network, inputs, encoded, graphs, PLAIN, learned=True)["consistency_adt_rna"]
    expected = plain.item() / 8 + PLAIN.consistency_weight * np.log(4.0) / 2
    assert learned.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("n_modalities", [2, 3])
def test_every_weight_gets_a_gradient(tissue: Tissue, run: Run, n_modalities: int) -> None:
    config = replace(SHORT, epochs=1, uncertainty_from=0.0)
    dataset = tissue(names=("rna", "adt", "atac")[:n_modalities])
    inputs, graphs, network = built(dataset, config, run)
    values = spabalance.loss_terms(network, inputs, graphs, config, run)(1)
    torch.stack(list(values.values())).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_losses_are_grouped_by_modality_and_together() -> None:
    groups = {
        "reconstruction_rna": "rna",
        "infomax_rna": "rna",
        "reconstruction_adt": "adt",
        "consistency_rna_adt": "together",
        "barlow_rna_adt": "together",
    }
    assert {term: spabalance.group_of(term) for term in groups} == groups


def test_shuffles_are_by_epoch_and_independent_of_the_mask(run: Run) -> None:
    one, two = (spabalance.shuffles(4000, 2, run, epoch=9) for _ in range(2))
    assert torch.equal(one[0], two[0]) and not torch.equal(one[0], one[1])
    assert torch.equal(one[0].sort().values, torch.arange(4000))
    assert not torch.equal(one[0], spabalance.shuffles(4000, 1, run, epoch=10)[0])
    mask = random_mask(4000, 0.5, run, epoch=9).float()
    # Correlation of the mask with the order: noise is 1 / sqrt(4000) = 0.016.
    assert abs(np.corrcoef(mask, one[0])[0, 1]) < 0.06


@pytest.mark.parametrize("names", [("rna",), ("rna", "adt"), ("rna", "adt", "atac")])
def test_one_two_and_three_modalities(tissue: Tissue, run: Run, names: tuple[str, ...]) -> None:
    dataset = tissue(names=names)
    fitted = fit(dataset, SHORT, run)
    assert fitted.embedding.shape == (144, 8) and fitted.embedding.dtype == np.float32
    assert np.isfinite(fitted.embedding).all()
    weights = fitted.extras["modality_weights"]
    check_table("modality_weights", weights, dataset)
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

    def killed(n_spots: int, count: int, run: Run, epoch: int) -> list[torch.Tensor]:
        if epoch == killed_at:
            raise KeyboardInterrupt
        return real(n_spots, count, run, epoch)

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
        {"balance": False},
        {"heads": 0},
        {"infomax_weight": 0.0},
        {"consistency_weight": 0.0},
        {"barlow_weight": 0.0},
        {"uncertainty_from": 1.0},
        {"mixer_norm": True},
        {"mask_fraction": 0.0},
    ],
)
def test_every_part_makes_a_difference(tissue: Tissue, run: Run, left_out: dict[str, float]) -> None:
    # Both modalities tell of other layers, so that their losses conflict.
    dataset = tissue()
    rng = np.random.default_rng(1)
    column = (dataset.coordinates[:, 0] // 4).astype(int)
    other = rng.normal(0, 3, (3, 9))[column] + rng.normal(size=(dataset.n_spots, 9))
    dataset.modalities[1] = Modality("adt", other.astype(np.float32), np.ones(dataset.n_spots, dtype=bool))
    full = replace(SHORT, epochs=30, learning_rate=0.02)
    with_it = fit(dataset, full, run).embedding
    without = fit(dataset, replace(full, **left_out), run).embedding
    assert np.abs(with_it - without).max() > 1e-3 * np.abs(with_it).max()


def test_attention_is_exact_over_the_senders_neighbours(tissue: Tissue, run: Run) -> None:
    """Beside the landmarks a spot attends to itself and its neighbours in space and by the sender's features."""
    dataset = tissue()
    _, graphs, _ = built(dataset, replace(PLAIN, n_landmarks=5), run)
    for modality, near in zip(dataset.modalities, graphs.near, strict=True):
        assert near is not None
        expected = np.eye(dataset.n_spots, dtype=bool)
        for key in ("spatial_connectivities", f"{modality.name}_distances"):
            expected |= dataset.graphs[key].toarray() != 0
        found = np.zeros_like(expected)
        found[near.receivers.numpy(), near.senders.numpy()] = True
        np.testing.assert_array_equal(found, expected)


def test_landmarks_come_closer_to_attention_to_all_spots_the_more_they_are(tissue: Tissue, run: Run) -> None:
    dataset = tissue(side=20)
    inputs, exact, network = built(dataset, PLAIN, run)
    assert exact.near == [None, None]
    network.eval()
    mixed = network(inputs.seen(), exact).mixed
    full = network.attention[0](mixed[0], mixed[1], None, exact.landmarks)
    errors = []
    for count in (4, 350):
        _, some, _ = built(dataset, replace(PLAIN, n_landmarks=count), run)
        estimate = network.attention[0](mixed[0], mixed[1], some.near[1], some.landmarks)
        errors.append(((full - estimate).norm() / full.norm()).item())
    assert errors[1] < 0.1 and errors[1] < 0.5 * errors[0]


def test_overfits_a_tiny_tissue(tissue: Tissue, run: Run) -> None:
    config = replace(SHORT, epochs=150, mask_fraction=0.0, max_rounds=0, dropout=0.0, n_dims=16, learning_rate=0.03)
    losses = fit(tissue(side=5), config, run).record["losses"]
    for name in ("rna", "adt"):
        values = losses[f"reconstruction_{name}"]
        assert values[-1] < 0.35 * values[0]


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
