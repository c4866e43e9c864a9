"""SPAMO before its first epoch, with settings for short trainings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from spatialweave.io.dataset import Dataset
from spatialweave.methods import spamo
from spatialweave.nn.attention import choose_landmarks
from spatialweave.nn.gcn import gcn_propagation
from spatialweave.training.masking import MaskedInputs, prepare_inputs
from spatialweave.training.run import Run

Tissue = Callable[..., Dataset]

SHORT = spamo.Config(epochs=8, n_hidden=16, n_dims=8, landmarks=20)


def fitted(dataset: Dataset, config: spamo.Config, run: Run) -> np.ndarray:
    """The embedding; a run seeds torch's generator, which dropout draws from."""
    torch.manual_seed(run.seed)
    return spamo.fit(dataset, config, run).embedding


def parts(dataset: Dataset, config: spamo.Config, run: Run) -> tuple[spamo.Spamo, MaskedInputs, spamo.FixedGraphs]:
    inputs = prepare_inputs(dataset, config, run)
    count = len(dataset.modalities)
    graphs = [
        spamo.learned_graph(dataset.graphs[f"{one.name}_distances"], count, config, run.device)
        for one in dataset.modalities
    ]
    network = spamo.Spamo(inputs.widths, graphs, config, [1.0] * count)
    network.reset_parameters(run.torch_generator())
    near = [spamo.attended(dataset, m, run.device) for m in range(len(graphs))]
    landmarks = choose_landmarks(dataset.n_spots, config.landmarks, run.torch_generator())
    graph = dataset.graphs["spatial_connectivities"]
    around = spamo.weighted_means(graph, run.device)
    return network, inputs, spamo.FixedGraphs(gcn_propagation(graph), around, near, landmarks)
