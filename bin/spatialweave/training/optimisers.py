"""Updates of the weights: the optimiser, its step size, and how that changes over the epochs."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, ReduceLROnPlateau

from spatialweave.settings import option

MOMENTUM = 0.9
"""Momentum of SGD."""

COSINE_END = 0.01
"""Last step size of the cosine, as a fraction of the first."""

PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.5, 5
"""Factor on the step size, and the number of epochs without a lower total loss after which it is applied."""


@dataclass(frozen=True)
class Schedule:
    """Length and speed of a training.

    Attributes
    ----------
    epochs
        Maximal number of epochs; one update each.
    learning_rate, weight_decay
        Settings of the optimiser. `adam` and `sgd` add the decay to the gradient (L2 form), `adamw` shrinks the weights
        separately (Loshchilov and Hutter, ICLR 2019).
    optimiser
        `adam`, `adamw` or `sgd` (with momentum).
    rate
        Course of the step size: `none`, `cosine` (to :data:`COSINE_END` of it in the last epoch), or `plateau`.
    """

    epochs: int
    learning_rate: float
    weight_decay: float = 0.0
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    rate: Literal["none", "cosine", "plateau"] = "none"


def cosine_factor(done: int, epochs: int) -> float:
    """Return the factor on the step size after `done` of the epochs: from 1 to :data:`COSINE_END`."""
    return COSINE_END + (1 - COSINE_END) * (1 + math.cos(math.pi * done / epochs)) / 2


class Updates:
    """Optimiser whose step size follows a schedule; its state belongs in a checkpoint.

    Parameters
    ----------
    parameters
        Trainable parameters, or torch's parameter groups for parts with their own step size.
    """

    def __init__(self, parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]], schedule: Schedule) -> None:
        rate, decay = schedule.learning_rate, schedule.weight_decay
        self.optimiser: Optimizer
        if schedule.optimiser == "sgd":
            self.optimiser = torch.optim.SGD(parameters, rate, momentum=MOMENTUM, weight_decay=decay)
        else:
            kind = torch.optim.AdamW if schedule.optimiser == "adamw" else torch.optim.Adam
            self.optimiser = kind(parameters, rate, weight_decay=decay)
        self._scheduler: LambdaLR | ReduceLROnPlateau | None = None
        if schedule.rate == "cosine":
            # A factor, so that it also applies to groups with their own step size.
            self._scheduler = LambdaLR(self.optimiser, partial(cosine_factor, epochs=max(schedule.epochs, 1)))
        elif schedule.rate == "plateau":
            self._scheduler = ReduceLROnPlateau(self.optimiser, factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE)

    def zero_grad(self) -> None:
        """Clear the gradients."""
        self.optimiser.zero_grad(set_to_none=True)

    def step(self, total: float) -> None:
        """Update the weights by their gradients, then the step size; `total` is the epoch's loss."""
        self.optimiser.step()
        if isinstance(self._scheduler, ReduceLROnPlateau):
            self._scheduler.step(total)
        elif self._scheduler is not None:
            self._scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        rate = {} if self._scheduler is None else self._scheduler.state_dict()
        return {"optimiser": self.optimiser.state_dict(), "rate": rate}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from the state of a checkpoint."""
        self.optimiser.load_state_dict(state["optimiser"])
        if self._scheduler is not None:
            self._scheduler.load_state_dict(state["rate"])


@dataclass(frozen=True)
class OptimiserConfig:
    """Settings of the training that methods share."""

    epochs: int = option(150, "Epochs; one update each.", low=0, aliases=("epochs_override",))
    learning_rate: float = option(3e-3, "Step size of the optimiser.", low=0, aliases=("lr",))
    weight_decay: float = option(0.0, "Decay of the weights; `adamw` keeps it apart from the gradient.", low=0)
    optimiser: Literal["adam", "adamw", "sgd"] = option(
        "adam", "What updates the weights; `sgd` has momentum 0.9.", aliases=("optimizer_type",)
    )
    learning_rate_schedule: Literal["none", "cosine", "plateau"] = option(
        "none", "How the step size falls: to 1% by a cosine, or on a plateau.", aliases=("lr_scheduler_type",)
    )

    def schedule(self) -> Schedule:
        """Return the schedule of the training."""
        return Schedule(self.epochs, self.learning_rate, self.weight_decay, self.optimiser, self.learning_rate_schedule)
