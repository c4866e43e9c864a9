"""Link the ES modules of static/ into one script: a single-file page has nothing to import from."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

STATIC = Path(__file__).parent / "static"
IMPORT = re.compile(r'^import \{ ([^}]+) \} from "\./(\w+\.js)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:const|let|class|function|async function) )", re.MULTILINE)


def linked(entries: list[str]) -> str:
    """Return the modules and their imports, each once and after its imports, in one scope.

    Their top-level names must therefore all differ, which tests/report/test_scripts.py checks.

    Parameters
    ----------
    entries
        Files of static/ that the page starts.
    """
    order: dict[str, str] = {}
    for entry in entries:
        _visit(entry, order)
    return "\n".join(['"use strict";', *order.values()])


def _visit(name: str, order: dict[str, str]) -> None:
    if name in order:
        return
    source = read(name)
    for _, imported in IMPORT.findall(source):
        _visit(imported, order)
    order[name] = EXPORT.sub("", IMPORT.sub("", source))


@cache
def read(name: str) -> str:
    """Read a file of static/."""
    return (STATIC / name).read_text(encoding="utf-8")
