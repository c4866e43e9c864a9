"""The number of domains in the dataset's report: its curves in pixels by hand, and what the page says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spatialweave.io.result_tables import NUMBERS
from spatialweave.report.dataset import DatasetSources
from spatialweave.report.numbers import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, number_of_domains

from .page import dataset_page


def write(folder: Path, stability: dict[str, dict[int, float]]) -> None:
    rows = [("demo", m, 1, k, "stability", v) for m, own in stability.items() for k, v in own.items()]
    rows += [("demo", m, 1, k, "bic", 10.0 * k) for m, own in stability.items() for k in own]
    NUMBERS.write(folder / "n_domains.csv", NUMBERS.frame(rows))


def test_curves_by_hand(tmp_path: Path) -> None:
    write(tmp_path, {"smart": {2: 0.5, 3: 1.0, 4: 0.0}, "spamo": {2: 0.5, 3: 0.5, 4: 0.0}})
    found = number_of_domains(tmp_path, {"smart": "SMART"})
    assert found is not None and found.choice.number == 3
    middle, right, top, bottom = LEFT + (WIDTH - LEFT - RIGHT) / 2, WIDTH - RIGHT, TOP, HEIGHT - BOTTOM
    half = (top + bottom) / 2
    assert [curve.name for curve in found.curves] == ["SMART", "spamo"]
    assert found.curves[0].points == f"{LEFT:.1f},{half} {middle:.1f},{top:.1f} {right:.1f},{bottom:.1f}"
    assert found.chosen == middle
    assert found.table.header == ["domains", "stability", "adjacent", "silhouette", "davies bouldin", "bic", "icl"]
    assert found.table.rows[0] == [2, 0.5, None, None, None, 20.0, None]


def test_without_a_choice_there_is_no_section(tmp_path: Path) -> None:
    assert number_of_domains(tmp_path, {}) is None
    (tmp_path / "n_domains.csv").touch()
    assert number_of_domains(tmp_path, {}) is None
    assert number_of_domains(None, {}) is None


@pytest.mark.usefixtures("fast_umap")
@pytest.mark.parametrize("at_the_end", [False, True])
def test_the_page_names_the_choice(
    make_dataset: Callable[..., DatasetSources], tmp_path: Path, at_the_end: bool
) -> None:
    sources = make_dataset()
    assert sources.files is not None
    write(sources.files, {"smart": {2: 0.6, 3: 0.5, 4: 0.9, **({} if at_the_end else {5: 0.4})}})
    text = dataset_page(sources, tmp_path).text
    assert "4 domains were chosen" in text
    assert "The runner-up is 2 (0.600)" in text
    assert ("The choice is at the end of the numbers tried" in text) == at_the_end
