"""The pipeline through a real Slurm, as a user of one starts it."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..pipeline.conftest import Pipeline, Run
from .cluster import wait_until
from .jobs import batch_shell, granted, job_of, jobs_of, process_of, requested, slurm, task_of, trace

SITE = Path(__file__).with_name("site.config")
TRACE = Path(__file__).with_name("trace.config")

# The first training here writes which job it is and waits until it is killed or released; all others just train.
WAITING_TRAINING = """\
#!/bin/bash
if mkdir {folder}/waiting 2>/dev/null; then
    echo "$SLURM_JOB_ID" >{folder}/job && mv {folder}/job {folder}/waiting/
    for _ in {{1..1500}}; do [ -e {folder}/go ] && break; sleep 0.2; done
fi
exec {project}/bin/train.py "$@"
"""


def rows_by_job(run: Run) -> dict[str, dict[str, str]]:
    """Nextflow's record of every task by the number of its job."""
    return {row["native_id"]: row for row in trace(run.results)}


def domains(run: Run, method: str = "*") -> dict[str, bytes]:
    """The tables of domains of a run, of all methods or one, by their path in the results, as bytes."""
    tables = run.results.glob(f"*/domains/{method}/*.csv")
    return {str(path.relative_to(run.results)): path.read_bytes() for path in tables}


def before_script(project: Path, commands: str) -> str:
    """A setting that runs commands before a task's script, after what the pipeline itself puts there."""
    return f"""beforeScript = '''export PATH="{project}/.venv/bin:$PATH"; {commands}'''"""


def write_config(pipeline: Pipeline, selector: str, setting: str) -> Path:
    """A configuration file with a setting for some processes, to be given with -c."""
    path = pipeline.folder / "test.config"
    path.write_text(f"includeConfig '{SITE}'\nprocess {{ {selector} {{ {setting} }} }}\n")
    return path


@contextmanager
def started(pipeline: Pipeline, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run that goes on in the background, and that is killed should the test leave it behind."""
    with (pipeline.folder / "console.txt").open("wb") as console:
        process = subprocess.Popen(
            pipeline.command(*arguments), cwd=pipeline.folder, stdout=console, stderr=console, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def ended(pipeline: Pipeline, process: subprocess.Popen[bytes]) -> Run:
    """Wait for the end of a run that was started in the background."""
    code = process.wait(timeout=900)
    return Run(code, (pipeline.folder / "console.txt").read_text(), pipeline.results)


@pytest.fixture
def with_waiting_training(pipeline: Pipeline) -> tuple[str, ...]:
    """Arguments of a run of one method, whose first training waits."""
    program = pipeline.folder / "programs" / "train.py"
    program.parent.mkdir()
    program.write_text(WAITING_TRAINING.format(folder=pipeline.folder, project=pipeline.project))
    program.chmod(0o755)
    setting = before_script(pipeline.project, f'export PATH="{program.parent}:$PATH"')
    config = write_config(pipeline, "withName: TRAIN", setting)
    return ("-profile", "test,slurm", "--seeds", "1", "--control", "false", "-c", str(config))


def waiting_training(pipeline: Pipeline) -> str:
    """The number of the job whose training waits, once it does."""
    note = pipeline.folder / "waiting" / "job"
    wait_until(note.exists, "a training waits", seconds=600)
    return note.read_text().strip()


def test_every_task_is_a_job_and_results_are_those_without_slurm(pipeline: Pipeline, undisturbed: Run) -> None:
    run = pipeline.run("-profile", "test,slurm", "--seeds", "1", "-c", str(TRACE))
    assert run.code == 0, run.text
    jobs = jobs_of(pipeline.folder)
    assert {job["JobId"] for job in jobs} == set(rows_by_job(run))
    assert Counter(map(process_of, jobs)) == Counter(task.split(" (")[0] for task in undisturbed.tasks("Submitted"))
    assert {(job["JobState"], job["ExitCode"]) for job in jobs} == {("COMPLETED", "0:0")}
    assert {job["JOB_GRES"] for job in jobs} == {"(null)"}
    wanted = {number: requested(row) for number, row in rows_by_job(run).items()}
    for job in jobs:
        got, asked = granted(job), wanted[job["JobId"]]
        assert (got.cpus, got.time) == (asked.cpus, asked.time)
        # The record has one decimal of a GB.
        assert abs(got.memory - asked.memory) <= 0.05 * 1024 + 1
    assert domains(run) == domains(undisturbed)


def test_training_and_nothing_else_is_given_a_card(pipeline: Pipeline) -> None:
    note = before_script(pipeline.project, 'echo "${CUDA_VISIBLE_DEVICES:-none}" >cards')
    config = write_config(pipeline, "withName: '.*'", note)
    run = pipeline.run("-profile", "test,slurm,gpu", "-stub-run", "-c", str(config))
    assert run.code == 0, run.text
    jobs = jobs_of(pipeline.folder)
    assert {job["JobId"] for job in jobs} == set(rows_by_job(run))
    assert {process_of(job) for job in jobs} > {"TRAIN", "CLUSTER", "EVALUATE"}
    for job in jobs:
        work = Path(job["WorkDir"])
        wanted = "#SBATCH --gres=gpu:1" in (work / ".command.run").read_text().splitlines()
        seen = (work / "cards").read_text().strip()
        if process_of(job) == "TRAIN" and ", pca_smooth," not in task_of(work):
            assert (wanted, job["JOB_GRES"], seen) == (True, "gpu:simulated:1", "0")
        else:
            assert (wanted, job["JOB_GRES"], seen) == (False, "(null)", "none")


@pytest.mark.parametrize("end", ["scancel", "kill -9 of its shell"])
def test_a_training_that_is_shot_is_tried_again(
    end: str, pipeline: Pipeline, with_waiting_training: tuple[str, ...], undisturbed: Run
) -> None:
    with started(pipeline, *with_waiting_training) as process:
        shot = waiting_training(pipeline)
        assert job_of(pipeline.folder, shot)["JobState"] == "RUNNING"
        if end == "scancel":
            slurm("scancel", shot)
        else:
            os.kill(batch_shell(shot), signal.SIGKILL)
        run = ended(pipeline, process)
    assert run.code == 0, run.text
    first = job_of(pipeline.folder, shot)
    row = rows_by_job(run)[shot]
    if end == "scancel":
        assert first["JobState"] == "CANCELLED"
        assert (row["status"], row["exit"]) == ("FAILED", "143")
    else:
        assert (first["JobState"], first["ExitCode"]) == ("FAILED", "0:9")
        assert not (Path(first["WorkDir"]) / ".exitcode").exists()
        assert (row["status"], row["exit"]) == ("FAILED", "-")
    (second,) = [
        job for job in jobs_of(pipeline.folder) if job["JobName"] == first["JobName"] and job["JobId"] != first["JobId"]
    ]
    assert second["JobState"] == "COMPLETED"
    rows = rows_by_job(run)
    assert [granted(job) for job in (first, second)] == [requested(rows[job["JobId"]]) for job in (first, second)]
    assert granted(second).memory > granted(first).memory
    assert domains(run) == domains(undisturbed, "smart")


def test_a_run_goes_on_after_nextflow_was_killed(
    pipeline: Pipeline, with_waiting_training: tuple[str, ...], undisturbed: Run
) -> None:
    with started(pipeline, *with_waiting_training) as process:
        left = waiting_training(pipeline)
        os.killpg(process.pid, signal.SIGKILL)
    before = {job["JobId"]: process_of(job) for job in jobs_of(pipeline.folder)}
    assert job_of(pipeline.folder, left)["JobState"] == "RUNNING"
    # The job that was left behind ends while the resumed run is at work.
    (pipeline.folder / "go").touch()
    run = pipeline.run(*with_waiting_training, "-resume")
    assert run.code == 0, run.text
    finished = {"SIMULATE", "INGEST", "QC", "PREPROCESS", "GRAPH"}
    assert finished <= {task.split(" (")[0] for task in run.tasks("Cached")}
    later = [job for job in jobs_of(pipeline.folder) if job["JobId"] not in before]
    assert finished.isdisjoint(map(process_of, later))
    assert [process_of(job) for job in later].count("TRAIN") == 1
    assert {job["JobState"] for job in later} == {"COMPLETED"}
    wait_until(lambda: job_of(pipeline.folder, left)["JobState"] == "COMPLETED", "the job that was left behind ends")
    assert domains(run) == domains(undisturbed, "smart")


def test_a_hundred_tasks_in_the_queue(pipeline: Pipeline) -> None:
    """Trainings are held until a hundred of them wait: SMART and the control, fifty seeds each."""
    config = write_config(pipeline, "withName: TRAIN", "clusterOptions = '--hold'")
    with started(
        pipeline, "-profile", "test,slurm", "-stub-run", "--methods", "smart", "--seeds", "50", "-c", str(config)
    ) as process:

        def held() -> list[str]:
            waiting = slurm("squeue", "--noheader", "--states=PENDING", "--format=%i %r").splitlines()
            return [line.split()[0] for line in waiting if line.endswith("JobHeldUser")]

        wait_until(lambda: len(held()) == 100, "a hundred jobs wait", seconds=600)
        slurm("scontrol", "release", ",".join(held()))
        run = ended(pipeline, process)
    assert run.code == 0, run.text
    jobs = jobs_of(pipeline.folder)
    assert {job["JobId"] for job in jobs} == set(rows_by_job(run))
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    counts = Counter(map(process_of, jobs))
    # The consensus of SMART's runs is evaluated, too.
    assert {process: counts[process] for process in ("TRAIN", "CLUSTER", "WEAVE", "EVALUATE")} == {
        "TRAIN": 100, "CLUSTER": 100, "WEAVE": 1, "EVALUATE": 101,
    }  # fmt: skip


def test_nodes_share_a_training(pipeline: Pipeline) -> None:
    options = ("-profile", "test,slurm", "--seeds", "1", "--methods", "smart", "--control", "false", "--device", "cpu")
    options += ("--method_options", "smart.batch_spots=80,smart.epochs=6,smart.max_rounds=1", "--gpus", "2")
    alone = pipeline.run(*options, "-c", str(SITE))
    assert alone.code == 0, alone.text
    config = write_config(pipeline, "withName: TRAIN", "queue = 'pair'")
    shared = Pipeline(pipeline.project, pipeline.folder / "shared")
    shared.folder.mkdir()
    run = shared.run(*options, "--nodes", "2", "-c", str(config))
    assert run.code == 0, run.text
    (job,) = [job for job in jobs_of(shared.folder) if process_of(job) == "TRAIN"]
    assert (job["NodeList"], job["NumNodes"]) == ("first,second", "2")
    assert "training by 4 processes" in (Path(job["WorkDir"]) / ".command.log").read_text()
    assert domains(run) == domains(alone)
