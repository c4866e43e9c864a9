"""The patterns of both schemas, which tools of other languages than Nextflow's read, too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from .checks import ROOT


def patterns(rule: Any) -> Iterator[str]:
    """All patterns in a part of a schema: those of values and those of names."""
    if isinstance(rule, dict):
        if isinstance(rule.get("pattern"), str):
            yield rule["pattern"]
        yield from rule.get("patternProperties", {})
        for part in rule.values():
            yield from patterns(part)


@pytest.mark.parametrize("name", ["nextflow_schema.json", "assets/schema_input.json"])
def test_patterns_use_what_all_languages_have_and_refuse_control_characters(name: str) -> None:
    found = list(patterns(json.loads((ROOT / name).read_text())))
    assert found
    for pattern in found:
        # ECMAScript, whose patterns JSON Schema prescribes, has these escapes with a letter and no flags within.
        assert set(re.findall(r"\\([a-zA-Z])", pattern.replace(r"\\", ""))) <= {*"dDwWsSbBtnrfvx"}, pattern
        assert "(?i" not in pattern
        for character in "\x00\t\n\x1f\x7f":
            assert not re.fullmatch(pattern, f"a{character}b"), pattern
        if "[^" in pattern:
            assert re.fullmatch(pattern, "Cntrl p{a}x"), pattern
