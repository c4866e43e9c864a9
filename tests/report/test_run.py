"""The page of the whole run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from spatialweave.io.result_tables import METRICS, NOTICES, RUNS
from spatialweave.report.dataset import DatasetSources
from spatialweave.report.run import RunSources, write_run_report

from .page import EVIL, Page, loads_nothing


def test_run_report(sources: DatasetSources, tmp_path: Path) -> None:
    metrics, runs = tmp_path / "metrics.csv", tmp_path / "runs.csv"
    assert sources.files is not None
    table = METRICS.read_all(sorted(sources.files.glob("*.metrics.csv")))
    unlabelled = table[table["metric"] != "ari"].assign(dataset=f"a b{EVIL}")
    pd.concat([table, unlabelled]).to_csv(metrics, index=False)
    rows: list[tuple[Any, ...]] = [
        (d, m, s, "completed", 50, 12.0, 700.0 if (m, s) == ("smart", 1) else 512.0, 0.0)
        for d in ("demo", f"a b{EVIL}")
        for m in ("smart", "pca_smooth")
        for s in (1, 2)
    ]
    rows.append(("demo", "spamo", 1, "failed", None, None, None, None))
    RUNS.write(runs, RUNS.frame(rows))
    notices = tmp_path / "notices.csv"
    NOTICES.write(notices, NOTICES.frame([("INGEST", "demo/demo", f"3 spots are outside the tissue {EVIL}")]))
    write_run_report(
        RunSources(metrics, runs, sources.presets, sources.failures, sources.params, sources.versions, notices),
        tmp_path / "report.html",
    )
    page = Page(tmp_path / "report.html")
    assert ["INGEST", "demo/demo", f"3 spots are outside the tissue {EVIL}"] in page.rows
    assert loads_nothing(page)
    assert not page.scripts
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert "demo/report.html" in links
    assert any(link.startswith("a%20b%3Cscript") for link in links)
    board = [row for row in page.rows if len(row) == 9 and row[0] in ("SMART", "pca_smooth", "spamo")]
    assert [row[0] for row in board] == ["SMART", "pca_smooth", "spamo"]
    assert [float(part) for part in board[0][1].split(" ± ")] == pytest.approx(
        table.query("method == 'smart' and metric == 'ari'")["value"].agg(["mean", "std"]).tolist(), abs=6e-4
    )
    # Two seeds, mean time and largest memory: of SMART 512 and 700 MB.
    assert [cell.strip() for cell in board[0][-3:]] == ["2", "12 s", "700 MB"]
    assert "0 of 1" in board[2][-3]
    assert "Du et al. SMART. 2026." in page.text


def test_run_report_of_nothing(tmp_path: Path) -> None:
    METRICS.write(tmp_path / "metrics.csv", METRICS.frame([]))
    RUNS.write(tmp_path / "runs.csv", RUNS.frame([]))
    write_run_report(RunSources(tmp_path / "metrics.csv", tmp_path / "runs.csv"), tmp_path / "report.html")
    assert "No run has a result" in Page(tmp_path / "report.html").text
