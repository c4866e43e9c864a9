"""Torch settings of a run: the device, the global seed, deterministic algorithms and memory."""

from __future__ import annotations

import contextlib
import ctypes
import os

import torch

from spatialweave.errors import InputError

DEVICES = ("auto", "cpu", "cuda")


def set_up(name: str, seed: int, threads: int | None = None) -> str:
    """Choose the device, seed torch's global generators, set deterministic algorithms and the number of CPU threads.

    Returns
    -------
    ``cpu`` or ``cuda``.

    Raises
    ------
    InputError
        When a GPU is requested and there is none.
    """
    # cuBLAS is reproducible only with a fixed workspace, set before its first use.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    chosen = choose(name)
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    # Filling new tensors guards against reading uninitialised memory, which no product here does.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    reuse_freed_memory()
    if chosen == "cuda":
        torch.cuda.reset_peak_memory_stats()
    return chosen


def choose(name: str) -> str:
    """Resolve `auto`, `cpu` or `cuda`; a requested GPU that is missing is an error, never a CPU run."""
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
    return "cuda" if available and name != "cpu" else "cpu"


def describe(device: str) -> str:
    """Describe the device in words, for the log and the record."""
    if device == "cuda":
        return f"cuda ({torch.cuda.get_device_name()})"
    return f"cpu ({torch.get_num_threads()} threads)"


def reuse_freed_memory() -> None:
    """Let glibc keep the memory of freed tensors for the next epoch, instead of returning it to the system.

    By default every tensor above 32 MB is mapped again: at 200,000 spots page faults took 40% of an epoch. The peak
    stays the same, since every epoch needs as much as the one before. Without glibc, nothing happens.
    """
    mmap_threshold, trim_threshold, largest = -3, -1, 2**31 - 1
    with contextlib.suppress(OSError, AttributeError):
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(mmap_threshold, largest)
        libc.mallopt(trim_threshold, largest)
