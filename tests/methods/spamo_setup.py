"""SPAMO before its first epoch, with settings for short trainings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from spatialweave.io.dataset import Dataset
from spatialweave.methods import spamo
from spatialweave.nn.attention import choose_landmarks
from spatialweave.training.run import Run

from .inputs import prepare_inputs

Tissue = Callable[..., Dataset]

SHORT = spamo.Config(epochs=8, n_hidden=16, n_dims=8, landmarks=20)


def fitted(dataset: Dataset, config: spamo.Config, run: Run) -> np.ndarray:
    """The embedding; a run seeds torch's generator, which dropout draws from."""
    torch.manual_seed(run.seed)
    return spamo.fit(dataset, config, run).embedding


def parts(dataset: Dataset, config: spamo.Config, run: Run) -> tuple[spamo.Spamo, spamo.Batch]:
    inputs = prepare_inputs(dataset, config, run)
    graphs = spamo.learned_graphs(dataset, config, run.device)
    network = spamo.Spamo(inputs.widths, [graphs], config, [1.0] * len(graphs))
    network.reset_parameters(run.torch_generator())
    landmarks = choose_landmarks(dataset.n_spots, config.landmarks, run.torch_generator())
    return network, spamo.Batch(inputs, spamo.fixed_graphs(dataset, config, landmarks, run.device), graphs)
