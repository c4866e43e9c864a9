"""The run report in a real browser."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from spatialweave.comparison.leaderboard import overall
from spatialweave.io.result_tables import AGREEMENT, LEADERBOARD, METRICS, OVERALL, RUNS
from spatialweave.report.run import RunSources, write_run_report

METHODS = {"first": 0.9, "a_method_with_a_rather_long_name": 0.8, "pca_smooth": 0.7}


SECONDS = {"first": 9.0, "a_method_with_a_rather_long_name": 100.0, "pca_smooth": 30.0}
PRESETS = sorted((Path(__file__).resolve().parents[2] / "assets" / "methods").glob("*.yml"))
MANY = {path.stem: round(0.9 - number / 40, 3) for number, path in enumerate(PRESETS[:22])}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets, three methods."""
    return written(tmp_path_factory.mktemp("run"), METHODS, SECONDS)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets, 22 methods."""
    return written(tmp_path_factory.mktemp("large"), MANY, dict.fromkeys(MANY, 9.0))


def written(folder: Path, methods: dict[str, float], seconds: dict[str, float]) -> Path:
    """The report of a run with these scores of methods and seconds of their trainings."""
    runs = [(d, m, s) for d in ("x", "y") for m in methods for s in (1, 2)]
    METRICS.write(folder / "m.csv", METRICS.frame((*run, "mclust", 4, "ari", methods[run[1]]) for run in runs))
    RUNS.write(folder / "r.csv", RUNS.frame((*run, "completed", 5, seconds[run[1]], 900.0, 0.0) for run in runs))
    facts: dict[str, Any] = {
        "metric": "ari", "clustering": "mclust", "seeds": 2, "sd": 0.0, "basis": "spots and seeds", "best_rank": 1,
        "worst_rank": 3, "starred": False, "control_difference": 0.1, "control_low": -0.1, "control_high": 0.3,
        "control_basis": "spots and seeds", "verdict": "indistinguishable from the control", "peak_rss_mb": 900.0,
    }  # fmt: skip
    rows = [
        facts | {"dataset": d, "method": m, "mean": v, "low": v - 0.1, "high": v + 0.1, "seconds": seconds[m]}
        for d in ("x", "y")
        for m, v in methods.items()
    ]
    LEADERBOARD.write(folder / "l.csv", LEADERBOARD.frame(rows))
    OVERALL.write(folder / "o.csv", overall(LEADERBOARD.frame(rows)))
    names = list(methods)
    pairs = [
        (d, one, 1, other, 2, (number + 1) / 100)
        for d in ("x", "y")
        for number, (one, other) in enumerate(pairwise(names))
    ]
    AGREEMENT.write(folder / "a.csv", AGREEMENT.frame(pairs))
    sources = RunSources(folder / "m.csv", folder / "r.csv", folder / "l.csv", folder / "o.csv", folder / "a.csv")
    write_run_report(sources, folder / "report.html")
    return folder / "report.html"


def column(browser: Any, number: int) -> list[str]:
    rows = "[...document.querySelector('table.leaders').tBodies[0].rows]"
    return list(browser.execute_script(f"return {rows}.map((r) => r.cells[arguments[0]].innerText)", number))


def test_tables_sort_by_a_click_and_by_the_keyboard(browser: Any, report: Path) -> None:
    browser.get(report.as_uri())
    assert browser.get_log("browser") == []
    assert column(browser, 1) == ["0.900", "0.800", "0.700"]
    heads = browser.find_elements("css selector", "table.leaders thead th button")[:9]
    assert len(heads) == 9 and all(head.accessible_name for head in heads)
    browser.execute_script("arguments[0].click()", heads[1])
    assert column(browser, 1) == ["0.700", "0.800", "0.900"]
    # Seconds are sorted as numbers, not by their text.
    heads[7].send_keys("\ue007")
    assert column(browser, 7) == ["9.0 s", "30 s", "1 min 40 s"]
    heads[7].send_keys("\ue007")
    assert column(browser, 7) == ["1 min 40 s", "30 s", "9.0 s"]
    sorted_heads = browser.find_elements("css selector", "table.leaders thead [aria-sort]")
    assert [head.get_attribute("aria-sort") for head in sorted_heads[:1]] == ["descending"]
    assert (
        sorted_heads[0].aria_role == "columnheader" and sorted_heads[0].find_element("tag name", "button") == heads[7]
    )


def test_numbers_are_sorted_as_they_are_written(browser: Any, report: Path) -> None:
    """With a minus sign, narrow spaces between thousands, and powers of ten."""
    browser.get(report.as_uri())
    written = ["1\u202f234", "4.0e\u221204", "\u22120.100"]
    rows = "[...document.querySelector('table.leaders').tBodies[0].rows]"
    browser.execute_script(f"{rows}.forEach((r, i) => {{ r.cells[1].innerText = arguments[0][i]; }})", written)
    head = browser.find_element("css selector", "table.leaders thead th:nth-child(2) button")
    browser.execute_script("arguments[0].click()", head)
    assert column(browser, 1) == written[::-1]


def test_by_the_keyboard_every_table_can_be_scrolled(browser: Any, report: Path) -> None:
    browser.get(report.as_uri())
    boxes = browser.find_elements("css selector", ".scroll")
    assert len(boxes) > 5
    for box in boxes:
        assert box.get_attribute("tabindex") == "0" and box.aria_role == "region" and box.get_attribute("aria-label")


@pytest.mark.parametrize("width", [1280, 1440])
def test_no_table_is_wider_than_the_page(browser: Any, report: Path, width: int) -> None:
    browser.set_window_size(width, 1000)
    browser.get(report.as_uri())
    hidden = "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"
    assert browser.execute_script(f"return {hidden}") == 0
    assert browser.execute_script("return document.documentElement.scrollWidth <= window.innerWidth")


def test_on_paper_a_wide_table_is_printed_in_parts_and_loses_nothing(browser: Any, large: Path) -> None:
    browser.set_window_size(1280, 1000)
    browser.get(large.as_uri())
    tables = "[...document.querySelectorAll('.scroll > table')].filter((one) => one.offsetParent)"
    cells = "(one) => [...one.rows].map((row) => [...row.cells].map((cell) => cell.textContent))"
    before = browser.execute_script(f"return {tables}.map({cells})")
    assert max(len(table[0]) for table in before) == 23
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": 688, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    )
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    right = browser.execute_script(f"return {tables}.map((one) => one.getBoundingClientRect().right)")
    assert max(right) <= 688
    printed = iter(browser.execute_script(f"return {tables}.map({cells})"))
    for table in before:
        whole = next(printed)
        while len(whole[0]) < len(table[0]):
            whole = [[*row, *more[1:]] for row, more in zip(whole, next(printed), strict=True)]
        assert whole == table
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert browser.execute_script(f"return {tables}.map({cells})") == before
