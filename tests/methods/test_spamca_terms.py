"""SpaMCA's masks and loss terms, against a dense rewrite and least squares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor
from torch.nn import functional

from spatialweave.io.dataset import Dataset
from spatialweave.methods import spamca
from spatialweave.nn.gcn import gcn_propagation
from spatialweave.training.masking import MaskedInputs
from spatialweave.training.run import Run

from .inputs import prepare_inputs

Tissue = Callable[..., Dataset]

SHORT = spamca.Config(epochs=10, n_dims=8, n_clusters=4, instance_weight=0.1, cluster_weight=0.1, target_weight=0.1)

PLAIN: dict[str, Any] = {"mask_fraction": 0.0, "max_rounds": 0, "scale_power": 1.0}
"""Inputs as they are: nothing drawn at random, nothing averaged."""


def prepared(
    dataset: Dataset, config: spamca.Config, run: Run
) -> tuple[MaskedInputs, spamca.SpaMcaGraphs, spamca.SpaMca]:
    """Inputs, graphs and a network with its initial weights."""
    graphs = spamca.SpaMcaGraphs(
        gcn_propagation(dataset.graphs["spatial_connectivities"]),
        [gcn_propagation(dataset.graphs[f"{m.name}_connectivities"]) for m in dataset.modalities],
    )
    inputs = prepare_inputs(dataset, config, run)
    network = spamca.SpaMca(inputs.widths, config.n_dims, config.n_clusters, scaled=config.variant == "tuned")
    network.reset_parameters(run.torch_generator())
    return inputs, graphs, network


def dense(graph) -> Tensor:
    """D^-1/2 (A + I) D^-1/2, written out."""
    adjacency = torch.tensor(graph.toarray() != 0, dtype=torch.float32) + torch.eye(graph.shape[0])
    root = adjacency.sum(dim=1).rsqrt()
    return root[:, None] * adjacency * root[None]


def head(x: Tensor, layers: torch.nn.Module) -> Tensor:
    """Linear map, batch normalisation, ReLU."""
    x = layers[0](x)
    return ((x - x.mean(dim=0)) / torch.sqrt(x.var(dim=0, correction=0) + 1e-5)).relu()


def expected_terms(
    network: spamca.SpaMca, dataset: Dataset, inputs: MaskedInputs, shown: spamca.MaskedViews, released: bool
) -> dict[str, float]:
    """All terms, unweighted, of two modalities that every spot has, with dense matrices and scipy."""
    spatial, encodings = dense(dataset.graphs["spatial_connectivities"]), []
    for m, modality in enumerate(dataset.modalities):
        features = dense(dataset.graphs[f"{modality.name}_connectivities"])
        weight, attention = network.encoders[m].weight, network.attentions[m]
        views = [spatial @ shown.spatial[m] @ weight, features @ shown.features[m] @ weight]
        unit = torch.cat(views).square().mean().sqrt() if attention.scaled else 1
        scores = torch.cat([torch.tanh(view / unit @ attention.omega) @ attention.u for view in views], dim=1)
        weights = torch.softmax(scores, dim=1)
        encodings.append(weights[:, :1] * views[0] + weights[:, 1:] * views[1])
    embedding = network.fusion[1](network.fusion[0](torch.cat(encodings, dim=1)))
    terms = {}
    for m, one in enumerate(inputs.modalities):
        error = (spatial @ embedding @ network.decoders[m].weight - one.features)[shown.masks[m]]
        terms[f"reconstruction_{one.name}"] = error.square().mean().item()
    first, second = (head(y, layers) for y, layers in zip(encodings, network.instance_heads, strict=True))
    cosine = (functional.normalize(first) * functional.normalize(second)).sum(dim=1)
    terms["instance"] = -torch.log(((cosine + 1) / 2) ** 2).mean().item()
    body, last = network.cluster_head[0], network.cluster_head[1]
    tables = [torch.softmax(last(head(y, body)), dim=1).double().numpy() for y in (*encodings, embedding)]
    columns = functional.normalize(torch.tensor(np.concatenate(tables[:2], axis=1)), dim=0)
    powers, n_clusters = torch.exp(columns.T @ columns / 0.5), tables[0].shape[1]
    partners = powers.roll(n_clusters, dims=1).diagonal()
    contrast = -torch.log(partners / (powers.sum(dim=1) - powers.diagonal())).mean().item()
    terms["cluster"] = contrast + sum(np.log(n_clusters) - stats.entropy(y.sum(axis=0)) for y in tables[:2])
    q = np.max(tables, axis=0)
    if released:
        target = q**2 / np.linalg.norm(q**2, axis=1, keepdims=True) + 1e-8
    else:
        target = q**2 / q.sum(axis=0)
        target /= target.sum(axis=1, keepdims=True)
    terms["target"] = (target * np.log(target / tables[2])).sum(axis=1).mean()
    return terms


@pytest.mark.parametrize("variant", ["tuned", "paper", "released"])
def test_terms_equal_a_dense_rewrite(tissue: Tissue, run: Run, variant: Any) -> None:
    dataset = tissue()
    config = replace(SHORT, variant=variant, mask_fraction=0.3, unit_scale=variant == "tuned")
    inputs, graphs, network = prepared(dataset, config, run)
    with torch.no_grad():
        terms = spamca.loss_terms(network, config)(3, spamca.Batch(inputs, graphs))
        shown = spamca.mask_views(inputs, variant, 3)
        expected = expected_terms(network, dataset, inputs, shown, variant == "released")
    # The target of the released code is q^2 over the length of q^2: rows of any sum.
    weights = {"instance": 0.1, "cluster": 0.1, "target": 0.1}
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(
        {name: value * weights.get(name, 1.0) for name, value in expected.items()}, rel=1e-4
    )


def test_variants_mask_as_declared(tissue: Tissue, run: Run) -> None:
    dataset = tissue(side=30)
    inputs, _, _ = prepared(dataset, replace(SHORT, mask_fraction=0.2, max_rounds=0), run)
    whole = inputs.seen()
    tuned, paper, released = (spamca.mask_views(inputs, name, 5) for name in ("tuned", "paper", "released"))
    assert all(one is other for one, other in zip(tuned.spatial, tuned.features, strict=True))
    for m in range(2):
        # Filled from neighbours, or zero.
        assert (tuned.spatial[m][tuned.masks[m]] != 0).any(dim=1).all()
        for view in (paper.spatial[m], paper.features[m]):
            torch.testing.assert_close(view, whole[m] * ~paper.masks[m][:, None], rtol=0, atol=0)
    zero = [(view == 0).all(dim=1) for view in (*released.spatial, *released.features)]
    assert torch.equal(zero[0], released.masks[0]) and torch.equal(zero[1], released.masks[1])
    for a, one in enumerate(zero):
        assert 0.15 < one.float().mean() < 0.25
        for other in zero[a + 1 :]:
            assert (one & other).float().mean() < 0.08
    assert torch.equal(paper.masks[0], spamca.mask_views(inputs, "paper", 5).masks[0])
    assert not torch.equal(paper.masks[0], spamca.mask_views(inputs, "paper", 6).masks[0])


@pytest.mark.parametrize("names", [("rna",), ("rna", "adt"), ("rna", "adt", "atac")])
def test_every_weight_gets_a_gradient(tissue: Tissue, run: Run, names: tuple[str, ...]) -> None:
    inputs, graphs, network = prepared(tissue(names=names), SHORT, run)
    values = spamca.loss_terms(network, SHORT)(1, spamca.Batch(inputs, graphs))
    torch.stack(list(values.values())).sum().backward()
    pairwise = {"instance"} if len(names) > 1 else set()
    assert set(values) == {f"reconstruction_{name}" for name in names} | {"cluster", "target"} | pairwise
    for name, parameter in network.named_parameters():
        # Batch normalisation takes the mean away: the layer before it needs no bias, and gets none.
        if not (name.endswith(".0.bias") and "head" in name):
            assert parameter.grad is not None and parameter.grad.abs().max() > 1e-7, name


def test_a_third_modality_enters_by_the_mean_over_pairs(tissue: Tissue, run: Run) -> None:
    dataset = tissue(names=("rna", "adt", "atac"))
    inputs, graphs, network = prepared(dataset, SHORT, run)
    with torch.no_grad():
        seen = inputs.seen()
        encoded = network(seen, seen, graphs)
        present = [one.present for one in inputs.modalities]
        together = spamca.head_terms(network, encoded, present, SHORT)
        pairs = []
        heads = list(network.instance_heads)
        for chosen in ([0, 1], [0, 2], [1, 2]):
            network.instance_heads = torch.nn.ModuleList([heads[m] for m in chosen])
            part = encoded._replace(encodings=[encoded.encodings[m] for m in chosen])
            pairs.append(spamca.head_terms(network, part, [present[m] for m in chosen], SHORT))
    for name in ("instance", "cluster"):
        assert together[name].item() == pytest.approx(np.mean([pair[name].item() for pair in pairs]), rel=1e-5)


def test_rebuilds_as_well_as_least_squares_can(tissue: Tissue, run: Run) -> None:
    """With the spatial graph as both views and a wide embedding the autoencoder is one linear map."""
    dataset = tissue(side=6)
    for modality in dataset.modalities:
        dataset.graphs[f"{modality.name}_connectivities"] = dataset.graphs["spatial_connectivities"]
    config = spamca.Config(
        **PLAIN, epochs=300, n_dims=32, learning_rate=1e-2, weight_decay=0.0,
        instance_weight=0.0, cluster_weight=0.0, target_weight=0.0,
    )  # fmt: skip
    losses = spamca.fit(dataset, config, run).record["losses"]
    inputs, _, _ = prepared(dataset, config, run)
    graph = dense(dataset.graphs["spatial_connectivities"]).numpy()
    shown = np.concatenate([np.ones((36, 1)), *[graph @ one.features.numpy() for one in inputs.modalities]], axis=1)
    for one in inputs.modalities:
        target = one.features.numpy()
        fitted = graph @ shown @ np.linalg.lstsq(graph @ shown, target, rcond=None)[0]
        best = np.square(target - fitted).mean()
        assert 0.999 * best < losses[f"reconstruction_{one.name}"][-1] < 1.4 * best


def test_spots_without_a_modality_do_not_affect_its_clusters(tissue: Tissue, run: Run) -> None:
    inputs, _, network = prepared(tissue(missing=0.4), SHORT, run)
    present = [one.present for one in inputs.modalities]
    first, second, fused = (torch.randn(144, 8) for _ in range(3))
    with torch.no_grad():
        terms = [
            spamca.head_terms(network, spamca.SpaMcaOutput([first, y], [], fused), present, SHORT)
            # The same rows among the missing spots, so that batch normalisation sees the same set.
            for y in (second, swapped_among(second, ~present[1]))
        ]
    for name in terms[0]:
        assert terms[0][name].item() == pytest.approx(terms[1][name].item(), rel=1e-5), name


def swapped_among(x: Tensor, spots: Tensor) -> Tensor:
    """`x` with the rows of `spots` (bool) in reverse order."""
    result = x.clone()
    result[spots] = x[spots].flip(0)
    return result
