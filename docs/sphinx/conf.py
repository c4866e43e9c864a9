"""Sphinx's settings: the Markdown files of the repository as a site, with the links that they have on GitHub.

The source folder is the root of the repository, so that README.md and CONTRIBUTING.md are pages, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]

NAVIGATION = {
    "Getting started": ["docs/tutorial", "docs/usage", "docs/running", "docs/datasets"],
    "Results": [
        "docs/outputs",
        "docs/verdict",
        "docs/characterise",
        "docs/passports",
        "docs/consensus",
        "docs/metrics",
    ],
    "Several sections": [
        "docs/sections",
        "docs/cohorts",
        "docs/reference",
        "docs/alignment_prematching",
        "docs/alignment_matching",
    ],
    "Methods": [
        *("docs/methods/smart", "docs/methods/spamo", "docs/methods/spabalance", "docs/methods/spamca"),
        *("docs/methods/mcgate", "docs/methods/smart_ms", "docs/methods/spatialfuser"),
        *("docs/methods/pca_smooth", "docs/methods/baselines"),
    ],
    "How good, how fast": [
        "docs/benchmarks",
        "docs/benchmarks_parts",
        "docs/benchmarks_sections",
        "docs/benchmarks_speed",
        "docs/scale",
    ],
    "Developing": ["CONTRIBUTING", "docs/design", "docs/testing", "CHANGELOG"],
}
"""Every page, in the order of reading. A page that is missing here fails the build."""

project = "spatialweave"
author = "the spatialweave authors"
root_doc = "README"
source_suffix = {".md": "markdown"}
extensions = ["myst_parser"]
exclude_patterns = [path.name for path in ROOT.iterdir() if path.is_dir() and path.name != "docs"] + ["docs/_build"]

myst_heading_anchors = 4
highlight_language = "text"

html_theme = "furo"
html_title = "spatialweave"
html_extra_path = ["index.html"]
html_copy_source = False
html_show_sphinx = False

linkcheck_timeout = 20
linkcheck_retries = 2
linkcheck_workers = 4


def add_navigation(_app: Sphinx, page: str, text: list[str]) -> None:
    """Add the navigation to the first page, which on GitHub does without."""
    if page != root_doc:
        return
    for title, pages in NAVIGATION.items():
        text[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(pages) + "\n```\n"


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", add_navigation)
