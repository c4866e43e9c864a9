"""SpaBalance's network and loss terms by dense algebra."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse

from spatialweave.graphs.matrices import gcn_normalise
from spatialweave.methods import spabalance
from spatialweave.nn.barlow import barlow_loss
from spatialweave.training.masking import random_mask
from spatialweave.training.run import Run

from .spabalance_setup import PLAIN, SHORT, Tissue, built


def propagated(graph: sparse.csr_matrix, x: torch.Tensor) -> torch.Tensor:
    """D^-1/2 (A + I) D^-1/2 x with dense matrices."""
    return torch.as_tensor(gcn_normalise(graph).toarray()) @ x


def spread(x: torch.Tensor) -> torch.Tensor:
    return (x - x.mean(dim=0)).square().mean().sqrt()


@pytest.mark.parametrize("linear_path", [True, False])
def test_forward_by_dense_algebra(tissue: Tissue, run: Run, linear_path: bool) -> None:
    dataset = tissue()
    config = replace(PLAIN, linear_path=linear_path, n_hidden=8, nonlinear_strength=0.3, gate_strength=0.7)
    inputs, graphs, network = built(dataset, config, run)
    network.eval()
    seen = inputs.seen()
    encoded = network(seen, graphs)
    mixed = []
    for m, modality in enumerate(dataset.modalities):
        both = [dataset.graphs["spatial_connectivities"], dataset.graphs[f"{modality.name}_connectivities"]]
        spatial, features = (propagated(graph, seen[m] @ network.encoders[m].weight) for graph in both)
        mixer = network.mixers[m]
        y = torch.cat([spatial, features], dim=1).relu()
        for layer in range(3):
            _, linear, _, norm = mixer.layers[4 * layer : 4 * layer + 4]
            y = norm(linear(y).relu())
        if linear_path:
            path = mixer.linear(0.75 * spatial + 0.25 * features)
            y = path + 0.3 * y * spread(path) / spread(y)
        mixed.append(y)
        torch.testing.assert_close(encoded.mixed[m], y)
    rows = [y / spread(y) for y in mixed]
    informed = []
    for m in range(2):
        attention, other = network.attention[m], rows[1 - m]
        query, key, value = attention.query(rows[m]), attention.key(other), attention.value(other)
        gathered = [
            torch.softmax(query[:, head] @ key[:, head].T / 2, dim=1) @ value[:, head]
            for head in (slice(0, 4), slice(4, 8))
        ]
        informed.append(rows[m] + attention.output(torch.cat(gathered, dim=1)))
    weights = torch.softmax(0.7 * network.gate(torch.cat(informed, dim=1)), dim=1)
    torch.testing.assert_close(encoded.weights, weights)
    torch.testing.assert_close(encoded.embedding, weights[:, :1] * mixed[0] + weights[:, 1:] * mixed[1])
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
    values = spabalance.shared_terms(network, spabalance.Batch(inputs, graphs), encoded, PLAIN, learned=False)
    space = dataset.graphs["spatial_connectivities"]
    names = ["rna", "adt", "atac"]
    for i in range(3):
        for j in set(range(3)) - {i}:
            through = propagated(space, encoded.mixed[i] @ network.decoders[j].weight)
            back = network.mixers[j].linear(propagated(space, through @ network.encoders[j].weight))
            error = (back - encoded.mixed[i]).square().mean() / encoded.mixed[i].square().mean()
            value = values[f"consistency_{names[i]}_{names[j]}"]
            # Six ordered pairs count as much as the two of two modalities.
            torch.testing.assert_close(value, PLAIN.consistency_weight * error / 3)
    # Without the path, a cycle ends at the ReLU of the encoding, and its error is as it is.
    published = replace(PLAIN, linear_path=False, n_hidden=8)
    inputs, graphs, network = built(dataset, published, run)
    network.eval()
    encoded_as_published = network(inputs.seen(), graphs)
    terms = spabalance.shared_terms(
        network, spabalance.Batch(inputs, graphs), encoded_as_published, published, learned=False
    )
    through = propagated(space, encoded_as_published.mixed[0] @ network.decoders[1].weight)
    back = propagated(space, through @ network.encoders[1].weight).relu()
    error = (back - encoded_as_published.mixed[0]).square().mean()
    torch.testing.assert_close(terms["consistency_rna_adt"], PLAIN.consistency_weight * error)
    redundancy = barlow_loss(encoded.mixed[1], encoded.mixed[2], PLAIN.off_diagonal)
    torch.testing.assert_close(values["barlow_adt_atac"], PLAIN.barlow_weight * redundancy / 3)
    assert len(values) == 6 + 3


def test_learned_weights_of_the_cycles(tissue: Tissue, run: Run) -> None:
    inputs, graphs, network = built(tissue(), PLAIN, run)
    network.eval()
    encoded = network(inputs.seen(), graphs)
    plain = spabalance.shared_terms(network, spabalance.Batch(inputs, graphs), encoded, PLAIN, learned=False)[
        "consistency_adt_rna"
    ]
    with torch.no_grad():
        network.log_variances[1] = np.log(4.0)
    learned = spabalance.shared_terms(network, spabalance.Batch(inputs, graphs), encoded, PLAIN, learned=True)[
        "consistency_adt_rna"
    ]
    expected = plain.item() / 8 + PLAIN.consistency_weight * np.log(4.0) / 2
    assert learned.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("n_modalities", [2, 3])
def test_every_weight_gets_a_gradient(tissue: Tissue, run: Run, n_modalities: int) -> None:
    config = replace(SHORT, epochs=1, uncertainty_from=0.0)
    dataset = tissue(names=("rna", "adt", "atac")[:n_modalities])
    inputs, graphs, network = built(dataset, config, run)
    values = spabalance.loss_terms(network, config, run)(1, spabalance.Batch(inputs, graphs))
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
    everywhere = torch.ones(4000, dtype=torch.bool)
    one, two = (spabalance.shuffles([everywhere] * 2, run, epoch=9) for _ in range(2))
    assert torch.equal(one[0], two[0]) and not torch.equal(one[0], one[1])
    assert torch.equal(one[0].sort().values, torch.arange(4000))
    assert not torch.equal(one[0], spabalance.shuffles([everywhere], run, epoch=10)[0])
    mask = random_mask(4000, 0.5, run, epoch=9).float()
    # Correlation of the mask with the order: noise is 1 / sqrt(4000) = 0.016.
    assert abs(np.corrcoef(mask, one[0])[0, 1]) < 0.06


def test_shuffles_leave_spots_without_the_modality_in_their_places(run: Run) -> None:
    present = torch.arange(300) % 3 > 0
    (order,) = spabalance.shuffles([present], run, epoch=9)
    assert torch.equal(order[~present], torch.arange(300)[~present])
    assert torch.equal(order[present].sort().values, torch.arange(300)[present])
    assert (order == torch.arange(300))[present].float().mean() < 0.05


def test_spots_without_the_modality_do_not_count_in_infomax_and_cycles(tissue: Tissue, run: Run) -> None:
    dataset = tissue(missing=0.4)
    present = torch.as_tensor(dataset.modalities[1].present)
    assert 0 < present.sum() < len(present)
    inputs, graphs, network = built(dataset, PLAIN, run)
    network.eval()
    batch = spabalance.Batch(inputs, graphs)
    values = spabalance.loss_terms(network, PLAIN, run)(1, batch)
    seen = inputs.seen(inputs.mask(1))
    encoded = network(seen, graphs)
    start, cycled = encoded.mixed[1][present], network.cycle(encoded.mixed[1], 0, graphs)[present]
    error = (cycled - start).square().mean() / start.square().mean()
    shared = spabalance.shared_terms(network, batch, encoded, PLAIN, learned=False)
    torch.testing.assert_close(shared["consistency_adt_rna"], PLAIN.consistency_weight * error)
    order = spabalance.shuffles([one.present for one in inputs.modalities], run, 1)[1]
    shuffled = network.encoders[1](seen[1][order], graphs.features[1])
    views = encoded.features[1].relu(), shuffled.relu()
    logits = []
    for own, other in (views, views[::-1]):
        summary = torch.sigmoid(torch.nn.functional.normalize(graphs.features[1](own), dim=1))
        logits.append([network.discriminators[1](one[present], summary[present]) for one in (own, other)])
    expected = sum((torch.nn.functional.softplus(-a) + torch.nn.functional.softplus(b)).mean() / 2 for a, b in logits)
    torch.testing.assert_close(values["infomax_adt"], PLAIN.infomax_weight * expected)


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
