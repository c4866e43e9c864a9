"""The tutorial: every command of the page is run as it is written, and prints what the page says."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageStat

from ..clone import clone


@pytest.fixture(scope="module")
def tutorial(project: Path) -> dict[str, Any]:
    """The names in docs/pictures/tutorial.py."""
    sys.path.insert(0, str(project / "docs" / "pictures"))
    try:
        return runpy.run_path(str(project / "docs" / "pictures" / "tutorial.py"))
    finally:
        sys.path.pop(0)


PAGE = """
```bash
echo one; echo "two 0.51 of 7"; echo three
```

Text.

```text
two 0.50 of 7
```

![a picture](images/tutorial_a.png)
"""


def test_a_page_is_blocks_of_commands_and_of_what_they_print(tutorial: dict[str, Any]) -> None:
    found = tutorial["blocks"](PAGE)
    assert [(block.language, block.line) for block in found] == [("bash", 2), ("text", 8)]
    assert found[1].text == "two 0.50 of 7\n"
    assert tutorial["pictures"](PAGE) == ["tutorial_a.png"]


@pytest.mark.parametrize(
    ("expected", "lost"),
    [
        ("one\nthree\n", []),
        ("two 0.50 of 7\n", []),
        ("two 0.60 of 7\n", ["two 0.60 of 7"]),
        ("two 0.51 of 8\n", ["two 0.51 of 8"]),
        ("three\none\n", ["one"]),
        ("four\n", ["four"]),
        ("Gene12  0.50\n", []),
        ("Gene  0.50\n", ["Gene  0.50"]),
    ],
)
def test_lines_are_found_in_order_and_numbers_within_the_tolerance(
    tutorial: dict[str, Any], expected: str, lost: list[str]
) -> None:
    assert tutorial["missing"](expected, "one\ntwo 0.51 of 7\n\nthree\nGene07  0.52\n") == lost


def test_the_commands_print_what_the_page_says_and_make_its_pictures(
    tutorial: dict[str, Any], project: Path, tmp_path: Path
) -> None:
    page = (project / "docs" / "tutorial.md").read_text(encoding="utf-8")
    copy = clone(tmp_path / "spatialweave")
    assert tutorial["follow"](page, copy) == []
    made = tmp_path / "images"
    if not tutorial["make_pictures"](copy, made, tmp_path / "profile"):
        pytest.skip("the commands are right; the pictures need Chromium with its driver")
    assert sorted(path.name for path in made.iterdir()) == sorted([*tutorial["pictures"](page), "report_visium.png"])
    for path in made.iterdir():
        there = project / "docs" / "images" / path.name
        assert there.stat().st_size < 300_000
        with Image.open(path) as new, Image.open(there) as old:
            # Fonts differ between machines, and with them the breaks of lines.
            assert new.width == pytest.approx(old.width, rel=0.05) and new.height == pytest.approx(old.height, rel=0.2)
            means = [ImageStat.Stat(image.convert("RGB")).mean for image in (new, old)]
            assert means[0] == pytest.approx(means[1], abs=12)
            assert min(ImageStat.Stat(new.convert("L")).stddev) > 5
