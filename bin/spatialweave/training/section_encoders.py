"""The encoders of several sections: one per section, or one for all sections of the same modalities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from spatialweave.errors import InputError
from spatialweave.modalities import MODALITIES
from spatialweave.nn.graph_attention import AttentionWeights
from spatialweave.nn.mcgate import Mcgate, McgateConfig
from spatialweave.settings import option
from spatialweave.training.masking import MaskedInputs, TrainingConfig, prepare_inputs
from spatialweave.training.mcgate_encoder import McgateEncoder
from spatialweave.training.named_values import named_values, number
from spatialweave.training.sections import restricted

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class SectionEncodersConfig(McgateConfig, TrainingConfig):
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
        Sections.
    rows
        Its spots in the dataset.
    learning_rate
        Of its encoder.
    """

    names: list[str]
    rows: Tensor
    inputs: MaskedInputs
    encoder: McgateEncoder
    learning_rate: float


def encoder_keys(dataset: Dataset, sections: dict[str, np.ndarray], config: SectionEncodersConfig) -> dict[str, Any]:
    """For every section a key; sections with the same one share an encoder."""
    if not config.shared_encoder:
        return {name: name for name in sections}
    return {
        name: tuple(one.name for one in dataset.modalities if one.present[rows].any())
        for name, rows in sections.items()
    }


def make_parts(
    dataset: Dataset, sections: dict[str, np.ndarray], config: SectionEncodersConfig, run: Run
) -> list[SectionGroup]:
    """The encoders, with what they see: one per section, or per set of modalities where encoders are shared."""
    groups: dict[Any, list[str]] = {}
    for name, key in encoder_keys(dataset, sections, config).items():
        groups.setdefault(key, []).append(name)
    known = {*MODALITIES, *sections}
    hidden, rates = (named_values(getattr(config, name), name, known) for name in ("encoder_hidden", "encoder_rates"))
    parts = []
    for names in groups.values():
        rows = np.sort(np.concatenate([sections[name] for name in names]))
        own = restricted(dataset, rows)
        if len(rows) < 2:
            raise InputError(f"dataset '{dataset.name}', section '{names[0]}'", "has one spot", "two spots or more")
        inputs = prepare_inputs(own, config, run)
        called = [*names, *(one.name for one in own.modalities)]
        of_encoder = replace(config, n_hidden=own_value(hidden, called, config.n_hidden))
        network = Mcgate(len(rows), sum(inputs.widths), of_encoder).to(run.device)
        encoder = McgateEncoder(own, network, of_encoder, run)
        rate = number(own_value(rates, called, str(config.learning_rate)), "encoder_rates")
        parts.append(SectionGroup(names, torch.as_tensor(rows, device=run.device), inputs, encoder, rate))
    return parts


def own_value(values: dict[str, str], names: Sequence[str], otherwise: str) -> str:
    """The value of the encoder with these section and modality names, the first that has one; else `otherwise`."""
    return next((values[name] for name in names if name in values), otherwise)


def encode(
    parts: Sequence[SectionGroup], mask: Tensor | None = None
) -> tuple[list[Tensor], list[list[AttentionWeights]]]:
    """Each encoder's embedding (its spots x dimensions) and attention, by the present neighbourhoods.

    An embedding made with masked spots, i.e. in training, is the one that gives the next epoch's patterns.
    """
    encoded, weights = [], []
    for part in parts:
        seen = part.inputs.seen(None if mask is None else mask[part.rows])
        z, given = part.encoder.network(torch.cat(seen, dim=1), part.encoder.around)
        if mask is not None:
            part.encoder.network.latest.copy_(z.detach())
        encoded.append(z)
        weights.append(given)
    return encoded, weights
