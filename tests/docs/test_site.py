"""The documentation as a site: it builds, opens without a network, and what is wrong in a page fails the build."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ..report.browser import browser, wait

__all__ = ["browser"]

STRICT = ("-E", "-q", "-W", "-n", "--keep-going")


def build(root: Path, out: Path, builder: str) -> subprocess.CompletedProcess[str]:
    """Build the site of the repository at `root`, as the Makefile does."""
    command = [sys.executable, "-m", "sphinx", *STRICT, "-c", str(root / "docs" / "sphinx"), "-d", str(out / "pages")]
    return subprocess.run([*command, "-b", builder, str(root), str(out / builder)], capture_output=True, text=True)


@pytest.fixture(scope="module")
def site(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("site")
    done = build(project, out, "html")
    assert done.returncode == 0, done.stderr
    return out / "html"


def test_pages_load_nothing_from_other_sites(site: Path) -> None:
    loaded = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=[\"'](?:https?:)?//[^\"']*")
    for page in site.rglob("*.html"):
        assert loaded.findall(page.read_text(encoding="utf-8")) == [], page
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")), sheet


def test_the_first_page_leads_to_all_others_and_the_search_finds_words_without_a_server(
    site: Path, browser: Any, project: Path
) -> None:
    browser.get((site / "index.html").as_uri())
    wait(browser, "document.title.includes('spatialweave') && document.querySelector('.sidebar-tree a')")
    linked = browser.execute_script("return [...document.querySelectorAll('.sidebar-tree a')].map(a => a.href)")
    pages = {Path(link.removeprefix("file://").split("#")[0]) for link in linked}
    sources = [path for path in (project / "docs").rglob("*.md") if "_build" not in path.parts]
    assert pages >= {site / path.relative_to(project).with_suffix(".html") for path in sources}
    assert all(page.is_file() for page in pages)
    browser.get((site / "search.html").as_uri() + "?q=samplesheet")
    found = wait(browser, "[...document.querySelectorAll('#search-results li a')].map(a => a.textContent).join('; ')")
    assert "Usage" in found


@pytest.fixture(scope="module")
def copy(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages and what they link to, to be damaged."""
    root = tmp_path_factory.mktemp("copy")
    shutil.copytree(project / "docs", root / "docs", ignore=shutil.ignore_patterns("_build"))
    for path in (*project.glob("*.md"), project / "LICENSE", project / "CITATION.cff"):
        shutil.copy2(path, root)
    return root


def test_broken_links_and_pages_without_a_place_fail_the_build(copy: Path, tmp_path: Path) -> None:
    page = copy / "docs" / "verdict.md"
    links = ["[a](nowhere.md)", "[b](usage.md#no-such)", "[c](../assets/nowhere.yml)", "[d](#no-title)"]
    page.write_text(page.read_text() + "\n" + "\n".join(links) + "\n![e](images/nowhere.png)\n")
    (copy / "docs" / "forgotten.md").write_text("# Forgotten\n")
    done = build(copy, tmp_path, "dummy")
    assert done.returncode != 0
    for word in ("'nowhere.md'", "'no-such'", "'../assets/nowhere.yml'", "'no-title'", "images/nowhere.png"):
        assert word in done.stderr
    assert "forgotten.md: WARNING: document isn't included in any toctree" in done.stderr
