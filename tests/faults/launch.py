"""One start of Nextflow, and the processes of the tasks that it runs (found under /proc, so on Linux only)."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

QUIET = 180.0
"""Seconds without progress after which a run hangs: below Nextflow's habit of writing to its log every five minutes."""

_NAME = re.compile(r"^### name: '(.*)'$", re.MULTILINE)


@dataclass
class Process:
    """A process of a running task.

    Attributes
    ----------
    part
        `wrapper` (Nextflow's .command.run), `script` (the task's .command.sh) or the name of the program that it runs.
    """

    pid: int
    part: str


@dataclass
class Task:
    """A running task with all its processes."""

    name: str
    folder: Path
    processes: list[Process]

    @property
    def process(self) -> str:
        """The pipeline's process, e.g. "TRAIN" for the task "INTEGRATE:TRAIN (test, smart, seed 1)"."""
        return self.name.split(" ")[0].split(":")[-1]


class Launch:
    """Nextflow in a session of its own: the launcher is its leader, every task belongs to it."""

    def __init__(
        self, command: list[str], folder: Path, work: Path, console: Path, watched: Sequence[Path] = ()
    ) -> None:
        self.work, self.console = work.resolve(), console
        self.watched = (self.work, console, *watched)
        self.started = time.monotonic()
        with console.open("ab") as output:
            self._process = subprocess.Popen(
                command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    @property
    def code(self) -> int | None:
        """The exit code, None while it runs; negative = ended by that signal."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """Wait for the end, at most that long."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(seconds)
        return None

    def wait_for_end(self, quiet: float = QUIET) -> int | None:
        """Wait for the end, for as long as the run makes progress; None if there was none for `quiet` seconds."""
        last, seen = time.monotonic(), newest(self.watched)
        while self.code is None and time.monotonic() - last < quiet:
            self.wait(min(2.0, quiet / 4))
            now = newest(self.watched)
            if now != seen:
                last, seen = time.monotonic(), now
        return self.code

    def wait_for_tasks(self) -> None:
        """Wait until the first task has been started, or taken from the cache; or for the end."""
        while self.code is None and "process > " not in self.text():
            time.sleep(0.1)

    def text(self) -> str:
        """What Nextflow has said."""
        return self.console.read_text(errors="replace")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to Nextflow itself, whose tasks it leaves alone."""
        self._process.send_signal(number)

    def kill_all(self) -> None:
        """Kill Nextflow and every task, as when the machine goes down."""
        for pid in self._session():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.code is None:
            self._process.kill()

    def tasks(self) -> list[Task]:
        """Tasks that run now."""
        found: dict[Path, list[Process]] = {}
        for pid in self._session():
            with contextlib.suppress(OSError):
                folder = Path(f"/proc/{pid}/cwd").readlink()
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
                if folder.is_relative_to(self.work) and folder != self.work:
                    found.setdefault(folder, []).append(Process(pid, _part(words)))
        return [Task(_name(folder), folder, processes) for folder, processes in sorted(found.items())]

    def _session(self) -> list[int]:
        """All processes of the session but its leader."""
        members = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != self._process.pid:
                with contextlib.suppress(OSError):
                    # The name, in brackets, may hold anything; session is the fourth field after it.
                    fields = (entry / "stat").read_text().rpartition(")")[2].split()
                    if int(fields[3]) == self._process.pid:
                        members.append(int(entry.name))
        return members


def newest(watched: Iterable[Path]) -> tuple[float, int]:
    """When a file among these files and folders was last written, and how many there are: changes with any progress.

    Nextflow's own log is left out, since it is written to while nothing happens.
    """
    times = []
    for path in watched:
        for folder, _, names in os.walk(path) if path.is_dir() else [(path.parent, [], [path.name])]:
            for name in names:
                if not name.startswith(".nextflow.log"):
                    with contextlib.suppress(OSError):
                        times.append((Path(folder) / name).stat().st_mtime)
    return max(times, default=0.0), len(times)


def _part(words: list[str]) -> str:
    if any(word.endswith(".command.run") for word in words):
        return "wrapper"
    if any(word.endswith(".command.sh") for word in words):
        return "script"
    programs = [Path(word).name for word in words if word.endswith(".py")]
    return programs[0] if programs else Path(words[0]).name


def _name(folder: Path) -> str:
    try:
        named = _NAME.search((folder / ".command.run").read_text(errors="replace"))
    except OSError:
        return "?"
    return named[1] if named else "?"
