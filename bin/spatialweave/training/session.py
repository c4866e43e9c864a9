"""Fit of a method from its preset to an embedding with its complete record."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset
from spatialweave.method import Fitted, load_method
from spatialweave.presets import MethodPreset
from spatialweave.settings import configure, parse_overrides
from spatialweave.training import checkpoint
from spatialweave.training.run import Run, describe_device, peak_memory, versions, versions_of

NOTHING_TRAINED = {"losses": {"total": []}, "epochs": 0, "stopped_by": "nothing to train"}
"""Record of a method that reports no training."""


def every_epoch(epochs: int, package: str) -> dict[str, Any]:
    """Return the record of a training by a library that runs all epochs and keeps no losses."""
    return {"epochs": epochs, "stopped_by": "all epochs done", "versions": versions_of(package)}


def fit_preset(
    dataset: Dataset, preset: MethodPreset, run: Run, preset_name: str | None = None, overrides: Iterable[str] = ()
) -> Fitted:
    """Fit a method with the settings of its preset file, those for the dataset, and options `key=value`.

    Returns the embedding with the record of docs/design.md.

    Raises
    ------
    InputError
        For an unknown method or preset, an unknown setting, a value of wrong type or out of bounds, or a dataset of
        more spots than the method can take.
    RuntimeError
        When the embedding holds a value that is not finite.
    """
    if 0 < preset.most_spots < dataset.n_spots:
        found, fix = f"has {dataset.n_spots} spots", f"leave {preset.name} out of --methods"
        raise InputError(f"dataset '{dataset.name}'", found, f"{preset.most_spots} at most for {preset.title}", fix)
    method = load_method(preset.module)
    chosen, settings = preset.settings(dataset.platform, dataset.layout, len(dataset.modalities), preset_name)
    where = f"method '{preset.name}'"
    config: Any = configure(method.Config, where, preset.config, settings, parse_overrides(overrides))
    if run.checkpoint is not None:
        # It reads all data.
        run.identity = checkpoint.identity(preset.module, config, dataset, run)
    run.log(f"{preset.name} on {dataset.name}: {dataset.n_spots} spots, preset '{chosen}'")
    run.started = time.monotonic()
    fitted = method.fit(dataset, config, run)
    if not np.isfinite(fitted.embedding).all():
        raise RuntimeError(f"{preset.name} made an embedding with values that are not finite")
    fitted.record = {
        **NOTHING_TRAINED,
        **fitted.record,
        "method": preset.name,
        "preset": chosen,
        "config": asdict(config),
        "seed": run.seed,
        "device": describe_device(run),
        "seconds": round(time.monotonic() - run.started, 3),
        **peak_memory(run.device),
        # A method from another library adds its version.
        "versions": versions() | fitted.record.get("versions", {}),
    }
    return fitted
