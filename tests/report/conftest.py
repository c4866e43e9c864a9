"""Fixtures of the reports' tests: made-up datasets and a browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import mudata
import numpy as np
import pytest

from spatialweave.report.dataset_results import DatasetSources

from .browser import browser, wait
from .dataset_files import write_dataset
from .recipe import Recipe

__all__ = ["browser"]

matplotlib.use("Agg")
mudata.set_options(pull_on_update=False)


@pytest.fixture(scope="session")
def make_dataset(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., DatasetSources]:
    """A function that writes a made-up dataset (fields of `Recipe`) and returns where its files are."""

    def make(**changes: Any) -> DatasetSources:
        return write_dataset(tmp_path_factory.mktemp("dataset"), Recipe(**changes))

    return make


@pytest.fixture(scope="session")
def sources(make_dataset: Callable[..., DatasetSources]) -> DatasetSources:
    """One such dataset. Do not change its files."""
    return make_dataset()


@pytest.fixture
def fast_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    """UMAP has a test of its own; elsewhere the first two dimensions replace it."""
    monkeypatch.setattr("spatialweave.report.page_data.project", lambda points: np.asarray(points[:, :2]))


@pytest.fixture
def page(browser: Any, report: Path) -> Any:
    """The browser with the test module's `report` open and drawn."""
    browser.get_log("browser")
    browser.get(report.as_uri())
    wait(browser, "document.body.dataset.drawn")
    return browser
