"""State of a trained method, which embeds new spots without training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from spatialweave.errors import InputError
from spatialweave.nn.over_spots import Notes
from spatialweave.training.masking import InputConfig, MaskedInput, ScaledInputs, scaled_by

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run

State = Mapping[str, np.ndarray]
"""Arrays by name: ``network.<parameter>``, ``input.<modality>.<what>``, ``statistic.<number>``."""

INPUT = ("centre", "factor", "rounds", "explained")


def state_of(network: nn.Module, inputs: ScaledInputs, statistics: Notes) -> dict[str, np.ndarray]:
    """Return the weights of a network, the scaling of its inputs, and the statistics over spots that it uses.

    Buffers are left out: they belong to the spots that it was trained on.
    """
    state = {f"network.{name}": value.detach().cpu().numpy() for name, value in network.named_parameters()}
    for one in inputs.modalities:
        values = (one.centre, one.factor, np.array(one.rounds, dtype=np.int64), one.explained)
        state |= {f"input.{one.name}.{what}": np.asarray(value) for what, value in zip(INPUT, values, strict=True)}
    # Leading zeros make the order of names that of the statistics.
    return state | {f"statistic.{k:04}": value.cpu().numpy() for k, value in enumerate(statistics)}


def statistics_of(state: State, device: str) -> Notes:
    """Return the statistics over spots, in the order in which the network uses them."""
    names = sorted(name for name in state if name.startswith("statistic."))
    return [torch.as_tensor(np.array(state[name]), device=device) for name in names]


def restore(network: nn.Module, state: State) -> None:
    """Load the weights of a state into a network.

    Raises
    ------
    InputError
        If the weights of the state and of the network differ in names or shapes.
    """
    wanted = dict(network.named_parameters())
    given = {name.removeprefix("network."): value for name, value in state.items() if name.startswith("network.")}
    for name in sorted({*wanted} ^ {*given}):
        found = "is missing" if name in wanted else "is not one of this method's"
        raise InputError(f"saved model, network.{name}", found, "the weights of the method that it names")
    with torch.no_grad():
        for name, parameter in wanted.items():
            if tuple(given[name].shape) != tuple(parameter.shape):
                found = f"has the shape {tuple(given[name].shape)}"
                raise InputError(f"saved model, network.{name}", found, f"{tuple(parameter.shape)}")
            parameter.copy_(torch.as_tensor(np.array(given[name])))
    network.eval()


def frozen_inputs(dataset: Dataset, state: State, config: InputConfig, run: Run) -> ScaledInputs:
    """Return the inputs of a dataset, scaled and averaged like those that a network was trained on.

    Raises
    ------
    InputError
        If the state lacks a modality, or fits latents of another width.
    """
    modalities = []
    for modality in dataset.modalities:
        centre, factor, rounds, explained = (_array(state, f"input.{modality.name}.{what}") for what in INPUT)
        width = modality.latent.shape[1]
        if centre.shape != (width,) or factor.shape != (width,) or rounds.shape != () or not 0 <= rounds <= 100:
            found = f"is of {len(centre) if centre.ndim else 0} dimensions, {rounds} rounds"
            raise InputError(f"saved model, input.{modality.name}", found, f"{width} dimensions, 0 to 100 rounds")
        modalities.append(
            MaskedInput(
                modality.name,
                torch.as_tensor(scaled_by(modality, centre, factor), device=run.device),
                torch.as_tensor(modality.present, device=run.device),
                int(rounds),
                explained,
                centre,
                factor,
            )
        )
    return ScaledInputs(modalities, config.mask_fraction, run)


def _array(state: State, name: str) -> np.ndarray:
    if name not in state:
        raise InputError(f"saved model, {name}", "is missing", fix="save the model again")
    return state[name]
