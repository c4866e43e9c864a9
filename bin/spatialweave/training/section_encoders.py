"""Encoders of several sections: one per section, or one for all sections with the same modalities."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from spatialweave.errors import InputError
from spatialweave.modalities import MODALITIES
from spatialweave.nn.mcgate import Mcgate, McgateConfig
from spatialweave.nn.over_spots import Notes, counting, fixed
from spatialweave.settings import option
from spatialweave.training.batches import EMBEDDING, Batches
from spatialweave.training.masking import (
    SAMPLE_SPOTS,
    MaskedInputs,
    ScaledInputs,
    TrainingConfig,
    random_mask,
    scale_by_sample,
)
from spatialweave.training.mcgate_encoder import Encoded, FoundPairs, McgateEncoder
from spatialweave.training.named_values import named_values, number
from spatialweave.training.sections import restricted
from spatialweave.training.tiles import Patch, TileConfig, Tiling

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class SectionEncodersConfig(McgateConfig, TileConfig, TrainingConfig):
    """Settings of the encoders of several sections."""

    shared_encoder: bool = option(True, "Sections of the same modalities share one encoder; published: never.")
    encoder_hidden: str = option(
        "", "n_hidden of single encoders, by a modality or section of theirs, e.g. metabolite:none+rna:512-64."
    )
    encoder_rates: str = option(
        "", "learning_rate of single encoders, by a modality or section of theirs, e.g. rna:0.003+adt:0.001."
    )


@dataclass
class SectionGroup:
    """The spots of one encoder: those of a section, or of all sections with the same modalities.

    Attributes
    ----------
    names
        Names of the sections.
    rows
        Rows of its spots in the dataset (int64, ascending).
    dataset
        Dataset of these spots, with the modalities that any of them has.
    inputs, known
        Inputs to embed, and inputs known in training.
    config
        Settings of its network.
    learning_rate
        Step size of its network.
    found
        Long-range neighbours of every part.
    """

    names: list[str]
    rows: np.ndarray
    dataset: Dataset
    inputs: ScaledInputs
    known: ScaledInputs
    network: Mcgate
    config: McgateConfig
    learning_rate: float
    found: list[FoundPairs]

    @property
    def name(self) -> str:
        """Name made of the names of its sections."""
        return " and ".join(self.names)

    @property
    def reach(self) -> int:
        """Number of graph steps that a spot's losses depend on: those of input, encoder, and a decoder as deep."""
        return self.inputs.reach + 2 * len(self.network.layers)


@dataclass
class GroupBatch:
    """The spots of a group in a part of the dataset, with their neighbourhood.

    Attributes
    ----------
    rows
        Rows of its spots in the part (int64).
    inputs, known
        Like those of the group.
    """

    group: SectionGroup
    rows: Tensor
    inputs: MaskedInputs
    known: MaskedInputs
    encoder: McgateEncoder


@dataclass
class SectionsBatch:
    """A part of the dataset, or all of it.

    Attributes
    ----------
    groups
        Groups with spots in the part.
    order
        Order of the part's spots among those of its groups, one group after the other.
    """

    patch: Patch
    groups: list[GroupBatch]
    order: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.order = torch.argsort(torch.cat([one.rows for one in self.groups]))

    def mask(self, epoch: int) -> Tensor:
        """Return the spots masked in an epoch (bool)."""
        inputs = self.groups[0].inputs
        return self.patch.taken(random_mask(self.patch.n_all, inputs.mask_fraction, inputs.run, epoch))


def encoder_keys(dataset: Dataset, sections: dict[str, np.ndarray], config: SectionEncodersConfig) -> dict[str, Any]:
    """Return a key for every section; sections with the same key share an encoder."""
    if not config.shared_encoder:
        return {name: name for name in sections}
    return {
        name: tuple(one.name for one in dataset.modalities if one.present[rows].any())
        for name, rows in sections.items()
    }


def make_groups(
    tiling: Tiling, sections: dict[str, np.ndarray], config: SectionEncodersConfig, run: Run
) -> list[SectionGroup]:
    """Make the encoders with their inputs: one per section, or per set of modalities if encoders are shared."""
    dataset = tiling.dataset
    of_key: dict[Any, list[str]] = {}
    for name, key in encoder_keys(dataset, sections, config).items():
        of_key.setdefault(key, []).append(name)
    known = {*MODALITIES, *sections}
    hidden, rates = (named_values(getattr(config, name), name, known) for name in ("encoder_hidden", "encoder_rates"))
    groups = []
    for names in of_key.values():
        rows = np.sort(np.concatenate([sections[name] for name in names]))
        own = restricted(dataset, rows)
        if len(rows) < 2:
            raise InputError(f"dataset '{dataset.name}', section '{names[0]}'", "has one spot", "two spots or more")
        sample = Patch(0, own, own.n_spots, run.device)
        if own.n_spots > SAMPLE_SPOTS:
            sample = tiling.sample(SAMPLE_SPOTS, config.max_rounds).only(own, rows)
        inputs = scale_by_sample(own, sample, config, run)
        called = [*names, *(one.name for one in own.modalities)]
        of_encoder = replace(config, n_hidden=own_value(hidden, called, config.n_hidden))
        network = Mcgate(len(rows), sum(inputs.widths), of_encoder)
        rate = number(own_value(rates, called, str(config.learning_rate)), "encoder_rates")
        found = [FoundPairs() for _ in range(tiling.n_parts)]
        groups.append(SectionGroup(names, rows, own, inputs, inputs, network, of_encoder, rate, found))
    return groups


def own_value(values: dict[str, str], names: Sequence[str], otherwise: str) -> str:
    """Return the value of the first section or modality of an encoder that has one; else `otherwise`."""
    return next((values[name] for name in names if name in values), otherwise)


def make_batches(tiling: Tiling, groups: Sequence[SectionGroup], run: Run) -> Batches[SectionsBatch]:
    """Return the parts of a tiling with the encoders of their spots."""

    def make(patch: Patch) -> SectionsBatch:
        batches = []
        for group in groups:
            part = patch.only(group.dataset, group.rows)
            if part.dataset.n_spots == 0:
                continue
            rows = group.rows
            if patch.rows is not None and part.rows is not None:
                rows = np.searchsorted(patch.rows, group.rows[part.rows])
            encoder = McgateEncoder(part.dataset, group.network, group.config, run, part, group.found[patch.number])
            place = torch.as_tensor(rows, device=run.device)
            batches.append(GroupBatch(group, place, group.inputs.at(part), group.known.at(part), encoder))
        return SectionsBatch(patch, batches)

    return Batches(tiling, make, max(group.reach for group in groups))


def encode(batch: SectionsBatch, mask: Tensor) -> list[Encoded]:
    """Encode a part with each encoder while the spots in `mask` are masked, by the current neighbourhoods.

    The embeddings determine the next epoch's patterns.
    """
    encoded = []
    for one in batch.groups:
        with counting(one.inputs.patch.core):
            encoded.append(one.encoder.encode(torch.cat(one.known.seen(mask[one.rows]), dim=1)))
        one.encoder.keep(encoded[-1].embedding)
    return encoded


def everywhere(
    batches: Batches[SectionsBatch],
    groups: Sequence[SectionGroup],
    encoded: Callable[[GroupBatch], Encoded],
    function: Callable[[SectionsBatch, list[Encoded]], Mapping[str, Tensor]],
) -> dict[str, np.ndarray]:
    """Apply `function` to the encodings of each part, and return its tables for every spot, by name.

    A group may have no spots in a part, so statistics over spots are recorded for each group separately.
    """

    statistics: dict[str, Notes] = {}
    for group in [] if batches.whole else groups:

        def of_group(batch: SectionsBatch, name: str = group.name) -> Mapping[str, Tensor]:
            own = [one for one in batch.groups if one.group.name == name]
            if not own:
                return {}
            with counting(own[0].inputs.patch.core):
                return {EMBEDDING: encoded(own[0]).embedding}

        statistics[group.name] = batches.statistics(of_group)

    def of_part(batch: SectionsBatch) -> Mapping[str, Tensor]:
        found = []
        for one in batch.groups:
            with (
                fixed(statistics[one.group.name]) if statistics else nullcontext(),
                counting(one.inputs.patch.core),
            ):
                found.append(encoded(one))
        return function(batch, found)

    return batches.everywhere(of_part, statistics=[])
