"""What Slurm knows about the jobs of a run, and what Nextflow requests."""

from __future__ import annotations

import csv
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Request:
    """What a task asks for: CPUs, memory in MB (2^20 bytes) and time in seconds."""

    cpus: int
    memory: int
    time: int


def slurm(*command: str) -> str:
    """The output of one of Slurm's commands."""
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


def jobs_of(folder: Path) -> list[dict[str, str]]:
    """Slurm's record of every job, ended ones too, whose work folder is in a run's, e.g.
    {"JobId": "7", "JobState": "COMPLETED", "NumCPUs": "1", "MinMemoryNode": "4G", "WorkDir": "/.../ab/cdef", ...}
    """
    return [
        job
        for job in records(slurm("scontrol", "show", "jobs", "--details", "--oneliner"))
        if Path(job.get("WorkDir", "/")).is_relative_to(folder)
    ]


def records(text: str) -> list[dict[str, str]]:
    """The jobs of `scontrol show jobs --oneliner`, one per line."""
    return [dict(re.findall(r"(\S+?)=(\S*)", line)) for line in text.splitlines()]


def job_of(folder: Path, job_id: str) -> dict[str, str]:
    """Slurm's record of one job of a run."""
    (job,) = [job for job in jobs_of(folder) if job["JobId"] == job_id]
    return job


def task_of(folder: Path) -> str:
    """The name of the task of a work folder, e.g. "INTEGRATE:TRAIN (test, smart, seed 1)"."""
    return re.findall(r"^### name: '(.*)'$", (folder / ".command.run").read_text(), re.MULTILINE)[0]


def process_of(job: dict[str, str]) -> str:
    """The process of the pipeline that a job belongs to, e.g. "TRAIN"."""
    return task_of(Path(job["WorkDir"])).split(" (")[0].split(":")[-1]


def granted(job: dict[str, str]) -> Request:
    """What a job has by Slurm's record."""
    return Request(int(job["NumCPUs"]), megabytes(job["MinMemoryNode"]), seconds(job["TimeLimit"]))


def submitted(script: str) -> Request:
    """What the directives of a job script ask for; a job without a number of CPUs has one."""
    directives = dict(re.findall(r"^#SBATCH (-c|--mem|-t) (\S+)$", script, re.MULTILINE))
    return Request(int(directives.get("-c", 1)), megabytes(directives["--mem"]), seconds(directives["-t"]))


def requested(row: dict[str, str]) -> Request:
    """What Nextflow requests for a task by its configuration: a row of a trace with the columns of trace.config."""
    parts = re.findall(r"(\d+)([dhms])", row["time"])
    time = sum(int(number) * {"d": 86400, "h": 3600, "m": 60, "s": 1}[unit] for number, unit in parts)
    return Request(int(row["cpus"]), megabytes(row["memory"].replace(" ", "").removesuffix("B")), time)


def trace(results: Path) -> list[dict[str, str]]:
    """Nextflow's record of every task of a run."""
    with (results / "pipeline_info" / "trace.txt").open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def megabytes(text: str) -> int:
    """An amount of memory as Slurm writes it, e.g. "4G" or "4096M"."""
    return round(float(text[:-1]) * {"M": 1, "G": 1024, "T": 1024**2}[text[-1]])


def seconds(text: str) -> int:
    """A time limit as Slurm writes it, e.g. "12:00:00" or "1-12:00:00"."""
    days, _, clock = text.rpartition("-")
    hours, minutes, rest = map(int, clock.split(":"))
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + rest


def batch_shell(job_id: str) -> int:
    """The process id of the shell that runs a job's script."""
    # PID JOBID STEPID LOCALID GLOBALID; the shell is the step's first task, and what it started has no number.
    rows = [line.split() for line in slurm("scontrol", "listpids", job_id).splitlines()]
    (pid,) = [row[0] for row in rows if row[2:4] == ["batch", "0"]]
    return int(pid)
