"""What a failed run costs: itself. By stubs."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import Pipeline

FAILING = """
process {
    withName: TRAIN { beforeScript = { meta.dataset == 'one' && meta.method == 'spamo' ? 'exit 2' : '' } }
    withName: WEAVE { beforeScript = { meta.dataset == 'two' ? 'exit 2' : '' } }
}
"""
"""Of one dataset one of three methods fails, of the other the consensus."""

NO_SPOTS = """
process {
    withName: QC { beforeScript = { meta.dataset == 'NAME' ? 'echo "ERROR: no spot" > .command.err; exit 2' : '' } }
}
"""
"""QC of the dataset NAME fails."""


def test_the_others_are_still_judged_and_reported(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "rna.h5ad").touch()
    (tmp_path / "sheet.csv").write_text("dataset,rna,n_domains\none,rna.h5ad,4\ntwo,rna.h5ad,4\n")
    (tmp_path / "failing.config").write_text(FAILING)
    sheet = str(tmp_path / "sheet.csv")
    run = pipeline.run(
        "-stub-run", "-c", str(tmp_path / "failing.config"), "--input", sheet, "--methods", "smart,spamo,spamca"
    )
    assert run.code != 0
    tasks = run.tasks("Submitted")
    assert [task for task in tasks if task.startswith("WEAVE")] == ["WEAVE (two)"]
    for process in ("ASSESS", "REPORT_DATASET"):
        assert {task for task in tasks if task.startswith(process)} == {f"{process} (one)", f"{process} (two)"}
    # A consensus of two runs is left out; it is no failure of its own.
    texts = {path.name: json.loads(path.read_text()) for path in (pipeline.folder / "work").rglob("texts/*/*.json")}
    reason = "needs three runs, and 2 succeeded"
    assert texts["left_out.json"] == [{"dataset": "one", "method": "weave", "reason": reason}]
    assert {"dataset": "one", "method": "weave", "seed": 1} not in texts["planned.json"]
    assert {"dataset": "two", "method": "weave", "seed": 1} in texts["planned.json"]


def test_a_dataset_whose_quality_control_fails_does_not_stop_the_others(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "rna.h5ad").touch()
    (tmp_path / "sheet.csv").write_text("dataset,rna,n_domains\none,rna.h5ad,4\ntwo,rna.h5ad,4\n")
    (tmp_path / "failing.config").write_text(NO_SPOTS.replace("NAME", "two"))
    run = pipeline.run("-stub-run", "-c", str(tmp_path / "failing.config"), "--input", str(tmp_path / "sheet.csv"))
    assert run.code != 0
    assert "REPORT_DATASET (one)" in run.tasks("Submitted")
    assert not [task for task in run.tasks("Submitted") if "two" in task and not task.startswith(("INGEST", "QC"))]
    written = [json.loads(path.read_text()) for path in (tmp_path / "work").rglob("texts/*/failures.json")]
    (failure,) = max(written, key=len)
    assert (failure["process"], failure["dataset"], failure["reason"]) == ("QC", "two", "ERROR: no spot")
    assert "QC of two: ERROR: no spot" in run.text


def test_a_run_without_any_dataset_left_says_why(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "rna.h5ad").touch()
    (tmp_path / "sheet.csv").write_text("dataset,rna\none,rna.h5ad\n")
    (tmp_path / "failing.config").write_text(NO_SPOTS.replace("NAME", "one"))
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "report.html").write_text("of an earlier run")
    run = pipeline.run("-stub-run", "-c", str(tmp_path / "failing.config"), "--input", str(tmp_path / "sheet.csv"))
    assert run.code != 0
    assert "QC of one: ERROR: no spot" in run.text
    assert "The report:" not in run.text
    assert not [task for task in run.tasks("Submitted") if not task.startswith(("INGEST", "QC"))]
