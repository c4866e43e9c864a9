"""The report of a dataset does not wait for another one, and the console tells results as they come. By stubs."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Pipeline

SLOW = """
process {
    withName: TRAIN {
        beforeScript = {
            def report = 'timeout 200 sh -c "until [ -e @REPORT@ ]; do sleep 1; done" || true'
            meta.dataset == 'slow' && meta.id == '@RUN@' ? report : ''
        }
    }
}
"""
"""One training of one dataset waits for the report of the other, for some minutes at most."""


@pytest.mark.parametrize(
    ("sections", "arguments"),
    [
        (1, ["--methods", "smart", "--seeds", "2", "--assess", "false", "--control", "false"]),
        (1, ["--methods", "spamca", "--n_domains", "3..6"]),
        (3, ["--methods", "smart,smart_ms", "--align", "true"]),
        (1, ["--methods", "smart,spamo,smart_paper", "--seeds", "2", "--max_memory", "1.GB"]),
    ],
    ids=["no verdict", "number to be chosen", "aligned sections", "several runs, and a method that is too large"],
)
def test_a_finished_dataset_is_reported_while_another_one_trains(
    pipeline: Pipeline, tmp_path: Path, sections: int, arguments: list[str]
) -> None:
    rows = [f"{dataset},s{number},{number}.h5ad" for dataset in ("quick", "slow") for number in range(sections)]
    for number in range(sections):
        (tmp_path / f"{number}.h5ad").touch()
    (tmp_path / "sheet.csv").write_text("\n".join(["dataset,section,rna", *rows]))
    method = arguments[1].split(",")[0]
    slow = SLOW.replace("@REPORT@", str(pipeline.results / "quick" / "report.html")).replace("@RUN@", f"{method}.seed1")
    (tmp_path / "slow.config").write_text(slow)
    n_domains = [] if "--n_domains" in arguments else ["--n_domains", "4"]
    run = pipeline.run(
        "-stub-run", "-c", str(tmp_path / "slow.config"), "--input", str(tmp_path / "sheet.csv"), *arguments, *n_domains
    )
    assert run.code == 0, run.text
    lines = run.text.splitlines()
    # One report each: a wrong count of files would make several, or wait for the end of the run.
    reports = [line for line in lines if "REPORT_DATASET" in line and "Submitted" in line]
    assert sorted(line.split("REPORT_DATASET ")[1] for line in reports) == ["(quick)", "(slow)"]
    ready = next(index for index, line in enumerate(lines) if line.startswith("quick: the report is ready: "))
    step = "SCAN" if "3..6" in arguments else "CLUSTER"
    trained = next(index for index, line in enumerate(lines) if f"{step} (slow, {method}, seed 1)" in line)
    assert ready < trained
