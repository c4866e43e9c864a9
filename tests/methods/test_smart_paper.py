"""SMART against the published code's own numbers, and what must hold for every variant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.methods import smart_paper
from spatialweave.nn.convolutions import messages
from spatialweave.nn.inputs import ModalityInput

VARIANTS = ["released", "paper"]
SHORT = smart_paper.Config(epochs=8, stop_window=0, n_dims=16, learning_rate=1e-2)


@pytest.fixture
def published(shared_methods) -> dict[str, np.ndarray]:
    return dict(np.load(shared_methods / "smart_conformance.npz", allow_pickle=False))


@pytest.fixture
def published_dataset(published) -> Dataset:
    n_spots = len(published["spatial"])
    ones = np.ones(published["edges"].shape[1])
    graph = sparse.csr_matrix((ones, tuple(published["edges"])), shape=(n_spots, n_spots))
    modalities = [
        Modality(name, published[f"x{m}"], np.ones(n_spots, dtype=bool))
        for m, name in enumerate(("rna", "adt", "atac"))
    ]
    obs = pd.DataFrame(index=pd.RangeIndex(n_spots).astype(str))
    return Dataset("published", obs, published["spatial"], modalities, {"spatial_distances": graph}, "square")


def network_of(dataset: Dataset, config: smart_paper.Config, run):
    """The initial network and its inputs."""
    graph = smart_paper.sending_graph(dataset, smart_paper.VARIANTS[config.variant].directed)
    inputs = [ModalityInput(modality, graph, run.device, config.encoder) for modality in dataset.modalities]
    return smart_paper.build(inputs, config, run), inputs, graph


def test_initial_weights_are_the_published_ones(published, published_dataset, run):
    network, _, _ = network_of(published_dataset, smart_paper.Config(variant="released"), replace(run, seed=7))
    for m in range(3):
        for kind, stack in (("enc", network.encoders[m]), ("dec", network.decoders[m])):
            for number, layer in enumerate(stack.layers, start=1):
                pairs = ((layer.lin_l.weight, "Wneigh"), (layer.lin_l.bias, "bneigh"), (layer.lin_r.weight, "Wroot"))
                for ours, theirs in pairs:
                    expected = published[f"{kind}{m}_{number}_{theirs}"]
                    np.testing.assert_allclose(ours.detach(), expected, atol=1e-7)
    np.testing.assert_allclose(network.fusion.weight.detach(), published["fc_w0"], atol=1e-7)
    np.testing.assert_allclose(network.fusion.bias.detach(), published["fc_b0"], atol=1e-7)


def test_losses_and_embedding_are_the_published_ones(published, published_dataset, run):
    triplets = [published[f"triplets{m}"] for m in range(3)]
    config = smart_paper.Config(variant="released", learning_rate=5e-3, weight_decay=1e-6, epochs=300)
    fitted = smart_paper.fit_triplets(published_dataset, triplets, config, replace(run, seed=7))
    losses = fitted.record["losses"]
    ours = np.stack(
        [losses["total"]] + [sum(np.array(losses[f"{part}_{m}"]) for m in ("rna", "adt", "atac")) for part in
                             ("triplet", "reconstruction")], axis=1
    )  # fmt: skip
    assert ours.shape == published["losses"].shape  # as many updates: stopped, or not, at the same epoch
    np.testing.assert_allclose(ours[:100], published["losses"][:100], atol=1e-5, rtol=0)
    # Later, float32 rounding amplified by Adam: the bounds of the specification's own rewrite.
    np.testing.assert_allclose(ours, published["losses"], atol=1e-3, rtol=0)
    assert np.abs(fitted.embedding - published["embedding"]).max() < 0.02


def test_stops_where_the_slope_rule_requires(published, published_dataset, run):
    triplets = [published[f"triplets{m}"] for m in range(3)]
    config = smart_paper.Config(variant="released", learning_rate=5e-3, stop_slope=2e-3, stop_window=20)
    record = smart_paper.fit_triplets(published_dataset, triplets, config, replace(run, seed=7)).record
    assert record["epochs"] % 10 == 9
    assert "slope of the" in record["stopped_by"]
    for part in ("triplet", "reconstruction"):
        summed = sum(np.array(record["losses"][f"{part}_{m}"]) for m in ("rna", "adt", "atac"))
        slopes = [
            abs(np.polyfit(np.arange(20), summed[end - 20 : end], 1)[0]) for end in range(29, record["epochs"], 10)
        ]
        assert all(value >= 2e-3 for value in slopes)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("names", [("adt",), ("rna", "adt"), ("rna", "adt", "atac", "metabolite")])
def test_any_number_of_modalities(tissue, run, variant, names):
    dataset = tissue(names=names)
    fitted = smart_paper.fit(dataset, replace(SHORT, variant=variant), run)
    assert fitted.embedding.shape == (144, 16)
    assert fitted.embedding.dtype == np.float32
    assert np.isfinite(fitted.embedding).all()
    expected = {f"{part}_{name}" for part in ("triplet", "reconstruction") for name in names} | {"total"}
    assert set(fitted.record["losses"]) == expected
    assert {len(values) for values in fitted.record["losses"].values()} == {8}
    assert min(fitted.record["triplets"].values()) > 0


def test_what_each_variant_trains(tissue, run):
    dataset = tissue()
    for variant in ("released", "paper"):
        config = replace(SHORT, variant=variant)
        network, inputs, graph = network_of(dataset, config, run)
        triplets = [smart_paper.mine(modality, config, run) for modality in dataset.modalities]
        encode = smart_paper.encoder(network, inputs, smart_paper.VARIANTS[variant])
        terms = smart_paper.loss_terms(network, encode, inputs, graph, triplets, config)
        sum(terms(1, None).values()).backward()
        moved = {name for name, p in network.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
        everything = {name for name, _ in network.named_parameters()}
        assert moved == (everything if variant == "paper" else {"fusion.weight", "fusion.bias"})


def test_hoisting_changes_nothing(tissue, run):
    dataset = tissue(missing=0.3)
    config = replace(SHORT, variant="released")
    network, inputs, _ = network_of(dataset, config, run)
    once = smart_paper.encoder(network, inputs, smart_paper.VARIANTS["released"])()
    torch.testing.assert_close(once, smart_paper.encoder(network, inputs, smart_paper.VARIANTS["paper"])())


def test_directed_means_those_that_list_me(tissue):
    dataset = tissue()
    dataset.graphs["spatial_distances"] = sparse.csr_matrix(([2.0], ([3], [5])), shape=(144, 144))
    assert smart_paper.sending_graph(dataset, directed=True)[5, 3] == 2.0
    assert smart_paper.sending_graph(dataset, directed=False) is dataset.graphs["spatial_connectivities"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_placeholders_of_missing_spots_have_no_influence(tissue, run, variant):
    config = replace(SHORT, variant=variant)
    clean, dirty = tissue(missing=0.3), tissue(missing=0.3)
    absent = ~dirty.modalities[1].present
    assert absent.sum() > 20
    dirty.modalities[1].latent[absent] = np.nan
    dirty.modalities[1].latent[np.flatnonzero(absent)[::2]] = 1e6
    first, second = smart_paper.fit(clean, config, run), smart_paper.fit(dirty, config, run)
    np.testing.assert_array_equal(first.embedding, second.embedding)
    assert first.record["losses"] == second.record["losses"]
    assert not np.isin(smart_paper.mine(dirty.modalities[1], config, run), np.flatnonzero(absent)).any()


def test_reconstruction_runs_over_measured_spots_only(tissue, run):
    dataset, config = tissue(missing=0.3), replace(SHORT, variant="paper")
    network, inputs, graph = network_of(dataset, config, run)
    encode = smart_paper.encoder(network, inputs, smart_paper.VARIANTS["paper"])
    terms = smart_paper.loss_terms(network, encode, inputs, graph, [np.empty((3, 0), dtype=int)] * 2, config)(1, None)
    decoded = network.decoders[1](network.fusion(encode()), messages("sage", graph)).detach().numpy()
    latent, present = dataset.modalities[1].latent, dataset.modalities[1].present
    # Squared norms, averaged over the spots.
    expected = np.square(latent[present] - decoded[present]).sum(axis=1).mean()
    assert terms["reconstruction_adt"].item() == pytest.approx(expected, rel=1e-5)
    assert terms["triplet_adt"].item() == 0


@pytest.mark.parametrize("variant", ["released", "paper"])
def test_a_missing_spot_is_embedded_among_its_own_layer(tissue, run, variant):
    dataset = tissue(side=15, missing=0.3)
    embedding = smart_paper.fit(dataset, replace(SHORT, variant=variant, epochs=60), run).embedding
    layer = dataset.obs["label"].to_numpy()
    whole = dataset.modalities[1].present
    centres = np.stack([embedding[whole & (layer == name)].mean(axis=0) for name in "012"])
    nearest = np.linalg.norm(embedding[:, None] - centres, axis=2).argmin(axis=1).astype(str)
    assert (nearest[~whole] == layer[~whole]).mean() > 0.85


@pytest.mark.parametrize("variant", ["released", "paper"])
def test_order_of_spots_does_not_matter(tissue, run, variant):
    dataset = tissue(missing=0.2)
    config = replace(SHORT, variant=variant, epochs=5)
    triplets = [smart_paper.mine(modality, config, run) for modality in dataset.modalities]
    order = np.random.default_rng(0).permutation(dataset.n_spots)
    position = np.argsort(order)
    shuffled = Dataset(
        "shuffled",
        dataset.obs.iloc[order],
        dataset.coordinates[order],
        [Modality(m.name, m.latent[order], m.present[order]) for m in dataset.modalities],
        {name: graph[order][:, order] for name, graph in dataset.graphs.items()},
        dataset.layout,
    )
    straight = smart_paper.fit_triplets(dataset, triplets, config, run).embedding
    permuted = smart_paper.fit_triplets(shuffled, [position[found] for found in triplets], config, run).embedding
    np.testing.assert_allclose(permuted, straight[order], atol=2e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_same_seed_same_result_other_seed_another(tissue, run, variant):
    config = replace(SHORT, variant=variant)
    first, again = (smart_paper.fit(tissue(), config, run) for _ in range(2))
    np.testing.assert_array_equal(first.embedding, again.embedding)
    assert not np.allclose(first.embedding, smart_paper.fit(tissue(), config, replace(run, seed=12)).embedding)


def test_resumed_equals_undisturbed(tissue, run, tmp_path):
    config = replace(SHORT, variant="paper", epochs=12)
    expected = smart_paper.fit(tissue(), config, run)

    def kill(line: str) -> None:
        if line.startswith("epoch  7"):
            raise KeyboardInterrupt

    resuming = replace(run, checkpoint=tmp_path / "c.pt", checkpoint_seconds=0.0, progress_seconds=0.0)
    with pytest.raises(KeyboardInterrupt):
        smart_paper.fit(tissue(), config, replace(resuming, log=kill))
    lines: list[str] = []
    fitted = smart_paper.fit(tissue(), config, replace(resuming, log=lines.append))
    assert any("resuming after epoch 6" in line for line in lines)
    np.testing.assert_array_equal(fitted.embedding, expected.embedding)
    assert fitted.record["losses"] == expected.record["losses"]


def test_overfits_a_tiny_tissue(tissue, run):
    """All weights trained on 25 spots: latents that a ReLU and unit length can give are fitted, triplets satisfied."""
    dataset = tissue(side=5)
    for modality in dataset.modalities:
        np.abs(modality.latent, out=modality.latent)
        modality.latent /= np.linalg.norm(modality.latent, axis=1, keepdims=True)
    config = smart_paper.Config(variant="paper", epochs=400, learning_rate=1e-2, stop_window=0)
    losses = smart_paper.fit(dataset, config, run).record["losses"]
    for name, values in losses.items():
        assert values[-1] < 0.15 * values[0], name


@pytest.mark.parametrize("encoder", ["gcn", "gat", "graph"])
@pytest.mark.parametrize("layers", [1, 3])
def test_other_convolutions_and_depths(tissue, run, encoder, layers):
    config = replace(SHORT, encoder=encoder, layers=layers, epochs=30)
    fitted = smart_paper.fit(tissue(missing=0.3), config, run)
    assert np.isfinite(fitted.embedding).all()
    losses = fitted.record["losses"]["total"]
    assert losses[-1] < losses[0]


def test_smoothness_by_hand(tissue, run):
    config = replace(SHORT, smoothness_weight=0.5, epochs=1)
    dataset = tissue()
    network, inputs, graph = network_of(dataset, config, run)
    z = network.fusion(smart_paper.encoder(network, inputs, smart_paper.VARIANTS["paper"])()).detach().numpy()
    first, second = graph.nonzero()
    expected = 0.5 * np.square(z[first] - z[second]).sum(axis=1).mean()
    assert smart_paper.fit(dataset, config, run).record["losses"]["smoothness"][0] == pytest.approx(expected, rel=1e-4)


def test_weights_of_single_modalities(tissue, run):
    once = smart_paper.fit(tissue(), replace(SHORT, epochs=1), run).record["losses"]
    config = replace(SHORT, epochs=1, reconstruction_weights="adt:3", triplet_weights="rna:0.5+adt:0")
    weighted = smart_paper.fit(tissue(), config, run).record["losses"]
    factors = {"reconstruction_rna": 1, "reconstruction_adt": 3, "triplet_rna": 0.5, "triplet_adt": 0}
    for name, factor in factors.items():
        assert weighted[name][0] == pytest.approx(factor * once[name][0])


@pytest.mark.parametrize(
    ("weights", "found"),
    [("atac:2", "'atac' is not known here; expected one of adt, rna"), ("rna:x", "'x'; expected a number")],
)
def test_weights_that_cannot_be_used_are_refused(tissue, run, weights, found):
    with pytest.raises(InputError, match=found):
        smart_paper.fit(tissue(), replace(SHORT, triplet_weights=weights), run)


def test_a_layer_of_the_text_is_relu_then_unit_length():
    x = torch.tensor([[3.0, -1.0, 4.0], [-1.0, -2.0, -3.0]])
    expected = torch.tensor([[0.6, 0.0, 0.8], [0.0, 0.0, 0.0]])
    torch.testing.assert_close(smart_paper.VARIANTS["paper"].after_layer(x), expected)


def test_cap_of_the_released_variant(tissue, run, monkeypatch):
    monkeypatch.setitem(smart_paper.VARIANTS, "released", replace(smart_paper.VARIANTS["released"], mining_cap=50))
    capped = [smart_paper.mine(m, smart_paper.Config(variant="released"), run) for m in tissue().modalities]
    assert len(np.unique(np.concatenate([found.ravel() for found in capped]))) <= 50
    assert len(np.unique(smart_paper.mine(tissue().modalities[0], smart_paper.Config(variant="paper"), run))) > 50


def test_weights_of_the_losses(tissue, run):
    config = replace(SHORT, variant="paper", epochs=1)
    once = smart_paper.fit(tissue(), config, run).record["losses"]
    twice = smart_paper.fit(tissue(), replace(config, triplet_weight=2.0, reconstruction_weight=0.0), run).record[
        "losses"
    ]
    assert twice["triplet_rna"][0] == pytest.approx(2 * once["triplet_rna"][0])
    assert twice["reconstruction_adt"] == [0.0]


@pytest.mark.parametrize(("variant", "key"), [("released", "spatial_distances"), ("paper", "spatial_connectivities")])
def test_missing_graph_is_named(tissue, run, variant, key):
    dataset = tissue()
    del dataset.graphs[key]
    with pytest.raises(InputError, match=key):
        smart_paper.fit(dataset, replace(SHORT, variant=variant), run)


def test_window_of_one_is_refused():
    with pytest.raises(InputError, match="1 epoch has no slope"):
        smart_paper.Config(stop_window=1)
