"""The parts of the harness, tested without a pipeline."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import h5py
import pytest

from .contents import differences, fingerprints, torn
from .harness import listed
from .launch import Launch, Task

HANGS = "import time; time.sleep(60)"
WRITES = """\
import pathlib, time
for number in range(20):
    pathlib.Path("progress").write_text(str(number))
    time.sleep(0.2)
"""
LOGS = WRITES.replace("progress", ".nextflow.log").replace("20", "300")


def launched(folder: Path, program: str) -> Launch:
    """A program that runs in place of Nextflow, in a work folder."""
    work = folder / "work"
    work.mkdir()
    return Launch([sys.executable, "-c", program], work, work, folder / "console.txt")


def test_a_run_that_lasts_but_makes_progress_is_waited_for(tmp_path: Path) -> None:
    began = time.monotonic()
    assert launched(tmp_path, WRITES).wait_for_end(quiet=1.5) == 0
    assert time.monotonic() - began > 3


@pytest.mark.parametrize("program", [HANGS, LOGS])
def test_a_run_without_progress_hangs_whatever_it_logs(tmp_path: Path, program: str) -> None:
    launch = launched(tmp_path, program)
    assert launch.wait_for_end(quiet=1.5) is None
    launch.kill_all()
    assert launch.wait(10) == -9


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A small results folder."""
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "runs.csv").write_text("method,seconds\nsmart,1.5\n")
    (folder / "resources_mqc.tsv").write_text('# id: "resources"\nof\tstatus\tseconds\nsmart\tcompleted\t1.5\n')
    (folder / "params.json").write_text("{}")
    (folder / "report.html").write_text("<html>today</html>\n")
    with h5py.File(folder / "seed1.h5ad", "w") as file:
        file["X"] = [[1.0, 2.0]]
        file["uns/training"] = json.dumps({"seconds": 3.0, "losses": [1.0]})
    return folder


def test_measured_seconds_and_dates_make_no_difference(results: Path) -> None:
    before = fingerprints(results)
    (results / "runs.csv").write_text("method,seconds\nsmart,99\n")
    table = (results / "resources_mqc.tsv").read_text()
    (results / "resources_mqc.tsv").write_text(table.replace("1.5", "99"))
    (results / "report.html").write_text("<html>tomorrow</html>\n")
    with h5py.File(results / "seed1.h5ad", "r+") as file:
        del file["uns/training"]
        file["uns/training"] = json.dumps({"seconds": 4.0, "losses": [1.0]})
    assert differences(before, fingerprints(results)) == []


def test_any_other_change_makes_a_difference(results: Path) -> None:
    before = fingerprints(results)
    (results / "runs.csv").write_text("method,seconds\nspamo,1.5\n")
    with h5py.File(results / "seed1.h5ad", "r+") as file:
        file["X"][0, 1] = 2.0000001
    table = (results / "resources_mqc.tsv").read_text()
    (results / "resources_mqc.tsv").write_text(table.replace("completed", "failed"))
    (results / "params.json").unlink()
    (results / "index.csv").write_text("a\n")
    assert differences(before, fingerprints(results)) == [
        "index.csv should not be there", "params.json is missing", "resources_mqc.tsv differs", "runs.csv differs",
        "seed1.h5ad differs",
    ]  # fmt: skip


def test_slides_of_an_earlier_report_may_stay() -> None:
    expected = {"test/passports/weave.seed1/domain_1.pdf": "a"}
    earlier = {"test/passports/smart.seed1/domain_1.pdf": "b"}
    assert differences(expected, expected | earlier) == []
    assert differences(expected, expected | {"test/passports/weave.seed1/domain_2.pdf": "b"}) == [
        "test/passports/weave.seed1/domain_2.pdf should not be there"
    ]
    assert differences(expected, earlier) == ["test/passports/weave.seed1/domain_1.pdf is missing"]


@pytest.mark.parametrize("name", ["runs.csv", "params.json", "report.html", "seed1.h5ad"])
def test_a_file_that_was_cut_off_is_torn(results: Path, name: str) -> None:
    assert torn(results) == []
    data = (results / name).read_bytes()
    (results / name).write_bytes(data[: len(data) // 2])
    assert torn(results) == [name]


def test_the_process_of_a_task_is_named_without_its_workflow() -> None:
    assert Task("INTEGRATE:TRAIN (test, smart, seed 1)", Path(), []).process == "TRAIN"
    assert Task("SIMULATE (test)", Path(), []).process == "SIMULATE"


def test_only_known_kinds_are_taken() -> None:
    parse = listed(("task", "disk"))
    assert parse("disk,task") == ["disk", "task"]
    with pytest.raises(Exception, match="moon: choose among task, disk"):
        parse("moon")
