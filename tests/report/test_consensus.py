"""The consensus in the dataset's report: when it is shown first, its table by hand, its map in a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spatialweave.io.embeddings import write_embedding
from spatialweave.io.result_tables import WOVEN
from spatialweave.report.consensus import consensus_table
from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources
from spatialweave.results.first_run import shown_first
from spatialweave.results.runs import MethodRun
from spatialweave.weave import weave

from .browser import choose, wait
from .page import dataset_page

METHODS = ("smart", "spamo", "spamca", "pca_smooth")


def woven(sources: DatasetSources, methods: tuple[str, ...]) -> DatasetSources:
    """Add the consensus of the runs of these methods to the files of a dataset."""
    assert sources.files is not None
    files = [path for method in methods for path in sorted(sources.files.glob(f"{method}.seed*.domains.csv"))]
    found = weave(files, sources.latents[0], 4, seed=1)
    write_embedding(sources.files / "weave.seed1.h5ad", found.dataset, found.embedding, found.record, found.per_spot)
    WOVEN.write(sources.files / "weave.seed1.domains.csv", found.table)
    return sources


@pytest.fixture(scope="module")
def sources(make_dataset: Callable[..., DatasetSources]) -> DatasetSources:
    """A dataset with the consensus of three methods; the control is no member."""
    return woven(make_dataset(methods=METHODS), METHODS[:3])


def by_hand() -> MethodRun:
    """Six spots in two domains; two runs of one method and one of another."""
    matched = pd.DataFrame(
        {"a_b.seed1": [1, 1, 1, 2, 2, 2], "a_b.seed2": [1, 1, 2, 2, 2, 0], "c.seed1": [1, 1, 1, 1, 2, 2]}
    )
    confidence = pd.DataFrame({"confidence": [1.0, 0.9, 0.6, 0.4, 0.8, 0.3]})
    support = pd.DataFrame({"1": [1.0, 0.9, 0.6, 0.6, 0.2, 0.7], "2": [0.0, 0.1, 0.4, 0.4, 0.8, 0.3]})
    extras = {"confidence": confidence, "support": support}
    return MethodRun("weave", 1, domains=np.array([1, 1, 1, 2, 2, 2]), extras=extras, matched_runs=matched)


def test_table_by_hand() -> None:
    table = consensus_table([by_hand()], {"a_b": "Method A"})
    assert table is not None
    assert table.header == ["domain", "spots", "confidence", "below 0.5, %", "else", "Method A, %", "c, %"]
    assert table.rows == [
        ["1", "3", "0.833", "0.0", "2", "83.3", "100.0"],
        ["2", "3", "0.500", "66.7", "1", "83.3", "66.7"],
        ["all", "6", "0.667", "33.3", "", "83.3", "83.3"],
    ]


def test_it_is_shown_first_from_three_methods_on() -> None:
    run = by_hand()
    assert shown_first([run]) is None
    assert run.matched_runs is not None
    run.matched_runs["d.seed1"] = 1
    best = shown_first([MethodRun("a_b", 1, domains=np.array([1, 1, 1, 2, 2, 2])), run])
    assert best is not None and (best.method, best.seed, best.by_labels) == ("weave", 1, False)
    assert best.why == "the domains that 4 runs of 3 methods have in common"
    # A consensus whose file is lost is none.
    run.matched_runs = None
    assert shown_first([run]) is None and consensus_table([run], {}) is None


@pytest.mark.usefixtures("fast_umap")
def test_page_says_what_it_is_and_counts_it_as_no_method(sources: DatasetSources, tmp_path: Path) -> None:
    page = dataset_page(sources, tmp_path)
    assert "Shown first: weave (consensus): the domains that 6 runs of 3 methods have in common" in page.text
    assert "used the labels" not in page.text
    assert "of 4 methods" in page.text and "weave was run with seed" not in page.text
    assert "joined into a consensus (weave)" in page.text
    header = next(row for row in page.rows if row[0] == "domain" and "confidence" in row)
    assert header[5:] == ["SMART, %", "spamo, %", "spamca, %"]


@pytest.mark.usefixtures("fast_umap")
def test_two_methods_leave_the_best_run_first(make_dataset: Callable[..., DatasetSources], tmp_path: Path) -> None:
    page = dataset_page(woven(make_dataset(methods=METHODS[:2]), METHODS[:2]), tmp_path)
    assert "Shown first: SMART" in page.text
    assert any(row[0] == "domain" and "confidence" in row for row in page.rows)


def test_confidence_is_the_map_beside_the_domains(browser: Any, sources: DatasetSources, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    write_dataset_report(sources, target)
    browser.get_log("browser")
    browser.get(target.as_uri())
    wait(browser, "document.body.dataset.drawn")
    title = "return document.getElementById('compare-title').textContent"
    assert browser.execute_script(title) == "Confidence of weave (consensus)"
    assert sources.files is not None
    table = WOVEN.read(sources.files / "weave.seed1.domains.csv")
    drawn = browser.execute_script("return Array.from(plots.compare.shown.codes)")
    # Colours have 254 steps from 0 to 1.
    assert np.sort(drawn) / 254 == pytest.approx(np.sort(table["confidence"]), abs=0.5 / 254 + 1e-4)
    # The UMAP has the same scale.
    choose(browser, "colour-select", 1)
    assert browser.execute_script("return Array.from(plots.umap.shown.codes)") == drawn
    assert browser.execute_script("return plots.umap.shown.looks[254].colour") == "#fde725"
    assert browser.execute_script("return plots.umap.legend.scale.top") == 1
    choose(browser, "colour-select", 0)
    choose(browser, "compare-select", 0)
    assert browser.execute_script(title) == "Labels given"
    choose(browser, "run-select", 0)
    assert browser.get_log("browser") == []
