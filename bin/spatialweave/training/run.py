"""Environment of a training run: device, seeds, threads, log, checkpoints; and the resources it used.

Nothing here needs torch until a method draws from one of its generators, so a method may work without it.
"""

from __future__ import annotations

import os
import platform
import random
import resource
import sys
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import threadpool_limits

from spatialweave import __version__
from spatialweave.method import load_method
from spatialweave.training.team import Team, joined_team

if TYPE_CHECKING:
    import torch

PACKAGES = ("torch", "torch-geometric", "numpy", "scipy", "faiss-cpu")
"""Packages that results depend on, if they are installed."""


def log_to_stderr(line: str) -> None:
    """Write one line to stderr at once, so that it appears in a log file during the run."""
    print(line, file=sys.stderr, flush=True)


@dataclass(eq=False)
class Run:
    """One training run: everything about it that is not a setting of the method.

    Attributes
    ----------
    device
        Where tensors live: ``cpu`` or ``cuda``.
    seed
        Seed of every random stream of the run, 0 to 2^31 - 1.
    threads
        Number of CPU threads; None = the libraries' defaults.
    checkpoint
        File that stores the state, for resuming; None = no checkpoints.
    checkpoint_seconds
        Least time between two checkpoints, longer if saving takes more than a twentieth of it; 0 = after every update.
    progress_seconds
        Least time between two progress lines.
    identity
        Digest of code, method, configuration, data and seed: a checkpoint of another run is not resumed. Empty without
        checkpoints.
    log
        Function that takes one line of progress.
    started
        Start of the method (seconds, monotonic clock).
    team
        The processes that train together.
    """

    device: str = "cpu"
    seed: int = 0
    threads: int | None = None
    checkpoint: Path | None = None
    checkpoint_seconds: float = 30.0
    progress_seconds: float = 5.0
    identity: str = ""
    log: Callable[[str], None] = log_to_stderr
    started: float = field(default_factory=time.monotonic)
    team: Team = field(default_factory=Team)

    def numpy_generator(self, *moment: int) -> np.random.Generator:
        """Return a new generator from the seed and the moment of a repeated draw; without `moment`, that is 0."""
        return np.random.default_rng((self.seed, *moment))

    def torch_generator(self) -> torch.Generator:
        """Return a new CPU generator from the seed: initial weights are the same on every device."""
        import torch

        return torch.Generator().manual_seed(self.seed)

    def generator(self, epoch: int, stream: str) -> torch.Generator:
        """Return a new CPU generator from seed, epoch and the name of what is drawn, e.g. ``masking``.

        Streams of different names are independent. Draws of an epoch do not depend on the epochs before it, so a
        resumed run draws the same.
        """
        import torch

        # Masks have the number 0; the results in docs/benchmarks.md depend on it.
        number = 0 if stream == "masking" else zlib.crc32(stream.encode())
        # Generators seeded by consecutive small integers draw similar first numbers; large odd factors spread them.
        state = (self.seed * 1_000_003 + epoch) * 0x9E3779B1 + number * 0x9E3779B97F4A7C15
        return torch.Generator().manual_seed(state % 2**63)


def prepare(method: str, seed: int, device: str = "auto", threads: int | None = None) -> Run:
    """Set the number of CPU threads, seed the global generators, and set torch up if the method uses it.

    Parameters
    ----------
    method
        Module of the method. It is imported here, which shows whether it uses torch.
    device
        `auto`, `cpu` or `cuda`; a method without torch always runs on the CPU.

    Raises
    ------
    InputError
        When the method is unknown, or a GPU is requested and there is none.
    """
    load_method(method)
    if threads is not None:
        threadpool_limits(threads)
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 (libraries draw from the global generator)
    run = Run("cpu", seed, threads)
    if "torch" in sys.modules:
        from spatialweave.training import device as devices

        run.device = devices.set_up(device, seed, threads)
        run.team = joined_team(run.device)
        if run.team.rank > 0:
            run.log = lambda line: None
        elif run.team.size > 1:
            run.log(f"training by {run.team.size} processes")
    automatic = " (of --device auto)" if device == "auto" else ""
    run.log(f"training on {describe_device(run)}{automatic}")
    return run


def describe_device(run: Run) -> str:
    """Describe the device in words, for the log and the record."""
    if "torch" in sys.modules:
        from spatialweave.training import device as devices

        return devices.describe(run.device)
    return f"cpu ({run.threads or os.cpu_count()} threads)"


def peak_memory(device: str) -> dict[str, float]:
    """Return peak host memory of the process and GPU memory since :func:`prepare`, in MB (10^6 bytes)."""
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    gpu = 0
    if device == "cuda":
        import torch

        gpu = torch.cuda.max_memory_allocated()
    return {"peak_rss_mb": round(host / 1e6, 1), "peak_gpu_mb": round(gpu / 1e6, 1)}


def versions() -> dict[str, str]:
    """Return the installed versions of packages that the results of every method depend on."""
    return {"spatialweave": __version__, "python": platform.python_version(), **versions_of(*PACKAGES)}


def versions_of(*packages: str) -> dict[str, str]:
    """Return the versions of packages by name, if they are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
