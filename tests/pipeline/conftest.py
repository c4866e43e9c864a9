"""Driving Nextflow as a user does, each test in its own launch folder."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

STUBS = Path(__file__).parent / "stubs"


@dataclass
class Run:
    """What a run of the pipeline left: exit code, console text, results folder."""

    code: int
    text: str
    results: Path

    def tasks(self, word: str) -> list[str]:
        """Tasks that the console calls `word` ("Submitted" or "Cached"), e.g. ["TRAIN (test, smart, seed 1)", ...]."""
        marker = f"{word} process > "
        return [short_name(line.split(marker, 1)[1]) for line in self.text.splitlines() if marker in line]


def short_name(task: str) -> str:
    """The name of a task without the workflow that its process is part of."""
    process, _, tag = task.partition(" ")
    return f"{process.split(':')[-1]} {tag}"


@dataclass
class Pipeline:
    """The pipeline of one project folder, launched from one launch folder.

    Its tasks are measured for Nextflow's own reports if `traced`.
    """

    project: Path
    folder: Path
    traced: bool = True

    @property
    def results(self) -> Path:
        """Where its results go by default."""
        return self.folder / "results"

    def command(self, *arguments: str) -> list[str]:
        """The command line of a run."""
        config = [] if self.traced else ["-c", str(STUBS / "untraced.config")]
        return [str(self.project / "nextflow"), "run", str(self.project), "-ansi-log", "false", *config, *arguments]

    def run(self, *arguments: str) -> Run:
        """Run the pipeline to its end."""
        done = subprocess.run(
            self.command(*arguments), cwd=self.folder, capture_output=True, text=True, timeout=900, check=False
        )
        return Run(done.returncode, done.stdout + done.stderr, self.results)


TO_DOMAINS = ("--assess", "false", "--characterise", "false", "--passports", "none", "--export", "none")
"""Options of a run that is looked at up to its domains only."""

TOY = """\
title: Toy
summary: A method over a library that the pipeline's own environment lacks.
preprocess: smart
graph: spatial
environment: toy
gpu: false
config: {}
"""
TOY_MODULE = '''\
"""A method of no use."""

from dataclasses import dataclass


@dataclass
class Config:
    """No settings."""
'''
"""The preset and the module of a method with an environment of its own."""

STAND_INS = {
    "engine": ("docker", "podman", "singularity", "apptainer", "ch-run", "ch-image"),
    "scheduler": ("sbatch", "squeue", "bsub", "bjobs", "qsub", "qstat"),
    "conda": ("conda",),
}
"""The recording stubs and the programs that they stand in for (as in tests/with_stubs.sh)."""


def link_stand_ins(folder: Path) -> Path:
    """A folder with stand-ins for container engines, schedulers and Conda, to come first on PATH."""
    programs = folder / "bin"
    programs.mkdir()
    for script, names in STAND_INS.items():
        for name in names:
            (programs / name).symlink_to(STUBS / script)
    return programs


@pytest.fixture
def pipeline(project: Path, tmp_path: Path) -> Pipeline:
    """The pipeline of this project, launched from an empty folder."""
    return Pipeline(project, tmp_path, traced=False)


@pytest.fixture
def pipeline_copy(project: Path, tmp_path: Path) -> Callable[[], Pipeline]:
    """Makes a copy of the project whose files a test may edit; it shares environment and Nextflow with the original."""

    def make() -> Pipeline:
        copy = tmp_path / "project"
        copy.mkdir()
        for name in ("main.nf", "nextflow", "nextflow.config", "nextflow_schema.json"):
            shutil.copy2(project / name, copy / name)
        for name in ("assets", "bin", "conf", "modules", "workflows"):
            shutil.copytree(project / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        (copy / ".venv").symlink_to(project / ".venv")
        (copy / ".cache").symlink_to(project / ".cache")
        launch = tmp_path / "launch"
        launch.mkdir()
        return Pipeline(copy, launch, traced=False)

    return make


@pytest.fixture
def with_toy(pipeline_copy: Callable[[], Pipeline]) -> Pipeline:
    """A copy of the project with one more method: a preset, a module, and the pins of its environment."""
    pipeline = pipeline_copy()
    (pipeline.project / "assets" / "methods" / "toy.yml").write_text(TOY)
    (pipeline.project / "bin" / "spatialweave" / "methods" / "toy.py").write_text(TOY_MODULE)
    pins = pipeline.project / "environments" / "toy"
    pins.mkdir(parents=True)
    (pins / "requirements.txt").write_text("toy==1.0\n")
    return pipeline


def make_toy_the_only_baseline(pipeline: Pipeline) -> None:
    """Make `toy` a baseline, and delete the others."""
    methods = pipeline.project / "assets" / "methods"
    for preset in methods.glob("*.yml"):
        if "baseline: true" in preset.read_text():
            preset.unlink()
    (methods / "toy.yml").write_text(TOY + "baseline: true\n")
