"""Tables for MultiQC: their header, and what MultiQC makes of them where it is installed."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from spatialweave.io.result_tables import LEADERBOARD, METRICS, NOTICES, OVERALL, QC_SUMMARY, RUNS
from spatialweave.metrics.metric_list import KEY_METRICS
from spatialweave.report import multiqc


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Every table, of two runs of which one failed."""
    metrics = METRICS.frame([("d", "smart", 1, "mclust", 4, "ari", 0.5), ("d", "smart", 1, "mclust", 4, "pas", 0.25)])
    runs = [("d", "smart", 1, "completed", 7, 1.5, 100.0, 0.0), ("d", "spamo", 1, "failed", None, None, None, None)]
    board = (
        "d",
        "smart",
        "ari",
        "mclust",
        1,
        0.5,
        None,
        0.4,
        0.6,
        "spots",
        None,
        None,
        None,
        "none",
        1,
        1,
        False,
        "no control",
        1,
        1,
    )
    checks = [
        ("s", "rna", "spots", "any", None, 100, 4, 4.0, 96),
        ("s", "rna", "spots", "min_counts", 1, 100, 4, 4.0, 96),
        ("s", "rna", "features", "min_spots", 3, 50, 45, 90.0, 5),
    ]
    multiqc.write_metrics(tmp_path / "metrics_mqc.tsv", metrics, KEY_METRICS)
    multiqc.write_resources(tmp_path / "resources_mqc.tsv", RUNS.frame(runs))
    multiqc.write_leaderboard(tmp_path / "leaderboard_mqc.tsv", LEADERBOARD.frame([board]), "ari")
    overall = [("ari", "smart", 2, 2, 0.5, 1.0, 1.0, 1.0, 0.1, None, None, "no control", 0, 0, 0, 1.0)]
    overall.append(("ari", "spamo", 1, 2, *[None] * 7, "no control", 0, 0, 0, 1.0))
    multiqc.write_overall(tmp_path / "overall_mqc.tsv", OVERALL.frame(overall), "ari")
    notices = NOTICES.frame([("QC", "d/s", "tab\there\nand: a 'break'"), ("QC", "d/s", "# second")])
    multiqc.write_notices(tmp_path / "notices_mqc.tsv", notices)
    for section in ("s", "t"):
        summary = QC_SUMMARY.frame([(section, *check[1:]) for check in checks])
        multiqc.write_qc(tmp_path / f"{section}.qc_mqc.tsv", "d", summary)
    return tmp_path


def read(path: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Header and rows, as MultiQC's documentation describes them."""
    lines = path.read_text().splitlines()
    header = [line.removeprefix("#") for line in lines if line.startswith("#")]
    return yaml.safe_load("\n".join(header)), list(csv.DictReader(lines[len(header) :], delimiter="\t"))


def test_headers_declare_every_column(folder: Path) -> None:
    for path in folder.iterdir():
        header, rows = read(path)
        assert header["plot_type"] == "table"
        assert header["id"].startswith("spatialweave_")
        assert header["id"] != header["pconfig"]["id"]
        first, *columns = rows[0]
        assert first == "of"
        assert set(columns) == set(header["headers"])
        # Rows of a name would replace each other.
        assert len({row["of"] for row in rows}) == len(rows)


def test_cells_are_those_of_the_tables(folder: Path) -> None:
    assert read(folder / "metrics_mqc.tsv")[1] == [
        {"of": "d smart seed 1", "n_domains": "4", "ari": "0.5", "pas": "0.25"}
    ]
    resources = read(folder / "resources_mqc.tsv")[1]
    assert [(row["of"], row["status"], row["seconds"]) for row in resources] == [
        ("d smart seed 1", "completed", "1.5"),
        ("d spamo seed 1", "failed", ""),
    ]
    # A method that lacks a dataset has neither mean nor rank.
    assert [
        (row["of"], row["datasets"], row["mean"], row["mean_rank"]) for row in read(folder / "overall_mqc.tsv")[1]
    ] == [
        ("smart", "2", "0.5", "1.0"),
        ("spamo", "1", "", ""),
    ]
    # One line each, whatever is in them.
    assert [row["notice"] for row in read(folder / "notices_mqc.tsv")[1]] == ["tab here and: a 'break'", "# second"]
    assert read(folder / "s.qc_mqc.tsv")[1] == [
        {"of": "d s rna spots", "n_before": "100", "n_failed": "4", "percent_failed": "4.0", "n_after": "96"},
        {"of": "d s rna features", "n_before": "50", "n_failed": "45", "percent_failed": "90.0", "n_after": "5"},
    ]


def test_multiqc_shows_them(folder: Path, tmp_path: Path) -> None:
    program = shutil.which("multiqc")
    if program is None:
        pytest.skip("no multiqc on PATH")
    command = [program, str(folder), "--outdir", str(tmp_path / "out"), "--no-version-check", "--data-format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    data = json.loads((tmp_path / "out" / "multiqc_data" / "multiqc_data.json").read_text())["report_saved_raw_data"]
    tables = {name.removeprefix("multiqc_spatialweave_").removesuffix("_table"): rows for name, rows in data.items()}
    assert set(tables) >= {"metrics", "resources", "leaderboard", "notices", "qc"}
    assert tables["metrics"]["d smart seed 1"]["ari"] == 0.5
    # The sections have files of their own, and one table.
    assert set(tables["qc"]) == {f"d {section} rna {unit}" for section in "st" for unit in ("spots", "features")}
    assert tables["notices"]["2: d/s"]["notice"] == "# second"
