"""Reports in a real browser: no name that a user or a failing task may choose runs anything; all show as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from spatialweave.io.result_tables import AGREEMENT, LEADERBOARD, NOTICES, OVERALL
from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources
from spatialweave.report.run import RunSources, write_run_report

from ..report.browser import browser, wait
from ..report.conftest import make_dataset

__all__ = ["browser", "make_dataset"]

PAYLOADS = {
    "element": "<script>window.hacked = 1</script>",
    "end of script": "</script><script>window.hacked = 2</script>",
    "end of script, other case": "</SCRIPT\t><ScRiPt>window.hacked = 3</sCrIpT>",
    "comment": "<!--<script>window.hacked = 4;//-->",
    "handler": "<img src=x onerror=window.hacked=5>",
    "attribute": '" onmouseover="window.hacked = 6" autofocus onfocus=\'window.hacked = 6\' x="',
    "vector image": "<svg/onload=window.hacked=7>",
    "template": "{{ 7 * 7 }}{% if 1 %}${window.hacked = 8}`",
    "address": "javascript:window.hacked=9",
    "line separators": "\u2028window.hacked = 10\u2029\x85",
    "direction": "\u202e\u200b\ufeff",
    "entities": "&lt;script&gt;&#60;b&#62;&quot;",
    "end of data": "]]>\\u003c/script\\u003e\\",
    "style": "</style><style>*{display:none}</style>",
    "title": "</title></textarea></select>",
}
ALL = " ".join(PAYLOADS.values())


def opened(browser: Any, page: Path, drawn: bool) -> str:
    """Open a page, wait, hover over nothing: its visible text, when nothing ran and nothing complained."""
    browser.get_log("browser")
    browser.get(page.as_uri())
    wait(browser, "document.body.dataset.drawn" if drawn else "document.readyState === 'complete'")
    assert browser.execute_script("return window.hacked === undefined")
    assert browser.get_log("browser") == []
    assert (
        browser.execute_script(
            "return document.querySelectorAll('[onerror], [onload], [onmouseover], svg[onload]').length"
        )
        == 0
    )
    return str(browser.execute_script("return document.body.textContent"))


def test_names_of_a_dataset_run_nothing(
    browser: Any, make_dataset: Callable[..., DatasetSources], tmp_path: Path
) -> None:
    target = tmp_path / "report.html"
    write_dataset_report(make_dataset(prefix=ALL, dataset=ALL, rows=6, columns=6, seeds=(1,)), target)
    opened(browser, target, drawn=True)
    assert browser.execute_script("return document.querySelector('h1').textContent").split() == ALL.split()
    names = browser.execute_script("return [...document.querySelectorAll('#feature-list option')].map((o) => o.value)")
    for name, payload in PAYLOADS.items():
        words = payload.split()
        assert all(any(word in shown for shown in names) for word in words), name
    legend = browser.execute_script(
        "return document.getElementById('compare-legend')?.textContent ?? document.body.textContent"
    )
    assert PAYLOADS["handler"] in legend


@pytest.mark.parametrize("payload", PAYLOADS)
def test_names_of_a_run_run_nothing(browser: Any, payload: str, tmp_path: Path) -> None:
    evil = PAYLOADS[payload]
    runs = {"dataset": evil, "method": evil, "seed": 1, "status": evil, "epochs": 3, "seconds": 1.5, "peak_rss_mb": 9}
    pd.DataFrame([{**runs, "peak_gpu_mb": 0}]).to_csv(tmp_path / "runs.csv", index=False)
    score = {
        "dataset": evil,
        "method": evil,
        "seed": 1,
        "clustering": evil,
        "n_domains": 4,
        "metric": "ari",
        "value": 0.5,
    }
    pd.DataFrame([score, {**score, "metric": evil}]).to_csv(tmp_path / "metrics.csv", index=False)
    failure = dict.fromkeys(("process", "dataset", "method", "reason", "log"), evil) | {"seed": 1, "exit": 1}
    (tmp_path / "failures.json").write_text(json.dumps([failure]))
    (tmp_path / "params.json").write_text(json.dumps({evil: evil, "refine": 1, "outdir": evil}))
    (tmp_path / "versions.yml").write_text(json.dumps({"TRAIN": {evil: evil}}))
    NOTICES.write(tmp_path / "notices.csv", NOTICES.frame([(evil, evil, evil)]))
    (tmp_path / "presets").mkdir()
    texts = dict.fromkeys(("title", "summary", "citation", "doi"), evil) | {"preprocess": "smart", "graph": "spatial"}
    (tmp_path / "presets" / "smart.yml").write_text(json.dumps(texts))
    board = dict.fromkeys(LEADERBOARD.columns, 1) | {"metric": "ari", "starred": True}
    board |= dict.fromkeys(("dataset", "method", "clustering", "basis", "verdict"), evil)
    LEADERBOARD.write(tmp_path / "leaderboard.csv", LEADERBOARD.frame([board]))
    overall = dict.fromkeys(OVERALL.columns, 2) | {"metric": "ari", "method": evil, "verdict": evil}
    OVERALL.write(tmp_path / "overall.csv", OVERALL.frame([overall]))
    AGREEMENT.write(tmp_path / "agreement.csv", AGREEMENT.frame([(evil, evil, 1, evil, 2, 0.5)]))
    (tmp_path / "left_out.json").write_text(json.dumps([dict.fromkeys(("dataset", "method", "reason"), evil)]))
    names = {
        "failures": "failures.json",
        "left_out": "left_out.json",
        "params": "params.json",
        "versions": "versions.yml",
    }
    names |= {name: f"{name}.csv" for name in ("metrics", "runs", "leaderboard", "overall", "agreement", "notices")}
    files = {name: tmp_path / file for name, file in {**names, "presets": "presets"}.items()}
    write_run_report(RunSources(**files), tmp_path / "report.html")
    text = opened(browser, tmp_path / "report.html", drawn=False)
    assert all(word in text for word in evil.split())
    links = browser.execute_script("return [...document.querySelectorAll('a')].map((a) => a.href)")
    assert not any(link.startswith("javascript:") for link in links)
