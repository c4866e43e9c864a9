"""The report of a dataset does not wait for another one, and the console tells results as they come. By stubs."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Pipeline

SLOW = """
executor {
    cpus   = 64
    memory = 1.TB
}
process {
    withName: TRAIN {
        beforeScript = {
            meta.dataset == 'slow' ? 'for i in {1..90}; do [ -e "@REPORT@" ] && break; sleep 1; done' : ''
        }
    }
}
"""
"""Trainings of one dataset wait for the report of the other, for a minute and a half. No task waits for a CPU."""


@pytest.mark.parametrize(
    ("sections", "arguments"),
    [
        (1, ["--methods", "smart,spamo", "--seeds", "2"]),
        (1, ["--methods", "smart", "--assess", "false", "--control", "false"]),
        (1, ["--methods", "spamca", "--n_domains", "auto"]),
        (3, ["--methods", "smart,smart_ms", "--align", "true"]),
    ],
    ids=["several runs", "one run", "number to be chosen", "aligned sections"],
)
def test_a_finished_dataset_is_reported_while_another_one_trains(
    pipeline: Pipeline, tmp_path: Path, sections: int, arguments: list[str]
) -> None:
    rows = [f"{dataset},s{number},rna.h5ad" for dataset in ("quick", "slow") for number in range(sections)]
    (tmp_path / "rna.h5ad").touch()
    (tmp_path / "sheet.csv").write_text("\n".join(["dataset,section,rna", *rows]))
    (tmp_path / "slow.config").write_text(SLOW.replace("@REPORT@", str(pipeline.results / "quick" / "report.html")))
    number = [] if "--n_domains" in arguments else ["--n_domains", "4"]
    run = pipeline.run(
        "-stub-run", "-c", str(tmp_path / "slow.config"), "--input", str(tmp_path / "sheet.csv"), *arguments, *number
    )
    assert run.code == 0, run.text
    lines = run.text.splitlines()
    # One report each: a wrong count of files would make several, or wait for the end of the run.
    reports = [line for line in lines if "REPORT_DATASET" in line and "Submitted" in line]
    assert sorted(line.split("REPORT_DATASET ")[1] for line in reports) == ["(quick)", "(slow)"]
    ready = next(index for index, line in enumerate(lines) if line.startswith("quick: the report is ready: "))
    clustered = min(index for index, line in enumerate(lines) if "CLUSTER (slow" in line or "SCAN (slow" in line)
    assert ready < clustered
