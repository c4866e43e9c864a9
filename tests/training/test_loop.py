"""The training loop against torch's own steps, and its guards, checkpoints and progress."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from spatialweave.errors import InputError
from spatialweave.training.loop import train
from spatialweave.training.optimisers import Schedule
from spatialweave.training.team import Team

SCHEDULE = Schedule(epochs=12, learning_rate=1e-2, weight_decay=1e-3)


def weights(model: nn.Module) -> np.ndarray:
    return torch.cat([parameter.detach().ravel() for parameter in model.parameters()]).numpy()


def test_same_as_plain_torch(problem, run):
    model, terms = problem()
    history = train(model, terms, SCHEDULE, run)
    other, terms = problem()
    optimiser = torch.optim.Adam(other.parameters(), lr=1e-2, weight_decay=1e-3)
    totals = []
    for epoch in range(12):
        optimiser.zero_grad()
        total = sum(terms(epoch).values())
        totals.append(total.item())
        total.backward()
        optimiser.step()
    np.testing.assert_allclose(weights(model), weights(other), rtol=1e-6)
    assert history.losses["total"] == pytest.approx(totals)
    assert history.epochs == 12
    assert history.stopped_by == "all epochs done"
    assert set(history.losses) == {"fit", "size_first", "total"}


def test_processes_with_different_checkpoints_stop(problem, run, tmp_path):
    """As on nodes that do not share the folder: the others would wait for steps that the first does not make."""

    class TwoNodes(Team):
        def all_of(self, own):
            return [*own, 7]

    model, terms = problem()
    run = replace(run, checkpoint=tmp_path / "none.pt", team=TwoNodes())
    with pytest.raises(InputError, match="a folder that all nodes share"):
        train(model, terms, SCHEDULE, run)


def test_frozen_weights_stay(problem, run):
    model, terms = problem()
    model[0].requires_grad_(False)
    before = model[0].weight.clone(), model[3].weight.clone()
    train(model, terms, SCHEDULE, run)
    assert torch.equal(model[0].weight, before[0])
    assert not torch.equal(model[3].weight, before[1])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_guard_names_epoch_and_term(problem, run, bad):
    model, terms = problem()

    def broken(epoch: int, batch: None = None):
        values = terms(epoch)
        return values if epoch < 4 else {**values, "size_first": values["size_first"] * bad}

    with pytest.raises(InputError, match=r"epoch 4: loss term 'size_first' is (nan|inf)"):
        train(model, broken, SCHEDULE, run)


@pytest.mark.parametrize("killed_at", [2, 7, 12])
def test_resumed_equals_undisturbed(problem, run, lines, tmp_path, killed_at):
    undisturbed, terms = problem()
    expected = train(undisturbed, terms, SCHEDULE, run)
    run.checkpoint, run.checkpoint_seconds = tmp_path / "state" / "run.pt", 0.0

    model, terms = problem()

    def killed(epoch: int, batch: None = None):
        if epoch == killed_at:
            raise KeyboardInterrupt
        return terms(epoch)

    with pytest.raises(KeyboardInterrupt):
        train(model, killed, SCHEDULE, run)
    fresh, terms = problem()
    history = train(fresh, terms, SCHEDULE, run)
    assert f"resuming after epoch {killed_at - 1} from" in "".join(lines)
    assert history.losses == expected.losses
    np.testing.assert_array_equal(weights(fresh), weights(undisturbed))


def test_checkpoint_of_another_run_is_not_resumed(problem, run, lines, tmp_path):
    run.checkpoint, run.checkpoint_seconds = tmp_path / "run.pt", 0.0
    model, terms = problem()
    train(model, terms, SCHEDULE, run)
    run.identity = "another run"
    model, terms = problem()
    assert train(model, terms, Schedule(2, 1e-2), run).epochs == 2
    assert any("belongs to another run" in line for line in lines)


def test_unreadable_checkpoint_is_refused(problem, run, tmp_path):
    run.checkpoint = tmp_path / "run.pt"
    run.checkpoint.write_bytes(b"not a checkpoint")
    model, terms = problem()
    with pytest.raises(InputError, match="not a readable checkpoint"):
        train(model, terms, SCHEDULE, run)


def test_checkpoint_cannot_run_code(problem, run, tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "touched"), "w"))

    run.checkpoint = tmp_path / "run.pt"
    torch.save({"identity": Evil()}, run.checkpoint)
    model, terms = problem()
    with pytest.raises(InputError, match="not a readable checkpoint"):
        train(model, terms, SCHEDULE, run)
    assert not (tmp_path / "touched").exists()


def test_no_update_at_the_stopping_epoch(problem, run):
    model, terms = problem()
    history = train(model, terms, Schedule(50, 1e-2), run, lambda epoch, losses: "enough" if epoch == 6 else None)
    other, terms = problem()
    train(other, terms, Schedule(5, 1e-2), run)
    assert history.epochs == 5
    assert history.stopped_by == "enough"
    np.testing.assert_array_equal(weights(model), weights(other))


def test_progress_lines(problem, run, lines):
    model, terms = problem()
    train(model, terms, SCHEDULE, run)
    assert len(lines) == 13
    assert lines[0].startswith("epoch  1/12  loss ")
    assert "fit " in lines[0]
    assert "s/epoch" in lines[0]
    assert lines[11].endswith("at most 0 s left")
    assert lines[12].startswith("ended after 12 epochs")


def test_no_epochs(problem, run):
    model, terms = problem()
    history = train(model, terms, Schedule(0, 1e-2), run)
    assert history.epochs == 0
    assert history.losses == {"total": []}


def test_the_record_has_the_times_before_and_in_the_loop(problem, run):
    model, terms = problem()
    run.started = time.monotonic() - 100

    def slow(epoch: int, batch: None = None):
        time.sleep(0.02)
        return terms(epoch)

    record = train(model, slow, SCHEDULE, run).record(triplets=3)
    assert set(record) == {"losses", "epochs", "stopped_by", "timings", "triplets"}
    assert record["epochs"] == len(record["losses"]["total"]) == 12 and record["triplets"] == 3
    assert record["timings"]["preparation"] == pytest.approx(100, abs=1)
    assert record["timings"]["training"] >= 12 * 0.02
