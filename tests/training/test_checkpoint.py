"""Checkpoint files: whose they are, what damage does to them, and what is left of them."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from torch import nn

from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset, Modality
from spatialweave.training import checkpoint, loop
from spatialweave.training.loop import train
from spatialweave.training.optimisers import Schedule
from spatialweave.training.run import Run

Problem = Callable[[], tuple[nn.Module, Callable[[int], dict[str, torch.Tensor]]]]


@dataclass(frozen=True)
class Config:
    rate: float = 0.1


@pytest.fixture
def dataset() -> Dataset:
    graph = sparse.csr_matrix(np.array([[0, 1.0, 0], [1.0, 0, 2.0], [0, 2.0, 0]]))
    obs = pd.DataFrame({"barcode": list("xyz"), "section": ["a", "a", "b"]}, index=list("xyz"))
    modality = Modality("rna", np.eye(3, dtype=np.float32), np.array([True, True, False]))
    return Dataset("tiny", obs, np.zeros((3, 2)), [modality], {"spatial_distances": graph}, "square")


@pytest.fixture
def written(problem: Problem, tmp_path: Path) -> tuple[Path, nn.Module, torch.optim.Optimizer]:
    """A checkpoint of "this run", and what it was written from."""
    model, terms = problem()
    optimiser = torch.optim.Adam(model.parameters())
    terms(1)["fit"].backward()
    optimiser.step()
    checkpoint.save(tmp_path / "run.pt", "this run", model, optimiser, {"total": [1.0]})
    return tmp_path / "run.pt", model, optimiser


def test_another_run_has_another_identity(dataset: Dataset, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    own = checkpoint.identity("smart", Config(), dataset, run)
    assert own == checkpoint.identity("smart", Config(), dataset, replace(run, checkpoint=tmp_path / "c.pt"))
    one = dataset.modalities[0]
    graph = dataset.graphs["spatial_distances"]
    others = [
        ("spamo", Config(), dataset, run),
        ("smart", Config(0.2), dataset, run),
        ("smart", Config(), dataset, replace(run, seed=4)),
        ("smart", Config(), dataset, replace(run, device="cuda")),
        ("smart", Config(), replace(dataset, modalities=[Modality("adt", one.latent, one.present)]), run),
        ("smart", Config(), replace(dataset, modalities=[Modality("rna", one.latent + 1e-6, one.present)]), run),
        ("smart", Config(), replace(dataset, modalities=[Modality("rna", one.latent, ~one.present)]), run),
        ("smart", Config(), replace(dataset, graphs={"spatial_distances": graph * 2}), run),
        ("smart", Config(), replace(dataset, graphs={"spatial_connectivities": graph}), run),
        ("smart", Config(), replace(dataset, graph_recipe={"features": {"neighbours": 5}}), run),
        ("smart", Config(), replace(dataset, graph_recipe={"features": {"neighbours": 6}}), run),
        ("smart", Config(), replace(dataset, obs=dataset.obs.assign(section="a")), run),
        ("smart", Config(), replace(dataset, coordinates=dataset.coordinates + 1), run),
        ("smart", Config(), replace(dataset, aligned=dataset.coordinates), run),
    ]
    found = [checkpoint.identity(*other) for other in others]
    (tmp_path / "changed.py").write_text("# other code\n")
    monkeypatch.setattr(checkpoint, "_PACKAGE", tmp_path)
    found.append(checkpoint.identity("smart", Config(), dataset, run))
    assert len({own, *found}) == 1 + len(others) + 1


def test_a_truncated_file_is_refused(written: tuple[Path, nn.Module, torch.optim.Optimizer]) -> None:
    path, model, optimiser = written
    data = path.read_bytes()
    for length in [0, 1, *range(10, len(data) - 1, len(data) // 60)]:
        path.write_bytes(data[:length])
        with pytest.raises(InputError, match="not a readable checkpoint; to fix this, delete it"):
            checkpoint.restore(path, "this run", model, optimiser)


def test_damage_is_refused_or_does_no_harm(written: tuple[Path, nn.Module, torch.optim.Optimizer]) -> None:
    path, model, optimiser = written
    data, rng, refused = path.read_bytes(), random.Random(5), 0
    for _ in range(300):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 5, 50])):
            damaged[rng.randrange(len(data))] = rng.randrange(256)
        path.write_bytes(damaged)
        try:
            checkpoint.restore(path, "this run", model, optimiser)
        except InputError:
            refused += 1
    assert refused > 50


def test_no_memory_is_no_damage(
    written: tuple[Path, nn.Module, torch.optim.Optimizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, model, optimiser = written

    def full(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(torch, "load", full)
    with pytest.raises(MemoryError):
        checkpoint.restore(path, "this run", model, optimiser)


@pytest.mark.parametrize("error", [OSError("No space left on device"), RuntimeError("unexpected pos 1536 vs 1494")])
def test_a_full_disk_does_not_end_the_training(
    problem: Problem, run: Run, lines: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    expected, terms = problem()
    train(expected, terms, Schedule(5, 1e-2), run)
    run.checkpoint, run.checkpoint_seconds = tmp_path / "run.pt", 0.0

    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(torch, "save", full)
    model, terms = problem()
    assert train(model, terms, Schedule(5, 1e-2), run).epochs == 5
    torch.testing.assert_close(model.state_dict(), expected.state_dict(), rtol=0, atol=0)
    assert sum(f"{run.checkpoint} could not be written ({error})" in line for line in lines) == 5
    assert list(tmp_path.iterdir()) == []


def test_a_kill_while_writing_leaves_the_checkpoint_before_it(
    written: tuple[Path, nn.Module, torch.optim.Optimizer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is written beside its place; what a killed process leaves there goes with the checkpoint."""
    path, model, optimiser = written
    before = path.read_bytes()

    def killed(state: object, temporary: Path) -> None:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", killed)
        # A killed process does not tidy up.
        patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            checkpoint.save(path, "this run", model, optimiser, {"total": [1.0, 2.0]})
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 2
    (path.parent / "run.pt.of-another").touch()
    checkpoint.discard(path)
    assert [left.name for left in path.parent.iterdir()] == ["run.pt.of-another"]
    checkpoint.discard(path)


def test_a_checkpoint_of_a_node_with_more_gpus_is_resumed(
    problem: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the state of the device in use is saved, as each of several processes uses one."""
    states = [torch.full((16,), gpu, dtype=torch.uint8) for gpu in range(4)]
    gpus, current = states, 2
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_rng_state", lambda: gpus[current])
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state: gpus.__setitem__(current, state))
    model, _ = problem()
    optimiser = torch.optim.Adam(model.parameters())
    checkpoint.save(tmp_path / "run.pt", "this run", model, optimiser, {"total": [1.0]})
    gpus, current = [torch.zeros(16, dtype=torch.uint8)], 0
    assert checkpoint.restore(tmp_path / "run.pt", "this run", model, optimiser) == {"total": [1.0]}
    assert torch.equal(gpus[0], states[2])


@pytest.mark.parametrize(("saving", "saves"), [(0.0, 10), (1.0, 4)])
def test_saving_takes_a_small_part_of_the_time(
    problem: Problem, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saving: float, saves: int
) -> None:
    """Updates of a second for 100 seconds: every 10 seconds or, if it takes one second, every 20."""
    now, saved = [0.0], []
    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])

    def save(*_: object) -> None:
        saved.append(now[0])
        now[0] += saving

    monkeypatch.setattr(checkpoint, "save", save)
    model, terms = problem()

    def slow(epoch: int, batch: None = None) -> dict[str, torch.Tensor]:
        now[0] += 1
        return terms(epoch)

    run.checkpoint, run.checkpoint_seconds = tmp_path / "run.pt", 10.0
    train(model, slow, Schedule(100, 1e-2), run)
    # The first after 10 seconds, when it is not known yet how long it takes.
    assert saved[0] == 10 and len(saved) == saves + (saving > 0)
