"""Small file systems that can be filled to the last byte, and emptied."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

MEGABYTES = 192
"""Room for a run with everything that its killed tasks leave behind."""


@dataclass
class Disk:
    """A folder for one of the run's needs; `small` where it is a file system of its own, held in memory."""

    name: str
    mount: Path
    small: bool

    @property
    def folder(self) -> Path:
        """Where the run may write."""
        return self.mount / self.name

    @property
    def _filler(self) -> Path:
        return self.mount / "filler"

    def clear(self) -> None:
        """Forget everything."""
        self.free()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def fill(self) -> None:
        """Take all space that is left."""
        block = bytes(2**16)
        with self._filler.open("wb", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(block)

    def free(self) -> None:
        """Give the space back."""
        self._filler.unlink(missing_ok=True)


def make_disks(scratch: Path, small: bool) -> dict[str, Disk]:
    """Folders for work, results and launch; small file systems (this needs root) if wanted."""
    disks = {name: Disk(name, scratch / f"{name}_disk", small) for name in ("work", "results", "launch")}
    for disk in disks.values():
        disk.mount.mkdir()
        if small:
            size = f"size={MEGABYTES}m"
            subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(disk.mount)], check=True)
    return disks


def remove_disks(disks: dict[str, Disk]) -> None:
    """Undo :func:`make_disks`."""
    for disk in disks.values():
        if disk.small:
            subprocess.run(["umount", "-l", str(disk.mount)], check=False)
        shutil.rmtree(disk.mount, ignore_errors=True)


def can_mount(scratch: Path) -> bool:
    """Whether small file systems can be made here."""
    trial = scratch / "trial"
    trial.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(trial)]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode != 0:
        return False
    subprocess.run(["umount", str(trial)], check=True)
    return True
