"""Jobs of Slurm, as a recording stand-in for sbatch sees them; make test-slurm looks at those of a real one."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ..slurm.jobs import Request, granted, process_of, records, requested, submitted, task_of, trace
from .conftest import Pipeline, link_stand_ins

TRACE = Path(__file__).parents[1] / "slurm" / "trace.config"


def test_every_task_is_a_job_that_asks_for_what_the_configuration_says(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{link_stand_ins(pipeline.folder)}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NXF_EXECUTOR_POLLINTERVAL", "200ms")
    pipeline.traced = True
    (pipeline.folder / "site.config").write_text(f"includeConfig '{TRACE}'\nprocess.clusterOptions = '--account=lab'\n")
    run = pipeline.run(
        "-stub-run", "-profile", "test,slurm", "--seeds", "1", "-c", str(pipeline.folder / "site.config")
    )
    assert run.code == 0, run.text
    scripts = list((pipeline.folder / "work").glob("*/*/job.submitted"))
    jobs = {task_of(script.parent): submitted(script.read_text()) for script in scripts}
    assert jobs == {row["name"]: requested(row) for row in trace(run.results)}
    assert {"SIMULATE", "INGEST", "TRAIN", "REPORT_RUN"} <= {
        process_of({"WorkDir": str(script.parent)}) for script in scripts
    }

    assert all("#SBATCH --account=lab\n" in script.read_text() for script in scripts)


def test_a_rejected_job_ends_the_run_with_the_schedulers_message(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{link_stand_ins(pipeline.folder)}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("NXF_EXECUTOR_POLLINTERVAL", "200ms")
    monkeypatch.setenv("REJECT", "TRAIN .*smart,")
    run = pipeline.run("-stub-run", "-profile", "test,slurm", "--seeds", "1", "--nodes", "2")
    assert run.code != 0
    assert "Batch job submission failed: Invalid account" in run.text
    scripts = {task_of(path.parent): path.read_text() for path in (pipeline.folder / "work").glob("*/*/job.submitted")}
    shared = [name for name, script in scripts.items() if "#SBATCH --nodes=2 --ntasks-per-node=1\n" in script]
    assert shared == ["INTEGRATE:TRAIN (test, smart, seed 1)"]


def test_what_a_job_has_is_read_from_slurms_record() -> None:
    line = "JobId=7 JobState=RUNNING NumNodes=1 NumCPUs=2 MinMemoryNode=16G TimeLimit=1-12:00:00 WorkDir=/a/b Comment="
    (job,) = records(line + "\n")
    assert (job["JobId"], job["WorkDir"], job["Comment"]) == ("7", "/a/b", "")
    assert granted(job) == Request(2, 16384, 129600)


@pytest.mark.parametrize(
    ("read", "given"),
    [
        (submitted, "#!/bin/bash\n#SBATCH -J nf-x\n#SBATCH -c 2\n#SBATCH -t 36:00:00\n#SBATCH --mem 16384M\n"),
        (requested, {"cpus": "2", "memory": "16 GB", "time": "1d 12h"}),
    ],
)
def test_what_a_job_asks_for_is_read_the_same_from_either_side(read: Callable[..., Request], given: object) -> None:
    assert read(given) == Request(2, 16384, 129600)
