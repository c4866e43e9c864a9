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
"""Of one dataset one of two methods fails, of the other the consensus."""


def test_the_others_are_still_judged_and_reported(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "rna.h5ad").touch()
    (tmp_path / "sheet.csv").write_text("dataset,rna,n_domains\none,rna.h5ad,4\ntwo,rna.h5ad,4\n")
    (tmp_path / "failing.config").write_text(FAILING)
    sheet = str(tmp_path / "sheet.csv")
    run = pipeline.run(
        "-stub-run", "-c", str(tmp_path / "failing.config"), "--input", sheet, "--methods", "smart,spamo"
    )
    assert run.code != 0
    tasks = run.tasks("Submitted")
    assert [task for task in tasks if task.startswith("WEAVE")] == ["WEAVE (two)"]
    for process in ("ASSESS", "REPORT_DATASET"):
        assert {task for task in tasks if task.startswith(process)} == {f"{process} (one)", f"{process} (two)"}
    # A consensus of one run is left out; it is no failure of its own.
    texts = {path.name: json.loads(path.read_text()) for path in (pipeline.folder / "work").rglob("texts/*/*.json")}
    reason = "needs two runs, and all others failed"
    assert texts["left_out.json"] == [{"dataset": "one", "method": "weave", "reason": reason}]
    assert {"dataset": "one", "method": "weave", "seed": 1} not in texts["planned.json"]
    assert {"dataset": "two", "method": "weave", "seed": 1} in texts["planned.json"]
