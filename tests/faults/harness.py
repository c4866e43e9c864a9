"""Disturbs runs of the pipeline at random moments and resumes them: nothing may be lost (make test-faults).

Each case is run once undisturbed. Then it is run again and again, each time in empty folders, and disturbed at moments
that a generator with a fixed seed draws:
  task       a random process of a random running task is killed (its wrapper, its script, or Python)
  training   a training is killed after it has written a checkpoint
  nextflow   Nextflow is ended, alone or with all its tasks
  disk       the file system of the work folder, of the results or of the launch folder runs full; this needs root
A run that has ended with an error is resumed (-resume) until it is complete. Its results must then be those of the
undisturbed run: tables byte for byte but for measured seconds and memory, embeddings number for number.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ..clone import clone
from .disks import can_mount, make_disks, remove_disks
from .disturb import KINDS
from .runs import CASES, Arena, Tally


def main() -> int:
    """Run the harness; the exit code is 0 when nothing was lost."""
    options = parse()
    if not Path("/proc/self/stat").exists():
        print("ERROR: processes of tasks are found under /proc, which only Linux has", file=sys.stderr)
        return 2
    # So that a terminated harness leaves no processes and mounts behind either.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    # A shell has its background jobs ignore Ctrl-C, and Nextflow would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    scratch = Path(tempfile.mkdtemp(prefix="spatialweave-faults.", dir=options.scratch)).resolve()
    kinds = options.kinds
    small = "disk" in kinds and can_mount(scratch)
    if "disk" in kinds and not small:
        print("SKIPPED: full disks, as a file system of limited size can be mounted by root only", flush=True)
        kinds = [kind for kind in kinds if kind != "disk"]
    disks = make_disks(scratch, small)
    tally = Tally()
    try:
        project = copy_project(scratch)
        for index, name in enumerate(options.cases):
            until = options.disturbances * (index + 1) // len(options.cases)
            arena = Arena(name, project, disks, scratch, tally, random.Random(f"{options.seed} {name}"), kinds)
            arena.disturb_until(until)
    finally:
        remove_disks(disks)
        if options.keep:
            print(f"kept: {scratch}")
        else:
            shutil.rmtree(scratch, ignore_errors=True)
        print(tally.summary(), flush=True)
    return 1 if tally.problems else 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--disturbances", type=int, default=50, help="how many, over all cases (default: 50)")
    parser.add_argument("--seed", type=int, default=1, help="drives kinds, moments and victims (default: 1)")
    parser.add_argument("--kinds", type=listed(KINDS), default=list(KINDS), help=f"default: {','.join(KINDS)}")
    parser.add_argument("--cases", type=listed(tuple(CASES)), default=list(CASES), help=f"default: {','.join(CASES)}")
    parser.add_argument("--scratch", type=Path, help="folder for everything that is written (default: the system's)")
    parser.add_argument("--keep", action="store_true", help="keep logs and the copy of the project")
    return parser.parse_args()


def listed(allowed: tuple[str, ...]) -> Callable[[str], list[str]]:
    """An argument that lists some of `allowed`, separated by commas."""

    def parse_list(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in allowed]
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(unknown)}: choose among {', '.join(allowed)}")
        return names

    return parse_list


def copy_project(scratch: Path) -> Path:
    """A copy that nobody edits meanwhile, in which checkpoints are written every half second instead of every 30."""
    copy = clone(scratch / "project")
    settings = copy / "bin" / "spatialweave" / "training" / "run.py"
    text = settings.read_text()
    shorter = text.replace("checkpoint_seconds: float = 30.0", "checkpoint_seconds: float = 0.5")
    if shorter == text:
        raise SystemExit(f"ERROR: the time between checkpoints was not found in {settings}")
    settings.write_text(shorter)
    return copy


if __name__ == "__main__":
    started = time.monotonic()
    status = main()
    print(f"{(time.monotonic() - started) / 60:.1f} minutes")
    sys.exit(status)
