"""The training loop of all methods: batches, early stop, checkpoints, progress and a NaN guard."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spatialweave.errors import InputError
from spatialweave.training import checkpoint
from spatialweave.training.batches import AllAtOnce, Source
from spatialweave.training.optimisers import Schedule, Updates
from spatialweave.training.progress import Progress, describe
from spatialweave.training.run import Run
from spatialweave.training.stopping import StopRule, never

Terms = Callable[[int, Any], Mapping[str, Tensor]]
"""Computes an epoch's loss terms (already weighted) on a batch, by name; their sum is minimised. Epochs count from 1.

Without batches its argument is None."""

Backward = Callable[[Mapping[str, Tensor]], None]
"""Adds to the gradients of the trainable parameters, given the loss terms of a batch."""


SAVING_APART = 20
"""Least time between two checkpoints in times that the last one took: saving takes 5% of the time at most."""


@dataclass
class History:
    """Course of a training: for each term (and `total`) one value per update, why it ended, and the time it took.

    `preparation` and `seconds` are the times before the loop and in it.
    """

    losses: dict[str, list[float]] = field(default_factory=lambda: {"total": []})
    stopped_by: str = "all epochs done"
    preparation: float = 0.0
    seconds: float = 0.0

    @property
    def epochs(self) -> int:
        """Number of updates made."""
        return len(self.losses["total"])

    def record(self, **facts: Any) -> dict[str, Any]:
        """Return the training record: `losses`, `epochs`, `stopped_by`, `timings`, and the method's own `facts`."""
        return {
            "losses": self.losses,
            "epochs": self.epochs,
            "stopped_by": self.stopped_by,
            "timings": {"preparation": round(self.preparation, 3), "training": round(self.seconds, 3)},
            **facts,
        }


def train(
    model: nn.Module,
    terms: Terms,
    schedule: Schedule,
    run: Run,
    stop: StopRule = never,
    backward: Backward | None = None,
    groups: Iterable[dict[str, Any]] | None = None,
    batches: Source | None = None,
) -> History:
    """Minimise the sum of `terms` over the trainable parameters of `model`, in place.

    In each epoch: evaluate `stop`, compute the terms of one batch after the other, record their weighted sums, and
    update by the sum of their gradients. The last weights are kept. With `backward`, the gradients are those that it
    adds. `groups` are torch's parameter groups, for parts of the model with their own step size; None = one group.
    Without `batches` the terms are called with None: they hold all spots themselves.

    Raises
    ------
    InputError
        When a loss term is not finite; the message names the epoch and the term.
    """
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    updates = Updates(trainable if groups is None else groups, schedule)
    history = _resumed(model, updates, run)
    if len(set(run.team.told_by_all(history.epochs))) > 1:
        raise InputError(
            f"--checkpoint {run.checkpoint}",
            "the processes of this training found different checkpoints there",
            "a folder that all nodes share",
            "set --checkpoint_dir to one, or delete the checkpoint",
        )
    source = AllAtOnce() if batches is None else batches
    progress = Progress(schedule.epochs, run.log, run.progress_seconds)
    started = saved = time.monotonic()
    pause = run.checkpoint_seconds
    for epoch in range(history.epochs + 1, schedule.epochs + 1):
        reason = stop(epoch, history.losses)
        if reason is not None:
            history.stopped_by = reason
            break
        updates.zero_grad()
        numbers: dict[str, float] = {}
        for weight, batch in source.of_update(epoch):
            values = {name: weight * value for name, value in terms(epoch, batch).items()}
            stacked = torch.stack([value.float() for value in values.values()])
            total = stacked.sum()
            if backward is None:
                # Before the numbers are fetched, so that the device need not wait for the host.
                total.backward()
            found = _fetched(list(values), torch.cat([stacked, total[None]]), epoch)
            if backward is not None:
                backward(values)
            for name, number in found.items():
                numbers[name] = numbers.get(name, 0.0) + number
            run.team.part_done(trainable, found)
        if run.team.size > 1:
            numbers = run.team.update_done(trainable, list(numbers), source.parts_of_update)
        updates.step(numbers["total"])
        for name, number in numbers.items():
            history.losses.setdefault(name, []).append(number)
        progress.epoch(epoch, numbers)
        begun = time.monotonic()
        if run.checkpoint is not None and begun - saved >= pause and run.team.rank == 0:
            _save(run.checkpoint, run, model, updates, history)
            saved = time.monotonic()
            if run.checkpoint_seconds > 0:
                pause = max(run.checkpoint_seconds, SAVING_APART * (saved - begun))
    history.preparation, history.seconds = started - run.started, time.monotonic() - started
    run.log(_summary(history))
    return history


def _save(path: Path, run: Run, model: nn.Module, updates: Updates, history: History) -> None:
    """Write a checkpoint; a full disk must not end the training."""
    try:
        checkpoint.save(path, run.identity, model, updates, history.losses)
    except (OSError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        run.log(f"no checkpoint after epoch {history.epochs}: {path} could not be written ({reason}); training goes on")


def _resumed(model: nn.Module, updates: Updates, run: Run) -> History:
    """Return the history to continue from: that of the checkpoint if this run has one, else an empty one."""
    if run.checkpoint is None or not run.checkpoint.exists():
        return History()
    losses = checkpoint.restore(run.checkpoint, run.identity, model, updates)
    if losses is None:
        run.log(f"{run.checkpoint} belongs to another run: starting from the beginning")
        return History()
    history = History(losses)
    run.log(f"resuming after epoch {history.epochs} from {run.checkpoint}")
    return history


def _fetched(names: Sequence[str], terms: Tensor, epoch: int) -> dict[str, float]:
    """Return all terms and, last, their `total` as numbers, fetched at once; refuse those that are not finite."""
    numbers = dict(zip([*names, "total"], terms.tolist(), strict=True))
    for name, number in numbers.items():
        if not math.isfinite(number):
            raise InputError(
                f"training, epoch {epoch}",
                f"loss term '{name}' is {number}",
                "a finite number",
                "lower the learning rate (--method_options METHOD.learning_rate=...), or look for extreme latents",
            )
    return numbers


def _summary(history: History) -> str:
    last = {name: values[-1] for name, values in history.losses.items() if values}
    losses = f", {describe(last)}" if last else ""
    return f"ended after {history.epochs} epochs in {history.seconds:.1f} s ({history.stopped_by}){losses}"
