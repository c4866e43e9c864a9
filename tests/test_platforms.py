"""The samplesheet's schema has the platforms and the names for them that Python has."""

from __future__ import annotations

import json
from pathlib import Path

from spatialweave.platforms import OTHER_NAMES, PLATFORMS


def test_the_schema_has_the_platforms() -> None:
    schema = json.loads((Path(__file__).parents[1] / "assets" / "schema_input.json").read_text())
    rule = schema["items"]["properties"]["platform"]
    assert rule["enum"] == list(PLATFORMS)
    assert rule["meant"] == OTHER_NAMES and set(OTHER_NAMES.values()) <= set(PLATFORMS)
