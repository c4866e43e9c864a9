"""SpaBalance before its first epoch, with settings for short trainings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from spatialweave.io.dataset import Dataset
from spatialweave.methods import spabalance
from spatialweave.nn.attention import choose_landmarks
from spatialweave.training.masking import MaskedInputs
from spatialweave.training.run import Run

from .inputs import prepare_inputs

Tissue = Callable[..., Dataset]

SHORT = spabalance.Config(epochs=8, n_dims=8, n_hidden=10, mixer_width=12, heads=2, n_landmarks=20)
PLAIN = replace(SHORT, epochs=0, max_rounds=0, mask_fraction=0.0, n_landmarks=10_000)


def built(
    dataset: Dataset, config: spabalance.Config, run: Run
) -> tuple[MaskedInputs, spabalance.SpaBalanceGraphs, spabalance.SpaBalance]:
    """Inputs, graphs and the initial network."""
    torch.manual_seed(run.seed)
    inputs = prepare_inputs(dataset, config, run)
    generator = run.torch_generator()
    landmarks = choose_landmarks(dataset.n_spots, config.n_landmarks, generator)
    graphs = spabalance.make_graphs(dataset, config, landmarks, run.device)
    network = spabalance.SpaBalance(inputs.widths, config, [1.0] * len(inputs.widths))
    network.reset_parameters(generator)
    return inputs, graphs, network
