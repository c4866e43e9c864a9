"""The page of the whole run."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from spatialweave import __version__
from spatialweave.comparison.leaderboard import overall
from spatialweave.io.result_tables import AGREEMENT, LEADERBOARD, METRICS, NOTICES, OVERALL, RUNS
from spatialweave.report.dataset_results import DatasetSources
from spatialweave.report.run import RunSources, write_run_report

from .page import EVIL, Page, loads_nothing

RECORD = {"started": "2026-11-26T14:12:00+01:00", "command": f"nextflow run . {EVIL}", "commit": None}
"""What the workflow tells of a run."""


def test_run_report(sources: DatasetSources, tmp_path: Path) -> None:
    metrics, runs, versions = (tmp_path / name for name in ("metrics.csv", "runs.csv", "versions.yml"))
    versions.write_text("python: 3.11.9\nscipy: 1.13.0\n")
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
    leaderboard, agreement, left_out = (tmp_path / name for name in ("leaderboard.csv", "agreement.csv", "left.json"))
    scores = table.query("metric == 'ari'").groupby("method")["value"].agg(["mean", "std"])
    LEADERBOARD.write(leaderboard, leaders(scores["mean"].to_dict()))
    pairs = [("smart", 1, "smart", 2, 0.25), ("pca_smooth", 1, "smart", 1, 0.5), ("pca_smooth", 1, "smart", 2, 0.7)]
    AGREEMENT.write(agreement, AGREEMENT.frame([("demo", *pair) for pair in pairs]))
    left_out.write_text(
        json.dumps([{"dataset": f"a b{EVIL}", "method": "smart_ms", "reason": "needs several sections"}])
    )
    write_run_report(
        RunSources(
            metrics=metrics,
            runs=runs,
            leaderboard=leaderboard,
            agreement=agreement,
            presets=sources.presets,
            failures=sources.failures,
            left_out=left_out,
            params=sources.params,
            versions=versions,
            run_record=base64.b64encode(json.dumps(RECORD).encode()).decode(),
            notices=notices,
        ),
        tmp_path / "report.html",
    )
    page = Page(tmp_path / "report.html")
    assert f"smart_ms on a b{EVIL}: needs several sections" in page.text
    assert ["INGEST", "demo/demo", f"3 spots are outside the tissue {EVIL}"] in page.rows
    assert loads_nothing(page)
    assert f"spatialweave {__version__}, run of 2026-11-26" in page.text
    assert ["command", " ".join(RECORD["command"].split())] in page.rows
    assert ["scipy", "1.13.0"] in page.rows
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert "demo/report.html" in links
    assert any(link.startswith("a%20b%3Cscript") for link in links)
    board = [row for row in page.rows if len(row) == 9 and row[0] in ("SMART", "pca_smooth", "spamo")]
    assert [row[0] for row in board] == ["SMART", "pca_smooth", "spamo"]
    assert [float(row[1]) for row in board[:2]] == pytest.approx(scores.loc[["smart", "pca_smooth"], "mean"], abs=6e-4)
    assert [" ".join(cell.split()) for cell in board[0][2:6]] == [
        "0.800 to 0.900", "1 to 2", "+0.100 −0.050 to +0.250", "indistinguishable from the control",
    ]  # fmt: skip
    assert [cell.strip() for cell in board[1][3:6]] == ["1 to 2", "–", "the control"]
    # Agreement: SMART's seeds with each other, the mean of both pairs with the control, which has one run.
    heat = [[cell.strip() for cell in row] for row in page.rows if len(row) == 3]
    assert ["SMART", "0.250", "0.600"] in heat
    assert ["pca_smooth", "0.600", "–"] in heat
    # Two seeds, mean time and largest memory: of SMART 512 and 700 MB.
    assert [cell.strip() for cell in board[0][-3:]] == ["2", "12 s", "700 MB"]
    assert "0 of 1" in board[2][-3]
    assert "Du et al. SMART. 2026." in page.text


def leaders(means: dict[str, float]) -> pd.DataFrame:
    """Two methods that cannot be told apart."""
    facts: dict[str, Any] = {
        "dataset": "demo", "metric": "ari", "clustering": "mclust", "seeds": 2, "sd": 0.1, "low": 0.8, "high": 0.9,
        "basis": "spots and seeds", "best_rank": 1, "worst_rank": 2, "starred": False, "seconds": 12.0,
        "peak_rss_mb": 512.0,
    }  # fmt: skip
    same = {"control_difference": 0.1, "control_low": -0.05, "control_high": 0.25, "control_basis": "spots and seeds"}
    verdicts = {"pca_smooth": {"verdict": "the control", "control_basis": "none"}}
    other = {"verdict": "indistinguishable from the control"} | same
    return LEADERBOARD.frame(facts | {"method": m, "mean": v} | verdicts.get(m, other) for m, v in means.items())


def test_the_best_of_equal_methods_has_no_star(sources: DatasetSources, tmp_path: Path) -> None:
    assert sources.files is not None
    metrics, runs, board = (tmp_path / name for name in ("metrics.csv", "runs.csv", "leaderboard.csv"))
    METRICS.write(metrics, METRICS.read_all(sorted(sources.files.glob("*.metrics.csv"))))
    RUNS.write(runs, RUNS.frame([("demo", "smart", 1, "completed", 1, 1.0, 1.0, 0.0)]))
    for starred in (False, True):
        table = leaders({"smart": 0.923, "pca_smooth": 0.923})
        LEADERBOARD.write(board, table.assign(starred=[starred, False]))
        write_run_report(RunSources(metrics=metrics, runs=runs, leaderboard=board), tmp_path / "report.html")
        stars = [
            attrs
            for tag, attrs in Page(tmp_path / "report.html").tags
            if tag == "td" and "best" in attrs.get("class", "").split()
        ]
        assert len(stars) == starred


def report_over_datasets(board: pd.DataFrame, metrics: Iterable[tuple[str, str]], folder: Path) -> Page:
    """The page of a run with this leaderboard, and with metrics of these datasets and methods."""
    METRICS.write(folder / "m.csv", METRICS.frame([(d, m, 1, "mclust", 3, "ari", 0.5) for d, m in metrics]))
    RUNS.write(folder / "r.csv", RUNS.frame([(d, "smart", 1, "completed", 1, 90.0, 1.0, 0.0) for d in "xy"]))
    LEADERBOARD.write(folder / "l.csv", board)
    OVERALL.write(folder / "o.csv", overall(LEADERBOARD.read(folder / "l.csv")))
    sources = RunSources(
        metrics=folder / "m.csv", runs=folder / "r.csv", leaderboard=folder / "l.csv", overall=folder / "o.csv"
    )
    write_run_report(sources, folder / "report.html")
    return Page(folder / "report.html")


def test_over_several_datasets(tmp_path: Path) -> None:
    board = pd.concat([leaders({"smart": mean}).assign(dataset=d) for d, mean in (("x", 0.5), ("y", 0.7))])
    board = board.assign(best_rank=1, worst_rank=1, seconds=90.0, control_difference=None, verdict="no control")
    page = report_over_datasets(board, [("x", "smart"), ("y", "smart")], tmp_path)
    (row,) = [[" ".join(cell.split()) for cell in row] for row in page.rows if row[0] == "smart" and len(row) == 10]
    assert row == ["smart", "2", "0.600", "1.0 1.0 to 1.0", "–", "no control", "0", "0", "0", "1 min 30 s"]
    # The one chart has the mean of both.
    assert "smart: 0.600 in 1 min 30 s" in (tmp_path / "report.html").read_text()


def test_a_method_that_lacks_a_dataset_is_flagged_and_the_consensus_is_one_run(tmp_path: Path) -> None:
    parts = [("x", "smart", 0.5), ("y", "smart", 0.4), ("x", "spamo", 0.9), ("x", "weave", 0.6), ("y", "weave", 0.5)]
    board = pd.concat([leaders({method: mean}).assign(dataset=d) for d, method, mean in parts])
    page = report_over_datasets(board, [("x", "smart"), ("x", "weave")], tmp_path)
    rows = {row[0]: row for row in page.rows if len(row) == 10}
    assert rows["spamo"][1:4] == ["1 of 2", "–", "–"]
    assert rows["smart"][1:3] == ["2", "0.450"]
    assert "A method without a result on some of the datasets has neither mean nor rank" in " ".join(page.text.split())
    assert "weave (consensus) is one run: its intervals are over spots only" in page.text


def test_run_report_of_nothing(tmp_path: Path) -> None:
    METRICS.write(tmp_path / "metrics.csv", METRICS.frame([]))
    RUNS.write(tmp_path / "runs.csv", RUNS.frame([]))
    write_run_report(RunSources(metrics=tmp_path / "metrics.csv", runs=tmp_path / "runs.csv"), tmp_path / "report.html")
    assert "No run has a result" in Page(tmp_path / "report.html").text
