"""What a report says beside its maps, which depends on what they show, in a real browser."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources

from .test_consensus import METHODS, woven

SAMPLE = 100


@pytest.fixture(scope="module")
def report(make_dataset: Callable[..., DatasetSources], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A consensus beside its runs, without labels, and UMAPs of a sample."""
    target = tmp_path_factory.mktemp("report") / "report.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("spatialweave.report.projection.MAX_SPOTS", SAMPLE)
        write_dataset_report(woven(make_dataset(methods=METHODS, labels=False), METHODS[:3]), target)
    return target


def counts_in_picture(page: Any, name: str) -> list[int]:
    """The numbers of spots in the legend of a saved picture."""
    text = page.execute_script(f"return panelPicture(plots.{name}).textContent")
    return [int(count) for count in re.findall(r"\((\d+) spots\)", text)]


def test_a_sample_on_the_umap_says_so_and_its_legend_counts_it(page: Any) -> None:
    assert f"A random {SAMPLE} of 144 spots." in page.find_element("id", "umap").find_element("xpath", "..").text
    drawn = page.execute_script("return [...plots.umap.shown.rows].map((row) => current.codes.main[row])")
    assert len(drawn) == SAMPLE
    assert counts_in_picture(page, "umap") == [drawn.count(code) for code in range(4)]
    assert sum(counts_in_picture(page, "map")) == 144
    # A hidden domain is not in the legend.
    page.execute_script("state.hidden.main.add(0); drawUmap()")
    assert counts_in_picture(page, "umap") == [drawn.count(code) for code in range(1, 4)]
    page.execute_script("state.hidden.main.clear(); drawUmap()")
    assert page.get_log("browser") == []
