"""Saving and resuming the state of a training, so that a resumed run ends like an uninterrupted one."""

from __future__ import annotations

import glob
import hashlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset
from spatialweave.io.files import atomic_path
from spatialweave.training.run import versions

if TYPE_CHECKING:
    from torch import nn

    from spatialweave.training.run import Run


class Stateful(Protocol):
    """Object that updates the weights: an optimiser, with or without a schedule."""

    def state_dict(self) -> dict[str, Any]:
        """Return its state."""

    def load_state_dict(self, state: Any, /) -> None:
        """Load a state."""


_PACKAGE = Path(__file__).resolve().parents[1]


def identity(method: str, config: Any, dataset: Dataset, run: Run) -> str:
    """Return a digest of everything that decides a run's result; only the same run resumes its checkpoint."""
    # Feature graphs of parts are built by the recipe of the file's graphs.
    settings = [method, asdict(config), run.seed, run.device, versions(), dataset.graph_recipe]
    digest = hashlib.sha256(json.dumps(settings).encode())
    for source in sorted(_PACKAGE.rglob("*.py")):
        digest.update(source.read_bytes())
    for modality in dataset.modalities:
        digest.update(modality.name.encode())
        for array in (modality.latent, modality.present):
            digest.update(np.ascontiguousarray(array).tobytes())
    digest.update("\0".join(dataset.obs["section"].astype(str)).encode())
    # Tiles are cut by coordinates.
    for coordinates in (dataset.coordinates, dataset.aligned):
        if coordinates is not None:
            digest.update(np.ascontiguousarray(coordinates).tobytes())
    for name in sorted(dataset.graphs):
        graph = dataset.graphs[name]
        digest.update(name.encode())
        for array in (graph.indptr, graph.indices, graph.data):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def save(path: Path, identity: str, model: nn.Module, updates: Stateful, losses: Mapping[str, list[float]]) -> None:
    """Write the state after the last epoch in `losses`, whole or not at all.

    Raises
    ------
    OSError, RuntimeError
        When it cannot be written, e.g. because the disk is full.
    """
    import torch

    state: dict[str, Any] = {
        "identity": identity,
        "model": model.state_dict(),
        "updates": updates.state_dict(),
        "losses": dict(losses),
        "random": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        # Only that of the device in use: another node may show more or fewer.
        state["random_gpu"] = torch.cuda.get_rng_state()
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def restore(path: Path, identity: str, model: nn.Module, updates: Stateful) -> dict[str, list[float]] | None:
    """Load the state into `model` and `updates` and return the losses so far; None if `path` is of another run.

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    import torch

    try:
        # Load to the CPU, so that a checkpoint from a GPU does not seem broken on a machine without one.
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["identity"] != identity:
            return None
        model.load_state_dict(state["model"])
        updates.load_state_dict(state["updates"])
        torch.set_rng_state(state["random"])
        if "random_gpu" in state and torch.cuda.is_available():
            torch.cuda.set_rng_state(state["random_gpu"])
        return {name: list(values) for name, values in state["losses"].items()}
    except (MemoryError, torch.OutOfMemoryError):
        raise
    # Damaged bytes can raise any exception in the format's reader.
    except Exception as error:
        raise InputError(
            str(path), "is not a readable checkpoint", fix="delete it to start this training from the beginning"
        ) from error


def discard(path: Path) -> None:
    """Delete a checkpoint that is no longer needed, and temporary files left by killed runs."""
    path.unlink(missing_ok=True)
    for left in path.parent.glob(f".{glob.escape(path.name[:80])}.*"):
        shutil.rmtree(left, ignore_errors=True)
