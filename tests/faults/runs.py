"""Runs of one case: undisturbed for reference, then disturbed and resumed until complete."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from . import contents, disturb
from .disks import Disk
from .launch import Launch

# Trainings last some seconds, so that checkpoints are written and training is hit. The control trains beside it.
_SMART = ("--methods", "smart", "--method_options", "smart.epochs=150")
CASES = {
    "tissue": ("--simulate", "test", *_SMART),
    # Three sections: ingested, filtered and aligned side by side, matched after training.
    "series": ("--simulate", "series_test", "--align", "--control", "false", *_SMART),
}

REACH = 0.15
"""The next disturbance comes within this fraction of the undisturbed run's length, counted from the first task."""

EARLY = 0.1
"""Fraction of disturbances that come while Nextflow starts."""

WEIGHTS = {"task": 4, "nextflow": 3, "disk": 2, "training": 1}
"""How often the kinds are drawn."""

TRIES = 3
"""So often in a row may a run end with an error that no disturbance explains: a later one must repair what it left."""


@dataclass
class Tally:
    """What has happened so far.

    Attributes
    ----------
    torn
        Published files that could not be read to their end after an interrupted run, by what interrupted it.
    problems
        What must not be: results that differ, files torn after a complete run, runs that hang or never complete.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    victims: Counter[str] = field(default_factory=Counter)
    torn: Counter[str] = field(default_factory=Counter)
    full_disks: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    runs: int = 0
    resumes: int = 0
    compared: int = 0
    resumed_trainings: int = 0

    @property
    def disturbances(self) -> int:
        """How many there were."""
        return self.kinds.total()

    def problem(self, text: str) -> None:
        """Note what must not be."""
        self.problems.append(text)
        print(f"PROBLEM: {text}", flush=True)

    def summary(self) -> str:
        """Everything in some lines."""

        def listed(counts: Counter[str]) -> str:
            return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "none"

        lines = [
            f"{self.disturbances} disturbances in {self.runs} runs: {listed(self.kinds)}",
            f"what was running or hit: {listed(self.victims)}",
            f"{self.resumes} resumes; {self.resumed_trainings} trainings went on from a checkpoint",
            f"half-written published files after an interrupted run, all repaired by the resume: {listed(self.torn)}",
            f"runs whose disk was full: {listed(self.full_disks)}",
            f"{self.compared} files compared with the undisturbed runs; {len(self.problems)} problems",
        ]
        return "\n".join([*lines, *self.problems])


class Arena:
    """One case with its folders, which every run finds empty."""

    def __init__(
        self,
        case: str,
        project: Path,
        disks: dict[str, Disk],
        scratch: Path,
        tally: Tally,
        rng: random.Random,
        kinds: list[str],
    ) -> None:
        self.case, self.project, self.disks, self.tally, self.rng, self.kinds = case, project, disks, tally, rng, kinds
        self.checkpoints = scratch / "checkpoints"
        self.scratch = scratch
        self.launches: list[Launch] = []
        self.reference: dict[str, str] = {}
        self.seconds = 0.0

    def disturb_until(self, total: int) -> None:
        """Run the case undisturbed, then disturbed until that many disturbances have been counted."""
        try:
            self._refer()
            while self.tally.disturbances < total:
                self._run(total)
        finally:
            for launch in self.launches:
                launch.kill_all()

    def _refer(self) -> None:
        """The undisturbed run."""
        self._clear()
        launch = self._launch()
        if launch.wait_for_end() != 0:
            raise SystemExit(f"ERROR: the undisturbed run failed:\n{launch.text()[-3000:]}")
        self.seconds = time.monotonic() - launch.started
        self.reference = contents.fingerprints(self._results)
        print(f"{self.case}: undisturbed in {self.seconds:.0f} s, {len(self.reference)} files", flush=True)

    @property
    def _results(self) -> Path:
        return self.disks["results"].folder

    def _clear(self) -> None:
        for launch in self.launches:
            launch.kill_all()
        self.launches = []
        for disk in self.disks.values():
            disk.clear()
        for path in self.checkpoints.glob("*"):
            path.unlink()

    def _launch(self) -> Launch:
        work, folder = self.disks["work"].folder, self.disks["launch"].folder
        command = [str(self.project / "nextflow"), "run", str(self.project), "-ansi-log", "false", "-resume"]
        command += ["-w", str(work), "--outdir", str(self._results), "--checkpoint_dir", str(self.checkpoints)]
        console = self.scratch / f"{self.case}.{self.tally.runs}.{len(self.launches)}.txt"
        watched = (self._results, self.checkpoints)
        self.launches.append(Launch([*command, *CASES[self.case]], folder, work, console, watched))
        return self.launches[-1]

    def _run(self, total: int) -> None:
        """One run from nothing to complete results, with as many disturbances as come its way."""
        self._clear()
        self.tally.runs += 1
        unexplained = 0
        began = time.monotonic()
        while True:
            before = self.tally.disturbances
            launch = self._launch()
            cause = self._disturb(launch, total)
            if launch.wait_for_end() is None:
                self.tally.problem(f"{self.case}: a run hangs after: {cause}")
                launch.kill_all()
                launch.wait(60)
            if launch.code == 0:
                break
            self.tally.resumes += 1
            self.tally.torn[cause] += len(contents.torn(self._results))
            unexplained = unexplained + 1 if self.tally.disturbances == before else 0
            if unexplained == TRIES:
                self.tally.problem(f"{self.case}: does not complete after: {cause}; see {launch.console}")
                return
        self._check(time.monotonic() - began)

    def _disturb(self, launch: Launch, total: int) -> str:
        """Disturb a run again and again until it ends or enough has been done; returns the last kind."""
        cause = "nothing"
        while self.tally.disturbances < total:
            if self.rng.random() > EARLY:
                launch.wait_for_tasks()
            if launch.wait(self.rng.uniform(0, REACH) * self.seconds) is not None:
                break
            possible = self._possible()
            kind = self.rng.choices(possible, [WEIGHTS[one] for one in possible])[0]
            done = self._do(kind, launch)
            if done is None:
                break
            self.tally.kinds[kind] += 1
            cause = kind
            moment = time.monotonic() - launch.started
            print(
                f"{self.tally.disturbances:3d}  {self.case}  run {self.tally.runs}  {moment:5.1f} s  {kind}: {done}",
                flush=True,
            )
        return cause

    def _possible(self) -> list[str]:
        """Kinds that make sense now: no training is left to be killed once its record is there."""
        trained = any(self.disks["work"].folder.glob("*/*/smart.*.training.json"))
        return [kind for kind in self.kinds if kind != "training" or not trained] or ["task"]

    def _do(self, kind: str, launch: Launch) -> str | None:
        self.tally.victims.update({task.process for task in launch.tasks()} or {"no task"})
        if kind == "task":
            return disturb.kill_task(launch, self.rng)
        if kind == "training":
            return disturb.kill_training(launch, self.rng, self.checkpoints)
        if kind == "nextflow":
            return disturb.kill_nextflow(launch, self.rng)
        name, ended = disturb.fill_disk(launch, self.rng, self.disks)
        # Without room for its log, Nextflow can wait for ever for its own observers when all is done: a user kills it.
        if not ended and name != "launch":
            self.tally.problem(f"{self.case}: a run hangs while the file system of {name} is full")
        said = "No space left" in self._said()
        outcome = "run went on" if launch.code == 0 else "said why" if said else "did not say why"
        self.tally.full_disks[outcome if ended else "hung until it was killed"] += 1
        end = f"ended with {launch.code}" if ended else "hung and was killed"
        return f"the file system of {name} was full; the run {end}{', and said why' if said else ''}"

    def _said(self) -> str:
        """What Nextflow has said since its last start, and what all tasks of the run have."""
        logs = self.disks["work"].folder.glob("*/*/.command.err")
        return "".join([self.launches[-1].text(), *(log.read_text(errors="replace") for log in logs)])

    def _check(self, seconds: float) -> None:
        """Hold the results of a complete run against the undisturbed one."""
        found = contents.fingerprints(self._results)
        for text in contents.differences(self.reference, found):
            self.tally.problem(f"{self.case}, run {self.tally.runs}: {text}")
        self.tally.compared += len(found)
        if "Traceback (most recent call last)" in self._said():
            self.tally.problem(f"{self.case}, run {self.tally.runs}: a task ended with a traceback")
        logs = self.disks["work"].folder.glob("*/*/.command.err")
        resumed = sum("resuming after epoch" in log.read_text(errors="replace") for log in logs)
        self.tally.resumed_trainings += resumed
        print(
            f"     {self.case}  run {self.tally.runs} complete after {seconds:.0f} s; {len(found)} files compared",
            flush=True,
        )
