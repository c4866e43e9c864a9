"""MCGATE, the single-section encoder of SpatialFuser (bioRxiv 2025.09.14.676067): graph attention, tied both ways.

docs/methods/mcgate.md explains the method, where this departs from the publication, and what each part is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from spatialweave.io.embeddings import LONG_RANGE
from spatialweave.method import Fitted
from spatialweave.nn.mcgate import Mcgate, McgateConfig
from spatialweave.settings import option
from spatialweave.training.loop import Terms, train
from spatialweave.training.masking import MaskedInputs, TrainingConfig, prepare_inputs
from spatialweave.training.mcgate_encoder import McgateEncoder, attention_table, long_range_partners

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config(McgateConfig, TrainingConfig):
    """Settings; the defaults are one set for all tissues."""

    n_dims: int = option(16, "Dimensions of the embedding.", low=1, high=4096)


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`; needs the spatial graph."""
    inputs = prepare_inputs(dataset, config, run)
    network = Mcgate(dataset.n_spots, sum(inputs.widths), config)
    network.reset_parameters(run.torch_generator())
    network.to(run.device)
    encoder = McgateEncoder(dataset, network, config, run)
    history = train(network, loss_terms(encoder, inputs), config.schedule(), run)
    z, rebuilt, weights = encoder.settled(torch.cat(inputs.seen(), dim=1), history.epochs)
    record = history.record(
        receptive_field=inputs.record(),
        long_range_neighbours=0.0 if encoder.expansion is None else round(encoder.expansion.mean_found, 3),
    )
    extras = {"attention": attention_table(encoder.around, weights, dataset.obs.index)}
    if config.alpha > 0:
        extras[LONG_RANGE] = long_range_partners(encoder.around, weights, dataset.obs.index, config.n_nearest)
    return Fitted(
        z.float().cpu().numpy(),
        record,
        extras=extras,
        denoised=inputs.to_latents(rebuilt.split(inputs.widths, dim=1)),
    )


def loss_terms(encoder: McgateEncoder, inputs: MaskedInputs) -> Terms:
    """The loss terms of an epoch: per modality the squared error of the rebuilt input, on masked spots."""
    network = encoder.network

    def terms(epoch: int, batch: None = None) -> dict[str, Tensor]:
        mask = inputs.mask(epoch)
        around = encoder.prepare(epoch)
        z, weights = network(torch.cat(inputs.seen(mask), dim=1), around)
        network.latest.copy_(z.detach())
        rebuilt = network.decode(z, around, weights)
        return inputs.reconstruction_terms(rebuilt.split(inputs.widths, dim=1), mask)

    return terms
