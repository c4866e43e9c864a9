"""What Slurm knows about the jobs of a run."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path


def slurm(*command: str) -> str:
    """The output of one of Slurm's commands."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def jobs_of(folder: Path) -> list[dict[str, str]]:
    """Slurm's record of every job, ended ones too, whose work folder lies in a run's, e.g.
    {"JobId": "7", "JobName": "nf-TRAIN_(test,_smart,_seed_1)", "JobState": "COMPLETED", "WorkDir": "/.../ab/cdef", ...}
    """
    lines = slurm("scontrol", "show", "jobs", "--details", "--oneliner").splitlines()
    records = [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in lines]
    return [job for job in records if Path(job.get("WorkDir", "/")).is_relative_to(folder)]


def job_of(folder: Path, job_id: str) -> dict[str, str]:
    """Slurm's record of one job of a run."""
    (job,) = [job for job in jobs_of(folder) if job["JobId"] == job_id]
    return job


def process_of(job: dict[str, str]) -> str:
    """The process of the pipeline that a job belongs to, e.g. "TRAIN"."""
    return job["JobName"].removeprefix("nf-").split("_(", 1)[0]


def batch_shell(job_id: str) -> int:
    """The process id of the shell that runs a job's script."""
    # PID JOBID STEPID LOCALID GLOBALID; the shell is the step's first task, and what it started has no number.
    rows = [line.split() for line in slurm("scontrol", "listpids", job_id).splitlines()]
    (pid,) = [row[0] for row in rows if row[2:4] == ["batch", "0"]]
    return int(pid)
