"""Every preset: a training that is killed again and again, and resumed, ends like an undisturbed one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from spatialweave.io.dataset import Dataset
from spatialweave.method import Fitted, load_method
from spatialweave.presets import MethodPreset, read_preset
from spatialweave.training import checkpoint
from spatialweave.training.run import Run
from spatialweave.training.session import fit_preset

Tissue = Callable[..., Dataset]

METHODS = Path(__file__).resolve().parents[2] / "assets" / "methods"
EPOCHS = 12
KILLED_AFTER = (1, 5, 6, 9)
"""In either phase of a method that has two of six epochs, and between and right after what happens every four."""

# Small and short; and whatever a method does on a schedule happens more than once. No preset has all of these.
SHORT = {
    "epochs": EPOCHS,
    "n_hidden": 16,
    "n_dims": 16,
    "step": 4,
    "match_step": 4,
    "n_landmarks": 20,
    # The stop rule is evaluated at the tenth epoch, and finds every loss flat.
    "stop_window": 4,
    "stop_slope": 1e6,
}


def overrides(preset: MethodPreset) -> list[str]:
    """The settings of SHORT that the method knows."""
    known = {item.name for item in fields(load_method(preset.module).Config)}
    values: dict[str, Any] = dict(SHORT)
    if "fusion_epochs" in known:
        values |= {"epochs": EPOCHS // 2, "fusion_epochs": EPOCHS - EPOCHS // 2}
    return [f"{key}={value}" for key, value in values.items() if key in known]


def sections(dataset: Dataset) -> Dataset:
    """The left and the right half as two sections, in aligned coordinates."""
    left = dataset.coordinates[:, 0] < np.median(dataset.coordinates[:, 0])
    names = np.where(left, "a", "b")
    inside = {key: graph.multiply(left[:, None] == left[None, :]).tocsr() for key, graph in dataset.graphs.items()}
    obs = dataset.obs.assign(section=names)
    obs.index = pd.Index(obs["section"] + ":" + obs["barcode"])
    shift = np.where(left, 0.0, dataset.coordinates[left, 0].max() + 0.5)
    return replace(
        dataset, obs=obs, graphs=inside, aligned=dataset.coordinates - np.stack([shift, np.zeros_like(shift)], axis=1)
    )


class Killed(BaseException):
    """Raised instead of the end of the process."""


def kill_after(epochs: Sequence[int], patch: pytest.MonkeyPatch) -> None:
    """Have the process end when the checkpoint of any of `epochs` has been written, once for each."""
    save, left = checkpoint.save, list(epochs)

    def saved_and_killed(
        path: Path, identity: str, model: Any, optimiser: Any, losses: Mapping[str, list[float]]
    ) -> None:
        save(path, identity, model, optimiser, losses)
        if left and len(losses["total"]) == left[0]:
            left.pop(0)
            raise Killed

    patch.setattr(checkpoint, "save", saved_and_killed)


def assert_same(found: Fitted, expected: Fitted) -> None:
    """Bit for bit: embedding, losses, and all other outputs of the method."""
    np.testing.assert_array_equal(found.embedding, expected.embedding)
    for key in ("losses", "epochs", "stopped_by"):
        assert found.record[key] == expected.record[key]
    assert found.extras.keys() == expected.extras.keys() and found.denoised.keys() == expected.denoised.keys()
    for name, table in expected.extras.items():
        pd.testing.assert_frame_equal(found.extras[name], table, check_exact=True)
    for name, latents in expected.denoised.items():
        np.testing.assert_array_equal(found.denoised[name], latents)


TRAINED = [preset for preset in map(read_preset, METHODS.glob("*.yml")) if not (preset.control or preset.baseline)]


@pytest.mark.parametrize("name", sorted(preset.name for preset in TRAINED))
def test_a_killed_training_ends_like_an_undisturbed_one(
    name: str, tissue: Tissue, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = read_preset(METHODS / f"{name}.yml")
    dataset = sections(tissue(side=14)) if preset.sections else tissue(missing=0.2)
    torch.manual_seed(run.seed)
    expected = fit_preset(dataset, preset, replace(run), overrides=overrides(preset))
    assert expected.record["epochs"] >= KILLED_AFTER[-1]
    kill_after(KILLED_AFTER, monkeypatch)
    lines: list[str] = []
    saving = replace(run, checkpoint=tmp_path / "c.pt", checkpoint_seconds=0.0, log=lines.append)
    for attempt, epoch in enumerate(KILLED_AFTER):
        # What a new process has drawn until it resumes must not matter.
        torch.manual_seed(run.seed + attempt)
        with pytest.raises(Killed):
            fit_preset(dataset, preset, replace(saving), overrides=overrides(preset))
        assert (attempt == 0) == (not any("resuming" in line for line in lines))
        assert checkpoint_epochs(saving.checkpoint) == epoch
    torch.manual_seed(999)
    resumed = fit_preset(dataset, preset, replace(saving), overrides=overrides(preset))
    assert any(f"resuming after epoch {KILLED_AFTER[-1]}" in line for line in lines)
    assert_same(resumed, expected)


def checkpoint_epochs(path: Path | None) -> int:
    """Epochs that a checkpoint has behind it."""
    assert path is not None
    return len(torch.load(path, weights_only=True)["losses"]["total"])
