"""The tutorial as a program: runs every command of docs/tutorial.md and makes its pictures (make tutorial).

The blocks of the page in ``bash`` or ``python`` are run, one after the other, in a folder that stands for the clone; a
block in ``text`` has lines of what the block before it prints.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from screen import NO_CHROMIUM, PANELS, chromium, clone, fewer_colours, open_report, save

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
CLONE = "/home/you/spatialweave"
"""What the page calls the folder of the clone, whose real name is in what is printed."""

REPORT = "results/tutorial/cortex/report.html"
FIGURE = "results/tutorial/figure.png"
FIRST_REPORT = "results/tutorial/first_report.html"
FIRST_PICTURES = {
    "tutorial_domains.png": ("nav", "#map-legend"),
    "tutorial_verdict.png": ("#verdict",),
    "report_visium.png": PANELS,
}
LAST_PICTURES = {"tutorial_markers.png": ("#characterised",)}
"""Name of a picture -> the elements on it, of the report as the first run made it, and as it is in the end."""

NUMBER = re.compile(r"(?<![A-Za-z])[-+]?\d+(?:\.\d+)?")
TOLERANCE = 0.05
"""Numbers with a decimal point may differ by so much, since other processors round and train a little differently."""

FEATURE = re.compile(r"\b(Gene|Protein)\d+")
"""Names of simulated features: the best marker may be another one there."""


@dataclass(frozen=True)
class Block:
    """A block of code of the page: what it is, its text, and the line of the page that it begins in."""

    language: str
    text: str
    line: int


def blocks(page: str) -> list[Block]:
    """All blocks of code of a page, in order."""
    found = re.finditer(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    return [Block(one[1], one[2], page[: one.start()].count("\n") + 1) for one in found]


def pictures(page: str) -> list[str]:
    """The names of the pictures of a page."""
    return re.findall(r"!\[[^\]]*\]\(images/([^)]+)\)", page)


def run(block: Block, copy: Path) -> str:
    """Run a block and return what it prints."""
    command = ["bash", "-e", "-c"] if block.language == "bash" else [str(copy / ".venv/bin/python"), "-c"]
    done = subprocess.run([*command, block.text], cwd=copy, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{PAGE}, line {block.line}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout.replace(str(copy), CLONE)


def missing(expected: str, printed: str) -> list[str]:
    """The lines of `expected` that were not printed in this order (see :func:`same`)."""
    lines, lost = iter(printed.splitlines()), []
    for wanted in expected.splitlines():
        before = list(lines)
        place = next((i for i, line in enumerate(before) if same(wanted, line)), None)
        lines = iter(before if place is None else before[place + 1 :])
        if place is None:
            lost.append(wanted)
    return lost


def same(one: str, other: str) -> bool:
    """Whether two lines have the same words and, about, the same numbers."""
    one, other = (" ".join(FEATURE.sub(r"\1_", line).split()) for line in (one, other))
    if NUMBER.sub("#", one) != NUMBER.sub("#", other):
        return False
    pairs = zip(NUMBER.findall(one), NUMBER.findall(other), strict=True)
    return all(a == b or ("." in a and abs(float(a) - float(b)) <= TOLERANCE) for a, b in pairs)


def follow(page: str, copy: Path) -> list[str]:
    """Run all commands of a page; returns what was not printed as it says."""
    printed, lost = "", []
    for block in blocks(page):
        if block.language == "text":
            lost += [f"line {block.line}: not printed: {line}" for line in missing(block.text, printed)]
        else:
            printed = run(block, copy)
            if (copy / REPORT).exists() and not (copy / FIRST_REPORT).exists():
                shutil.copy(copy / REPORT, copy / FIRST_REPORT)
    return lost


def make_pictures(copy: Path, folder: Path, profile: Path) -> bool:
    """Make the pictures of the page, and the README's of this section; False where Chromium is not installed."""
    folder.mkdir(parents=True, exist_ok=True)
    with Image.open(copy / FIGURE) as figure:
        fewer_colours(figure).save(folder / "tutorial_figure.png", optimize=True)
    with chromium(profile) as browser:
        if browser is None:
            return False
        for report, wanted in ((FIRST_REPORT, FIRST_PICTURES), (REPORT, LAST_PICTURES)):
            open_report(browser, copy / report, 1280)
            for name, selectors in wanted.items():
                save(browser, selectors, folder / name, whole_width=selectors != PANELS)
    return True


def main() -> None:
    """Follow the tutorial, and replace its pictures."""
    page = PAGE.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        copy = clone(Path(folder) / "spatialweave")
        lost = follow(page, copy)
        if not make_pictures(copy, PAGE.parent / "images", Path(folder) / "profile"):
            sys.exit(f"ERROR: {NO_CHROMIUM}")
    if lost:
        sys.exit("\n".join([f"ERROR: {PAGE} is not what the commands print:", *lost]))


if __name__ == "__main__":
    main()
