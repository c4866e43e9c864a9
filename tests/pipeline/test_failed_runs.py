"""What a failed run costs: itself. By stubs."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import TO_DOMAINS, Pipeline

FAILING = """
process {
    withName: QC { beforeScript = { meta.dataset == 'bad' ? 'echo "ERROR: no spot" > .command.err; exit 2' : '' } }
    withName: TRAIN { beforeScript = { meta.dataset == 'one' && meta.method == 'spamo' ? 'exit 2' : '' } }
    withName: WEAVE { beforeScript = { meta.dataset == 'two' ? 'exit 2' : '' } }
}
"""
"""Of one dataset one of three methods fails, of another the consensus, of the third quality control."""

NO_SPOTS = """process { withName: QC { beforeScript = 'echo "ERROR: no spot" > .command.err; exit 2' } }"""
"""Quality control fails."""


NO_FUSION = """
process {
    withName: TRAIN { beforeScript = { meta.dataset == 'failing' && meta.method == 'spatialfuser' ? 'exit 2' : '' } }
}
"""
"""A method fails on one dataset."""

REFUSAL = """echo "ERROR: no luck" > .command.err; exit 2"""

AT_THE_END = f"""
process {{
    withName: COMPARE {{ beforeScript = {{ dataset == 'no_compare' ? '{REFUSAL}' : '' }} }}
    withName: ASSEMBLE {{ beforeScript = {{ dataset == 'no_assemble' ? '{REFUSAL}' : '' }} }}
    withName: REPORT_DATASET {{ beforeScript = {{ dataset == 'no_report_dataset' ? '{REFUSAL}' : '' }} }}
    withName: EXPORT {{
        beforeScript = {{ dataset == 'no_export' ? '{REFUSAL}' : 'echo "a name is changed" > notices.txt' }}
    }}
}}
"""
"""One of the last steps fails on each of four datasets, and EXPORT has a notice on the others."""


def test_where_a_method_the_consensus_or_quality_control_fails_the_others_are_still_judged_and_reported(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    (tmp_path / "rna.h5ad").touch()
    rows = [f"{name},rna.h5ad,4" for name in ("one", "two", "bad")]
    (tmp_path / "sheet.csv").write_text("\n".join(["dataset,rna,n_domains", *rows]))
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
    # Nothing more is tried of a dataset whose quality control fails, and the others do not wait for it.
    assert not [task for task in tasks if "bad" in task and not task.startswith(("INGEST", "QC"))]
    written = [json.loads(path.read_text()) for path in (tmp_path / "work").rglob("texts/*/failures.json")]
    failures = {(one["process"], one["dataset"]): one["reason"] for one in max(written, key=len)}
    assert set(failures) == {("QC", "bad"), ("TRAIN", "one"), ("WEAVE", "two")}
    assert failures["QC", "bad"] == "ERROR: no spot"
    assert "QC of bad: ERROR: no spot" in run.text


def test_a_run_without_any_dataset_left_says_why(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "rna.h5ad").touch()
    (tmp_path / "sheet.csv").write_text("dataset,rna\none,rna.h5ad\n")
    (tmp_path / "failing.config").write_text(NO_SPOTS)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "report.html").write_text("of an earlier run")
    run = pipeline.run("-stub-run", "-c", str(tmp_path / "failing.config"), "--input", str(tmp_path / "sheet.csv"))
    assert run.code != 0
    assert "QC of one: ERROR: no spot" in run.text
    assert "The report:" not in run.text
    assert not [task for task in run.tasks("Submitted") if not task.startswith(("INGEST", "QC"))]


def test_where_no_method_is_left_the_control_has_the_say_in_the_number_of_domains(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    for section in ("a", "b"):
        (tmp_path / f"{section}.h5ad").touch()
    rows = [f"{row},{row[-1]}.h5ad" for row in ("single,a", "fine,a", "fine,b", "failing,a", "failing,b")]
    (tmp_path / "sheet.csv").write_text("\n".join(["dataset,section,rna", *rows]))
    (tmp_path / "failing.config").write_text(NO_FUSION)
    options = ("--input", str(tmp_path / "sheet.csv"), "--methods", "spatialfuser", *TO_DOMAINS)
    run = pipeline.run("-stub-run", "-c", str(tmp_path / "failing.config"), *options)
    assert run.code != 0
    tasks = run.tasks("Submitted")
    assert {task for task in tasks if task.startswith("SCAN")} == {
        "SCAN (fine, spatialfuser, seed 1)",
        # It needs several sections.
        "SCAN (single, pca_smooth, seed 1)",
        "SCAN_OTHERS (failing, pca_smooth, seed 1)",
    }
    for name in ("single", "fine", "failing"):
        assert f"CHOOSE ({name})" in tasks and f"EVALUATE ({name}, pca_smooth, seed 1)" in tasks


def test_a_step_that_fails_at_the_end_costs_only_its_file_and_is_listed(pipeline: Pipeline, tmp_path: Path) -> None:
    (tmp_path / "rna.h5ad").touch()
    steps = ("COMPARE", "ASSEMBLE", "REPORT_DATASET", "EXPORT")
    names = [f"no_{step.lower()}" for step in steps]
    (tmp_path / "sheet.csv").write_text("\n".join(["dataset,rna", *(f"{name},rna.h5ad" for name in names)]) + "\n")
    (tmp_path / "failing.config").write_text(AT_THE_END)
    options = ("--input", str(tmp_path / "sheet.csv"), "--methods", "smart", "--n_domains", "4", "--control", "false")
    run = pipeline.run(
        "-stub-run", "-c", str(tmp_path / "failing.config"), *options, "--assess", "false", "--passports", "none"
    )
    assert run.code != 0
    assert (run.results / "report.html").exists()
    texts = {path.name: json.loads(path.read_text()) for path in (tmp_path / "work").rglob("texts/*/[nw]*.json")}
    expected = {(step, name, "ERROR: no luck") for step, name in zip(steps, names, strict=True)}
    # The last of these texts is that of the run; those of datasets have fewer.
    listed = [json.loads(path.read_text()) for path in (tmp_path / "work").rglob("texts/*/failures.json")]
    assert {(one["process"], one["dataset"], one["reason"]) for one in max(listed, key=len)} == expected
    for step, name, reason in expected:
        assert f"{step} of {name}: {reason}" in run.text
    written = {f"{name}/{file}" for name in names for file in ("integrated.h5mu", "report.html")}
    assert set(texts["written.json"]) == written - {"no_assemble/integrated.h5mu", "no_report_dataset/report.html"}
    assert {(notice["process"], notice["task"], notice["notice"]) for notice in texts["notices.json"]} == {
        ("EXPORT", name, "a name is changed") for name in ("no_compare", "no_report_dataset")
    }
