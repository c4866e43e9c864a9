"""How weights are updated: the optimiser, its step size, and how that changes over the epochs."""

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
"""Of SGD."""

COSINE_END = 0.01
"""The cosine ends at this fraction of the first step size."""

PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.5, 5
"""The step size is multiplied by the factor after more than so many epochs without a lower total loss."""


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to train.

    Attributes
    ----------
    epochs
        Most epochs; one update each.
    learning_rate, weight_decay
        Of the optimiser. `adam` and `sgd` add the decay to the gradient (L2 form), `adamw` shrinks the weights apart
        from the gradient (Loshchilov and Hutter, ICLR 2019).
    optimiser
        `adam`, `adamw` or `sgd` (with momentum).
    rate
        How the step size changes: `none`, `cosine` (to :data:`COSINE_END` of it in the last epoch), or `plateau`.
    """

    epochs: int
    learning_rate: float
    weight_decay: float = 0.0
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    rate: Literal["none", "cosine", "plateau"] = "none"


def cosine_factor(done: int, epochs: int) -> float:
    """What the step size is multiplied by after `done` of the epochs: from 1 to :data:`COSINE_END`."""
    return COSINE_END + (1 - COSINE_END) * (1 + math.cos(math.pi * done / epochs)) / 2


class Updates:
    """An optimiser of given weights whose step size follows a schedule; its state belongs in a checkpoint.

    Parameters
    ----------
    parameters
        Trainable ones, or torch's parameter groups for parts with a step size of their own.
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
            # A factor, so that it is the same for groups with a step size of their own.
            self._scheduler = LambdaLR(self.optimiser, partial(cosine_factor, epochs=max(schedule.epochs, 1)))
        elif schedule.rate == "plateau":
            self._scheduler = ReduceLROnPlateau(self.optimiser, factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.optimiser.zero_grad(set_to_none=True)

    def step(self, total: float) -> None:
        """Update the weights by their gradients, then the step size; `total` is the epoch's loss."""
        self.optimiser.step()
        if isinstance(self._scheduler, ReduceLROnPlateau):
            self._scheduler.step(total)
        elif self._scheduler is not None:
            self._scheduler.step()

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        rate = {} if self._scheduler is None else self._scheduler.state_dict()
        return {"optimiser": self.optimiser.state_dict(), "rate": rate}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
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
        """How long and how fast to train."""
        return Schedule(self.epochs, self.learning_rate, self.weight_decay, self.optimiser, self.learning_rate_schedule)
