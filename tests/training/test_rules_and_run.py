"""Stop rules, progress, seeds and devices."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from spatialweave.errors import InputError
from spatialweave.training import device
from spatialweave.training import run as runs
from spatialweave.training.progress import Progress, noting
from spatialweave.training.stopping import SlopeRule, slope

RULE = SlopeRule(window=4, limit=0.1, series=("triplet", "reconstruction"))


def losses(triplet, reconstruction) -> dict[str, list[float]]:
    """Two terms of each series, half each."""
    return {
        "triplet_rna": [v / 2 for v in triplet],
        "triplet_adt": [v / 2 for v in triplet],
        "reconstruction_rna": list(reconstruction),
    }


def test_slope_by_hand_and_against_numpy():
    assert slope([1, 3, 5, 7]) == 2
    assert slope([0, 0, 3]) == 1.5
    values = np.random.default_rng(0).normal(size=17)
    assert slope(values) == pytest.approx(np.polyfit(np.arange(17), values, 1)[0])


def test_slope_rule_by_hand():
    steep, flat, level = [9, 8, 7, 6], [2, 1.95, 1.9, 1.85], [3, 3, 3, 3]
    # Earlier values are outside the window.
    before = [50.0, 0.0, 7.0, 1.0, 90.0]
    assert RULE(10, losses(before + steep, before + steep)) is None
    assert "slope of the triplet loss over 4 epochs" in (RULE(10, losses(before + flat, before + steep)) or "")
    assert "slope of the reconstruction loss" in (RULE(10, losses(before + steep, before + flat)) or "")
    assert RULE(10, losses(before + flat, before + level)) is None  # a slope of exactly zero stops nothing


@pytest.mark.parametrize(("epoch", "evaluated"), [(9, False), (10, True), (11, False), (20, True)])
def test_slope_rule_is_evaluated_every_tenth_epoch(epoch, evaluated):
    flat = [2 - 0.01 * i for i in range(epoch - 1)]
    assert (RULE(epoch, losses(flat, flat)) is not None) == evaluated


def test_slope_rule_waits_for_the_window():
    flat = [2 - 0.01 * i for i in range(40)]
    wide = SlopeRule(window=10, limit=0.1, series=("triplet", "reconstruction"))
    assert wide(10, losses(flat[:9], flat[:9])) is None
    assert wide(20, losses(flat[:19], flat[:19])) is not None


def test_progress_is_silent_between_and_gives_the_time_left():
    now, lines = [0.0], []
    progress = Progress(100, lines.append, seconds=5, clock=lambda: now[0])
    for epoch in range(1, 101):
        now[0] += 2.0
        progress.epoch(epoch, {"a": 1.0, "total": 1.0})
    assert lines[0].startswith("epoch   1/100  loss 1 (a 1)  2 s/epoch  at most 3 min 18 s left")
    assert len(lines) == 1 + 33  # the first, then every third epoch (6 s); the last is one of them
    assert lines[-1].startswith("epoch 100/100")


def test_the_last_line_is_noted_while_it_trains(tmp_path):
    path, lines = tmp_path / "notes" / "d, smart, seed 1", []
    with noting(lines.append, path) as log:
        log("first")
        log("second")
        assert path.read_text() == "second"
    assert lines == ["first", "second"]
    assert not path.exists()
    # A place that cannot be written to ends no training.
    with noting(lines.append, tmp_path / "notes" / "a" / ("x" * 300)) as log:
        log("third")
    assert lines[-1] == "third"
    with noting(lines.append, None) as log:
        assert log == lines.append


def test_a_requested_gpu_is_never_a_cpu_run(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no usable GPU"):
        device.choose("cuda")
    with pytest.raises(InputError, match="no usable GPU"):
        runs.prepare("smart", 0, "cuda")
    assert device.choose("auto") == "cpu"
    with pytest.raises(InputError, match="'gpu' is not a device"):
        device.choose("gpu")


def test_auto_takes_the_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device.choose("auto") == "cuda"
    assert device.choose("cpu") == "cpu"


def test_one_seed_drives_everything(capsys):
    import random

    def draws(seed: int) -> list[float]:
        run = runs.prepare("smart", seed, "cpu")
        own = [run.numpy_generator().random(), torch.rand(1, generator=run.torch_generator()).item()]
        return [random.random(), np.random.random(), torch.rand(1).item(), *own]  # noqa: NPY002

    first = draws(1)
    assert draws(1) == first
    assert not set(draws(2)) & set(first)
    assert "training on cpu" in capsys.readouterr().err


def test_random_streams_are_by_seed_epoch_and_name(run):
    def drawn(seed: int, epoch: int, stream: str) -> tuple[int, ...]:
        generator = replace(run, seed=seed).generator(epoch, stream)
        return tuple(torch.randint(2**40, (4,), generator=generator).tolist())

    keys = [
        (seed, epoch, stream) for seed in (0, 1, 2**31 - 1) for epoch in range(5) for stream in ("masking", "other")
    ]
    found = {drawn(*key) for key in keys}
    assert len(found) == len(keys)
    assert found == {drawn(*key) for key in keys}


def test_streams_of_other_epochs_seeds_and_names_are_uncorrelated(run):
    rows = [
        torch.rand(20_000, generator=replace(run, seed=seed).generator(epoch, stream))
        for seed in (0, 1)
        for epoch in (1, 2)
        for stream in ("masking", "shuffling")
    ]
    correlations = np.corrcoef(np.stack(rows)) - np.eye(len(rows))
    # Noise is 1 / sqrt(20,000) = 0.007.
    assert np.abs(correlations).max() < 0.03


def test_numpy_generators_are_by_seed_and_moment(run):
    moments = [(0,), (1,), (2,), (2, 1)]
    draws = {moment: run.numpy_generator(*moment).integers(2**40) for moment in moments}
    assert len(set(draws.values())) == len(moments)
    # Numbers are padded with zeros, so that no moment is the moment 0.
    assert run.numpy_generator().integers(2**40) == draws[0,]
    assert run.numpy_generator(1).integers(2**40) == draws[1,]
    assert replace(run, seed=4).numpy_generator(1).integers(2**40) != draws[1,]


def test_memory_and_versions(monkeypatch):
    held = np.ones(20_000_000)  # 160 MB
    memory = runs.peak_memory("cpu")
    assert held.nbytes / 1e6 < memory["peak_rss_mb"] < 100_000
    assert memory["peak_gpu_mb"] == 0
    assert runs.versions()["torch"] == torch.__version__.split("+")[0] or runs.versions()["torch"] == torch.__version__
    monkeypatch.setattr(runs, "PACKAGES", ("numpy", "not-installed-here"))
    assert set(runs.versions()) == {"spatialweave", "python", "numpy"}
