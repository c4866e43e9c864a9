"""Where and how a training runs: device, seeds, threads, precision, log, checkpoints; and what it used."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import random
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from spatialweave import __version__
from spatialweave.errors import InputError

DEVICES = ("auto", "cpu", "cuda")


def log_to_stderr(line: str) -> None:
    """Write one line to stderr at once, so that it shows in a log file while the run goes on."""
    print(line, file=sys.stderr, flush=True)


@dataclass
class Run:
    """One training run: everything about it that is no hyper-parameter of the method.

    Attributes
    ----------
    device
        Where tensors live.
    seed
        Drives every random draw of the run.
    mixed_precision
        bfloat16 products on the GPU. Faster there; numbers then agree with float32 to about 1% only.
    checkpoint
        File to save the state to and to resume from; None = no checkpoints.
    checkpoint_seconds
        Least time between two checkpoints.
    progress_seconds
        Least time between two progress lines.
    identity
        Digest of code, method, configuration, data and seed: a checkpoint of another run is not resumed.
    log
        Takes one line of progress.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seed: int = 0
    mixed_precision: bool = False
    checkpoint: Path | None = None
    checkpoint_seconds: float = 30.0
    progress_seconds: float = 5.0
    identity: str = ""
    log: Callable[[str], None] = log_to_stderr

    def numpy_generator(self) -> np.random.Generator:
        """A new generator in the state that the seed gives."""
        return np.random.default_rng(self.seed)

    def torch_generator(self) -> torch.Generator:
        """A new CPU generator in the state that the seed gives: initial weights are the same on every device."""
        return torch.Generator().manual_seed(self.seed)

    def precision(self) -> torch.autocast:
        """The context in which the forward pass runs."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.mixed_precision)


def choose_device(name: str) -> torch.device:
    """Resolve `auto`, `cpu` or `cuda`; a GPU that was asked for and is not there is an error, never a CPU run."""
    if name not in DEVICES:
        raise InputError("--device", f"'{name}' is not a device", "one of " + ", ".join(DEVICES))
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise InputError(
            "--device cuda",
            "no usable GPU was found",
            "a CUDA device that PyTorch can see",
            "use --device cpu, or check the driver and that the task was given a GPU",
        )
    return torch.device("cuda" if available and name != "cpu" else "cpu")


def prepare(seed: int, device: str = "auto", threads: int | None = None, mixed_precision: bool = False) -> Run:
    """Choose the device, seed every generator, set deterministic algorithms and the number of CPU threads.

    Raises
    ------
    InputError
        When the GPU is asked for and absent, or mixed precision is asked for on a CPU.
    """
    # cuBLAS is reproducible only with a fixed workspace, chosen before its first use.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    chosen = choose_device(device)
    if mixed_precision and chosen.type == "cpu":
        raise InputError("--mixed-precision", "the run is on the CPU", "a GPU", "leave the option out")
    if threads is not None:
        torch.set_num_threads(threads)
        threadpool_limits(threads)
    seed_everything(seed)
    torch.use_deterministic_algorithms(True)
    # Filling every new tensor guards against reading memory before writing it, which no product here does.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    reuse_freed_memory()
    run = Run(device=chosen, seed=seed, mixed_precision=mixed_precision)
    run.log(f"training on {describe_device(chosen)}" + (f" (of --device {device})" if device == "auto" else ""))
    if chosen.type == "cuda":
        torch.cuda.reset_peak_memory_stats(chosen)
    return run


def reuse_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors for the next epoch, instead of returning it to the system.

    By default every tensor above 32 MB is mapped anew: at 200,000 spots page faults took 40% of an epoch. The peak is
    the same, since an epoch needs what the one before it needed. Where there is no glibc, nothing happens.
    """
    mmap_threshold, trim_threshold, largest = -3, -1, 2**31 - 1
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_threshold, largest)
        libc.mallopt(trim_threshold, largest)


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, NumPy and PyTorch (CPU and GPU)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (libraries draw from the global generator)
    torch.manual_seed(seed)


def describe_device(device: torch.device) -> str:
    """The device in words, for log and record."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)"


def peak_memory(device: torch.device) -> dict[str, float]:
    """Largest host memory of the process so far and GPU memory since :func:`prepare`, in MB (10^6 bytes)."""
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    gpu = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else 0
    return {"peak_rss_mb": round(host / 1e6, 1), "peak_gpu_mb": round(gpu / 1e6, 1)}


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    packages = {name: version(name) for name in ("torch", "numpy", "scipy", "faiss-cpu")}
    return {"spatialweave": __version__, "python": platform.python_version(), **packages}
