"""The disturbances: each does its harm to a running pipeline and says what it did."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from pathlib import Path

from .disks import Disk
from .launch import Launch, Task

KINDS = ("task", "nextflow", "disk", "training")


def kill_task(launch: Launch, rng: random.Random) -> str | None:
    """Kill a random process of a random running task; None if the run ended before there was one."""
    while launch.code is None:
        tasks = launch.tasks()
        if tasks:
            return _kill(rng.choice(tasks), rng)
        time.sleep(0.05)
    return None


def _kill(task: Task, rng: random.Random) -> str:
    process = rng.choice(task.processes)
    number = rng.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM])
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, number)
    return f"{number.name} to {process.part} of {task.name}"


def kill_training(launch: Launch, rng: random.Random, checkpoints: Path) -> str | None:
    """Kill a training once it has written a checkpoint of its own; None if the run ended before there was one."""
    began = time.time()
    while launch.code is None:
        written = {path.name for path in checkpoints.glob("*.pt") if path.stat().st_mtime > began}
        for task in launch.tasks():
            programs = [process for process in task.processes if process.part == "train.py"]
            if written and programs and task.process == "TRAIN":
                time.sleep(rng.uniform(0, 1))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(programs[0].pid, signal.SIGKILL)
                return f"SIGKILL to train.py of {task.name}, after a checkpoint"
        time.sleep(0.1)
    return None


def kill_nextflow(launch: Launch, rng: random.Random) -> str:
    """End Nextflow: alone, by one of three signals, or together with all tasks."""
    way = rng.choice(["SIGKILL", "SIGKILL", "SIGTERM", "SIGINT", "all"])
    running = [task.name for task in launch.tasks()]
    if way == "all":
        launch.kill_all()
    else:
        launch.signal(signal.Signals[way])
    if launch.wait_for_end() is None:
        launch.kill_all()
        launch.wait(60)
        way += ", which it did not heed: killed"
    what = "SIGKILL to Nextflow and all tasks" if way == "all" else f"{way} to Nextflow"
    return f"{what}; running: {', '.join(running) or 'nothing'}"


def fill_disk(launch: Launch, rng: random.Random, disks: dict[str, Disk]) -> tuple[str, bool]:
    """Fill one of the disks, wait for the end of the run, make room again; returns the disk, and if the run ended."""
    disk = rng.choice(list(disks.values()))
    disk.fill()
    ended = launch.wait_for_end() is not None
    if not ended:
        launch.kill_all()
        launch.wait(60)
    disk.free()
    return disk.name, ended
