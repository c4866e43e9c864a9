"""Exit codes and messages of a stage that runs out of memory."""

from __future__ import annotations

from types import SimpleNamespace

import click
import pytest
import torch
from click.testing import CliRunner, Result

from spatialweave.cli import stage


def ending_with(error: Exception) -> Result:
    @stage
    def command() -> None:
        raise error

    assert isinstance(command, click.Command)
    return CliRunner().invoke(command, [])


def test_memory_of_the_host_and_of_a_gpu_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """More memory of the host, with which 137 is tried again, cannot help a GPU."""
    assert ending_with(MemoryError()).exit_code == 137
    found = ending_with(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."))
    assert found.exit_code == 3 and "the GPU is out of memory" in found.output and "batch_spots" in found.output
    facts = SimpleNamespace(total_memory=16 * 2**30)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: facts)
    found = ending_with(torch.OutOfMemoryError("CUDA out of memory."))
    assert "the GPU of 16.0 GiB is out of memory" in found.output and len(found.output.splitlines()) == 1
