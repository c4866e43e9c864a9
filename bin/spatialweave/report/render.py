"""Build a page: template, styles and scripts in one file that needs no network and runs no external script."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from spatialweave.io.files import write_text
from spatialweave.prose import listing
from spatialweave.report import text
from spatialweave.report.scripts import linked, read
from spatialweave.results.titles import modality_title

FOLDER = Path(__file__).parent


def render(template: str, target: Path, scripts: list[str], **context: Any) -> None:
    """Fill a template of templates/ and write the page.

    Parameters
    ----------
    scripts
        Modules of static/ that the page starts.
    context
        Variables of the template. Every string is escaped by jinja2 unless it is Markup.
    """
    script = linked(scripts)
    page = (
        _environment()
        .get_template(template)
        .render(
            style=Markup(read("report.css")),
            chart_style=Markup(read("chart.css")),
            script=Markup(script),
            policy=_policy(script),
            **context,
        )
    )
    write_text(target, page)


def _policy(script: str) -> str:
    """Return a content security policy that allows only this script, by its hash, and no connections."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src data: blob:"


@cache
def _environment() -> Any:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in (
        "number",
        "plain_number",
        "decimals",
        "score",
        "duration",
        "memory",
    ):
        environment.filters[name] = getattr(text, name)
    environment.filters["modality"] = modality_title
    environment.filters["listing"] = listing
    return environment


def image_uri(path: Path) -> str:
    """Return a PNG file as a data URI, "" if it is missing or empty."""
    if not path.is_file() or not path.stat().st_size:
        return ""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
