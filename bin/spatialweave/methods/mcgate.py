"""MCGATE, the single-section encoder of SpatialFuser (bioRxiv 2025.09.14.676067): graph attention, tied both ways.

docs/methods/mcgate.md explains the method, where this departs from the publication, and what each part is worth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from spatialweave.io.embeddings import LONG_RANGE
from spatialweave.method import Fitted
from spatialweave.nn.mcgate import Mcgate, McgateConfig
from spatialweave.settings import option
from spatialweave.training.batches import EMBEDDING, Batches
from spatialweave.training.loop import Terms, train
from spatialweave.training.masking import MaskedInputs, TrainingConfig, scale_inputs
from spatialweave.training.mcgate_encoder import (
    ATTENTION_COLUMNS,
    FoundPairs,
    McgateEncoder,
    attention_table,
    long_range_partners,
)
from spatialweave.training.tiles import Patch, TileConfig, Tiling

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


ATTENTION = "attention"


@dataclass(frozen=True)
class Config(McgateConfig, TileConfig, TrainingConfig):
    """Settings; the defaults are one set for all tissues."""

    n_dims: int = option(16, "Dimensions of the embedding.", low=1, high=4096)


@dataclass
class Batch:
    """What a network learns from at a time, with its neighbourhood."""

    inputs: MaskedInputs
    encoder: McgateEncoder


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`; needs the spatial graph."""
    tiling = Tiling(dataset, config.batch_spots, config.epochs, run)
    inputs = scale_inputs(tiling, config, run)
    network = Mcgate(dataset.n_spots, sum(inputs.widths), config)
    network.reset_parameters(run.torch_generator())
    network.to(run.device)
    found = [FoundPairs() for _ in range(tiling.n_parts)]

    def make_batch(patch: Patch) -> Batch:
        encoder = McgateEncoder(patch.dataset, network, config, run, patch, found[patch.number])
        return Batch(inputs.at(patch), encoder)

    # The decoder gathers as often as the encoder.
    batches = Batches(tiling, make_batch, inputs.reach + 2 * len(network.layers))
    history = train(network, loss_terms(network), config.schedule(), run, batches=batches)
    tables = batches.everywhere(lambda batch: embedded(batch, history.epochs, config))
    columns = ATTENTION_COLUMNS[: tables[ATTENTION].shape[1]]
    extras = {ATTENTION: pd.DataFrame(tables.pop(ATTENTION), dataset.obs.index, columns)}
    partners = 0.0
    if config.alpha > 0:
        names = [str(number + 1) for number in range(config.n_nearest)]
        extras[LONG_RANGE] = pd.DataFrame(tables.pop(LONG_RANGE), dataset.obs.index, names)
        partners = float((extras[LONG_RANGE].to_numpy() >= 0).sum() / dataset.n_spots)
    record = history.record(
        receptive_field=inputs.record(), long_range_neighbours=round(partners, 3), **tiling.record()
    )
    embedding = tables.pop(EMBEDDING)
    return Fitted(embedding, record, extras, inputs.to_latents(tables))


def embedded(batch: Batch, epochs: int, config: Config) -> dict[str, Tensor]:
    """The embedding, where attention goes, long-range neighbours, and every modality rebuilt, by name."""
    inputs, encoder = batch.inputs, batch.encoder
    z, rebuilt, weights = encoder.settled(torch.cat(inputs.seen(), dim=1), epochs)
    spots = inputs.patch.dataset.obs.index
    tables = {EMBEDDING: z, ATTENTION: attention_table(encoder.around, weights, spots)}
    if config.alpha > 0:
        tables[LONG_RANGE] = long_range_partners(encoder.around, weights, spots, config.n_nearest, inputs.patch.rows)
    parts = rebuilt.split(inputs.widths, dim=1)
    tables |= {one.name: x for one, x in zip(inputs.modalities, parts, strict=True)}
    return {name: torch.as_tensor(np.asarray(table)) for name, table in tables.items()}


def loss_terms(network: Mcgate) -> Terms:
    """The loss terms of an epoch: per modality the squared error of the rebuilt input, on masked spots."""

    def terms(epoch: int, batch: Batch) -> dict[str, Tensor]:
        inputs = batch.inputs
        mask = inputs.mask(epoch)
        around = batch.encoder.prepare(epoch)
        z, weights = network(torch.cat(inputs.seen(mask), dim=1), around)
        batch.encoder.keep(z)
        rebuilt = network.decode(z, around, weights)
        return inputs.reconstruction_terms(rebuilt.split(inputs.widths, dim=1), mask)

    return terms
