"""Every part of the default MCGATE matters on the demo tissue, and what is exported varies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from spatialweave.io.dataset import Dataset
from spatialweave.methods import mcgate
from spatialweave.methods.mcgate import Config
from spatialweave.nn.graph_attention import AttentionWeights
from spatialweave.nn.mcgate import Mcgate
from spatialweave.training.loop import train
from spatialweave.training.masking import prepare_inputs
from spatialweave.training.mcgate_encoder import McgateEncoder, attention_table
from spatialweave.training.run import Run

Demo = Callable[[str], Dataset]


@dataclass
class Trained:
    """A trained encoder, its input, and what its weights were before."""

    encoder: McgateEncoder
    x: Tensor
    start: dict[str, float]
    embedding: Tensor
    weights: list[AttentionWeights]


@pytest.fixture(scope="module")
def trained(demo: Demo) -> Trained:
    dataset = demo("spatial")
    config, run = Config(), Run(seed=1, log=lambda _line: None)
    inputs = prepare_inputs(dataset, config, run)
    network = Mcgate(dataset.n_spots, sum(inputs.widths), config)
    network.reset_parameters(run.torch_generator())
    start = {name: parameter.norm().item() for name, parameter in network.named_parameters()}
    encoder = McgateEncoder(dataset, network, config, run)
    history = train(network, mcgate.loss_terms(encoder, inputs), config.schedule(), run)
    x = torch.cat(inputs.seen(), dim=1)
    embedding, weights = encoder.settle(x, history.epochs)
    return Trained(encoder, x, start, embedding, weights)


@torch.no_grad()
def changed_by(trained: Trained, **changed: object) -> float:
    """What a change of the neighbourhood at inference does to the embedding, as a fraction of its variance."""
    around = replace(trained.encoder.around, **changed)
    other, _ = trained.encoder.network(trained.x, around)
    z = trained.embedding
    return float((z - other).square().sum() / (z - z.mean(dim=0)).square().sum())


def test_attention_is_not_uniform(trained: Trained) -> None:
    graph = trained.encoder.around.local
    (given,) = trained.weights
    entropy = graph.sum(-given.local * given.local.log())
    degree = graph.sum(torch.ones(graph.n_edges, 1))
    assert (entropy / degree.log()).mean() < 0.98
    assert changed_by(trained, temperature=1e9) > 0.01


def test_every_part_changes_the_embedding(trained: Trained) -> None:
    assert changed_by(trained, pattern=None) > 0.005
    assert changed_by(trained, distant=None) > 0.0005
    network = trained.encoder.network
    (layer,) = network.stack
    block, layer.block = layer.block, None
    with torch.no_grad():
        without, _ = network(trained.x, trained.encoder.around)
    layer.block = block
    z = trained.embedding
    assert (z - without).square().sum() > 0.05 * (z - z.mean(dim=0)).square().sum()


def test_no_weight_collapses(trained: Trained) -> None:
    for name, parameter in trained.encoder.network.named_parameters():
        assert trained.start[name] == 0 or parameter.norm().item() > 0.1 * trained.start[name], name


def test_what_is_exported_varies(demo: Demo, trained: Trained) -> None:
    table = attention_table(trained.encoder.around, trained.weights[-1], demo("spatial").obs.index)
    assert (table.std() > 0.01).all()
    assert np.isfinite(table.to_numpy()).all()
