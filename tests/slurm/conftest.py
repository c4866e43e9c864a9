"""A Slurm cluster for the tests of this folder, which run only when the folder is named: make test-slurm."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..pipeline.conftest import Pipeline, Run
from .cluster import Cluster, missing

HERE = Path(__file__).resolve().parent


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Daemons are started only for who asks for them, not by `pytest` alone."""
    named = any(Path(argument.split("::")[0]).resolve().is_relative_to(HERE) for argument in config.args)
    return None if named else True


@pytest.fixture(scope="session", autouse=True)
def cluster() -> Iterator[None]:
    """A Slurm of this machine, which every command of the tests finds by its environment."""
    if problem := missing():
        pytest.exit(f"The tests with Slurm cannot run: {problem}", returncode=2)
    # Not in pytest's own folder: MUNGE wants its socket where everybody could reach it.
    folder = Path(tempfile.mkdtemp(prefix="spatialweave-slurm.", dir="/tmp"))
    folder.chmod(0o755)
    slurm = Cluster(folder)
    with pytest.MonkeyPatch.context() as environment:
        # The tests may themselves run in a job of another cluster.
        for name in [name for name in os.environ if name.startswith(("SLURM_", "SBATCH_", "SQUEUE_", "SCANCEL_"))]:
            environment.delenv(name)
        environment.setenv("SLURM_CONF", str(slurm.config))
        try:
            slurm.start()
            yield
        finally:
            slurm.stop()
            shutil.rmtree(folder)


@pytest.fixture
def pipeline(project: Path, tmp_path: Path) -> Pipeline:
    """The pipeline of this project, launched from an empty folder."""
    return Pipeline(project, tmp_path)


@pytest.fixture(scope="session")
def undisturbed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of the test tissue with one seed on this machine, without Slurm."""
    run = Pipeline(project, tmp_path_factory.mktemp("local")).run("-profile", "test", "--seeds", "1")
    assert run.code == 0, run.text
    assert list(run.results.glob("test/domains/smart/*.csv"))
    return run
