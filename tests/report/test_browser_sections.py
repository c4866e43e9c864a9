"""What the passports of a report show while one section is chosen, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources

from .browser import choose, wait


@pytest.fixture(scope="module")
def report(make_dataset: Callable[..., DatasetSources], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sections with images, of which one is chosen."""
    target = tmp_path_factory.mktemp("report") / "report.html"
    write_dataset_report(make_dataset(image=True, sections=("s1", "s2"), seeds=(1,)), target)
    return target


def test_passports_show_all_sections_with_their_images_whatever_is_chosen(page: Any) -> None:
    # The sections have different units from now on, so that no scale bar is right for both.
    page.execute_script("DATA.micrometres = [0.5, 5]")
    choose(page, "section-select", 1)
    assert page.execute_script("return plots.map.under().map(({ section }) => section)") == [0]
    assert page.execute_script("return plots.map.micrometres()") == 0.5
    page.execute_script("location.hash = '#domain-1'")
    wait(page, "document.getElementById('passports').dataset.shown === 'domain-1'")
    assert page.execute_script("return plots['passport-where'].shown.rows.length") == 2 * 144
    for name in ("passport-where", "passport-marker"):
        assert page.execute_script(f"return plots['{name}'].under().map(({{ section }}) => section)") == [0, 1]
        assert page.execute_script(f"return plots['{name}'].micrometres()") is None
    # Both move with the sliders of the page.
    assert page.execute_script("return plots['passport-where'].look === plots.map.look")
    assert page.get_log("browser") == []
