"""The number of domains in the dataset's report: its curves in pixels by hand, and what the page says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spatialweave.io.result_tables import NUMBERS
from spatialweave.report.dataset_results import DatasetSources
from spatialweave.report.numbers import BOTTOM, LARGE, LEFT, RIGHT, TOP, number_of_domains

from .page import dataset_page


def write(folder: Path, stability: dict[str, dict[int, float]]) -> None:
    rows = [("demo", m, 1, k, "stability", v) for m, own in stability.items() for k, v in own.items()]
    rows += [("demo", m, 1, k, "bic", 10.0 * k) for m, own in stability.items() for k in own]
    NUMBERS.write(folder / "n_domains.csv", NUMBERS.frame(rows))


def test_curves_by_hand(tmp_path: Path) -> None:
    write(tmp_path, {"smart": {2: 0.5, 3: 1.0, 4: 0.0}, "spamo": {2: 0.5, 3: 0.5, 4: 0.0}})
    found = number_of_domains(tmp_path, {"smart": "SMART"})
    assert found is not None and found.choice.number == 3
    width, height = LARGE
    middle, right, top, bottom = LEFT + (width - LEFT - RIGHT) / 2, width - RIGHT, TOP, height - BOTTOM
    half = (top + bottom) / 2
    plot = found.stability
    assert [curve.name for curve in plot.curves] == ["SMART", "spamo", "mean"]
    assert plot.curves[0].points == f"{LEFT:.1f},{half} {middle:.1f},{top:.1f} {right:.1f},{bottom:.1f}"
    assert plot.curves[2].points == f"{LEFT:.1f},{half} {middle:.1f},{(half + top) / 2} {right:.1f},{bottom:.1f}"
    assert plot.chosen == middle
    assert [text for _, text in plot.y_ticks] == ["0.0", "0.5", "1.0"]
    assert found.table.header[:4] == ["domains", "stability", "adjacent", "between methods"]
    assert dict(zip(found.table.header, found.table.rows[0], strict=True))["bic"] == 20.0


def test_other_criteria_have_scales_of_their_own(tmp_path: Path) -> None:
    """BIC runs from 20 to 40 from the bottom to the top; criteria without values have no chart."""
    write(tmp_path, {"smart": {2: 0.5, 3: 1.0, 4: 0.0}})
    found = number_of_domains(tmp_path, {})
    assert found is not None and [plot.title for plot in found.others] == ["bic"]
    plot = found.others[0]
    assert [text for _, text in plot.y_ticks] == ["20", "30", "40"]
    heights = [float(point.split(",")[1]) for point in plot.curves[0].points.split()]
    assert heights == [plot.height - BOTTOM, (TOP + plot.height - BOTTOM) / 2, TOP]


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
    assert ("The choice is at the end of the numbers tried: more may fit better" in text) == at_the_end


@pytest.mark.usefixtures("fast_umap")
def test_the_page_says_that_fewer_may_fit_and_names_collapsed_runs(
    make_dataset: Callable[..., DatasetSources], tmp_path: Path
) -> None:
    sources = make_dataset()
    assert sources.files is not None
    write(sources.files, {"smart": {3: 0.9, 4: 0.6, 5: 0.5}, "spamo": {3: 1.0}})
    text = dataset_page(sources, tmp_path).text
    assert "two were not tried, which are nearly always stable" in text and "--n_domains 2..5 includes them" in text
    assert "Collapsed runs took no part: spamo.seed1." in text
    # The mean that decides is without the collapsed run.
    assert "stability (0.900)" in " ".join(text.split())
