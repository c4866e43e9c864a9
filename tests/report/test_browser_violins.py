"""Violins of features in a real browser, against numpy's quantiles and scipy's kernel density."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import gaussian_kde

from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources

from .browser import EVIL, choose, find_feature
from .page import Page, unpack


@pytest.fixture(scope="module")
def report(make_dataset: Callable[..., DatasetSources], tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("violins") / "report.html"
    write_dataset_report(make_dataset(prefix=EVIL, seeds=(1,), sections=("s1", "s2")), target)
    return target


def violins(page: Any, box: str) -> list[tuple[str, list[tuple[float, float]]]]:
    """What is said of each violin of a chart, and the corners of its outline."""
    found = page.execute_script(
        "return [...document.querySelectorAll(`#${arguments[0]} .violin`)]"
        ".map((one) => [one.querySelector('title').textContent, one.querySelector('path').getAttribute('d')])",
        box,
    )
    numbers = [[float(number) for number in re.findall(r"[\d.]+", outline)] for _, outline in found]
    return [(text, list(zip(own[::2], own[1::2], strict=True))) for (text, _), own in zip(found, numbers, strict=True)]


def test_density_is_that_of_scipy(page: Any) -> None:
    """Values far apart compared with a step, and kernels with Scott's factor as scipy has them."""
    steps = np.concatenate([np.arange(10, 60, 3), np.arange(150, 250, 2)])
    counts = np.bincount(steps, minlength=255).tolist()
    found = page.execute_script("return spreadOf(Uint32Array.from(arguments[0]))", counts)
    grid = np.arange(10, 249)
    expected = gaussian_kde(steps, "scott")(grid)
    assert (found["low"], found["high"], found["spots"]) == (10, 248, len(steps))
    drawn = [found["density"][str(at)] if isinstance(found["density"], dict) else found["density"][at] for at in grid]
    np.testing.assert_allclose(drawn, expected / expected.max(), rtol=1e-6)
    assert found["quartiles"] == np.quantile(steps, (0.25, 0.5, 0.75), method="inverted_cdf").tolist()


def test_two_spots_are_no_distribution(page: Any) -> None:
    assert page.execute_script("return spreadOf(Uint32Array.of(1, 0, 1))") is None


def test_a_feature_in_every_domain_and_section(page: Any, report: Path) -> None:
    find_feature(page, f"{EVIL}rna3 (rna)")
    data = Page(report).data()
    feature = next(one for one in data["features"] if one["name"] == f"{EVIL}rna3")
    run = data["runs"][data["best"]]
    steps, codes = unpack(feature["steps"]).astype(int), unpack(run["domains"]["codes"])
    sections = unpack(data["sections"]["codes"])
    for section in (None, 0):
        if section is not None:
            choose(page, "section-select", section + 1)
        kept = (steps != 255) & (section is None or sections == section)
        own = [steps[kept & (codes == code)] for code in range(len(run["domains"]["names"]))]
        low = feature.get("low", 0)
        shown = violins(page, "violins")
        assert len(shown) == sum(len(one) > 2 for one in own)
        for (text, _), values in zip(shown, (one for one in own if len(one) > 2), strict=True):
            median = low + np.quantile(values, 0.5, method="inverted_cdf") * (feature["top"] - low) / 254
            assert float(re.findall(r"median ([-\d.]+),", text)[0]) == pytest.approx(median, rel=1e-3, abs=1e-6)
            assert text.endswith(f"{len(values)} spots")
    assert EVIL in page.find_element("id", "violins-title").text
    choose(page, "section-select", 0)


def test_denoised_values_beside_measured_ones(page: Any) -> None:
    names = page.execute_script("return DATA.runs[state.run].domains.names")
    for name in ("measured", "denoised"):
        shown = violins(page, f"{name}-violins")
        assert [text.split(":")[0] for text, _ in shown] == names
        label = page.execute_script(f"return document.querySelector('#{name}-violins svg').getAttribute('aria-label')")
        assert f", {name}" in label
    assert not page.get_log("browser")
