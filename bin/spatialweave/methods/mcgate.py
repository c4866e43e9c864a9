"""MCGATE, the single-section encoder of SpatialFuser (bioRxiv 2025.09.14.676067): graph attention, tied both ways.

docs/methods/mcgate.md explains the method, how it differs from the publication, and the effect of each part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from spatialweave.io.embeddings import LONG_RANGE
from spatialweave.method import Fitted
from spatialweave.nn.mcgate import Mcgate, McgateConfig
from spatialweave.settings import option
from spatialweave.training.batches import EMBEDDING, Batches
from spatialweave.training.frozen import State, frozen_inputs, restore, state_of, statistics_of
from spatialweave.training.loop import Terms, train
from spatialweave.training.masking import MaskedInputs, ScaledInputs, TrainingConfig, scale_inputs
from spatialweave.training.mcgate_encoder import (
    ATTENTION,
    FoundPairs,
    McgateEncoder,
    attention_table,
    extras_of,
    long_range_partners,
)
from spatialweave.training.tiles import Patch, TileConfig, Tiling

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config(McgateConfig, TileConfig, TrainingConfig):
    """Settings; the defaults are the same for all tissues."""

    n_dims: int = option(16, "Dimensions of the embedding.", low=1, high=4096)


@dataclass
class Batch:
    """Training data of a network at a time, with its neighbourhood."""

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
        return Batch(inputs.at(patch), McgateEncoder(patch.dataset, network, config, run, patch, found[patch.number]))

    # The decoder gathers as often as the encoder.
    batches = Batches(tiling, make_batch, inputs.reach + 2 * len(network.layers))
    history = train(network, loss_terms(network), config.schedule(), run, batches=batches)

    def function(batch: Batch) -> dict[str, Tensor]:
        return embedded(batch, history.epochs, config)

    fitted = fitted_tables(batches.everywhere(function), dataset, inputs)
    fitted.record = history.record(
        receptive_field=inputs.record(), long_range_neighbours=partners_of(fitted), **tiling.record()
    )
    fitted.state = state_of(network, inputs, batches.statistics(function))
    return fitted


def embed(dataset: Dataset, config: Config, run: Run, state: State) -> Fitted:
    """Embed spots with a network trained on others; needs the spatial graph.

    Attention patterns follow the embedding of the spots themselves, which does not exist at first. They are computed
    twice, so that the last pass follows an embedding that had a pattern, as in training.
    """
    tiling = Tiling(dataset, config.batch_spots, 1, run)
    inputs = frozen_inputs(dataset, state, config, run)
    network = Mcgate(dataset.n_spots, sum(inputs.widths), config)
    restore(network, state)
    network.to(run.device)

    def make_batch(patch: Patch) -> Batch:
        return Batch(inputs.at(patch), McgateEncoder(patch.dataset, network, config, run, patch))

    batches = Batches(tiling, make_batch, inputs.reach + 2 * len(network.layers))
    statistics = statistics_of(state, run.device)
    # The last pass of a training settles once; here statistics of its first pass serve two passes.
    once = len(network.layers) * (4 if config.feed_forward else 2)
    tables = batches.everywhere(lambda batch: embedded(batch, 0, config, settle=2), statistics[:once] + statistics)
    fitted = fitted_tables(tables, dataset, inputs)
    fitted.record = {"long_range_neighbours": partners_of(fitted), **tiling.record()}
    return fitted


def fitted_tables(tables: dict[str, np.ndarray], dataset: Dataset, inputs: ScaledInputs) -> Fitted:
    """Return the result of :func:`embedded` for every spot in the form that the method returns."""
    embedding, extras = tables.pop(EMBEDDING), extras_of(tables, dataset)
    return Fitted(embedding, extras=extras, denoised=inputs.to_latents(tables))


def partners_of(fitted: Fitted) -> float:
    """Return the mean number of long-range neighbours of a spot."""
    if LONG_RANGE not in fitted.extras:
        return 0.0
    return round(float((fitted.extras[LONG_RANGE].to_numpy() >= 0).sum() / len(fitted.embedding)), 3)


def embedded(batch: Batch, epochs: int, config: Config, settle: int = 1) -> dict[str, Tensor]:
    """Return the embedding, attention fractions, long-range neighbours, and every rebuilt modality, by name."""
    inputs, encoder = batch.inputs, batch.encoder
    z, attention, around = encoder.settle(torch.cat(inputs.seen(), dim=1), epochs, settle)
    rebuilt = encoder.network.decode(z, around, attention)
    spots = inputs.patch.dataset.obs.index
    tables: dict[str, Any] = {EMBEDDING: z, ATTENTION: attention_table(around, attention[-1], spots).to_numpy()}
    if config.alpha > 0:
        partners = long_range_partners(around, attention[-1], spots, config.n_nearest, inputs.patch.rows)
        tables[LONG_RANGE] = partners.to_numpy()
    parts = rebuilt.split(inputs.widths, dim=1)
    tables |= {one.name: x for one, x in zip(inputs.modalities, parts, strict=True)}
    return {name: torch.as_tensor(table) for name, table in tables.items()}


def loss_terms(network: Mcgate) -> Terms:
    """Return the loss terms of an epoch: for each modality the squared error of the rebuilt input on masked spots."""

    def terms(epoch: int, batch: Batch) -> dict[str, Tensor]:
        inputs = batch.inputs
        mask = inputs.mask(epoch)
        around = batch.encoder.prepare(epoch)
        z, weights = network(torch.cat(inputs.seen(mask), dim=1), around)
        batch.encoder.keep(z)
        rebuilt = network.decode(z, around, weights)
        return inputs.reconstruction_terms(rebuilt.split(inputs.widths, dim=1), mask)

    return terms
