"""When and with what a run was made."""

from __future__ import annotations

import base64
import json

import pytest

from spatialweave import __version__
from spatialweave.errors import InputError
from spatialweave.report.provenance import read_run, versions_of_runs


def test_what_is_known_is_told() -> None:
    text = base64.b64encode(json.dumps({"started": "2026-11-26T14:12:00Z", "commit": None, "other": 1}).encode())
    record = read_run(text.decode())
    assert record is not None
    assert record.line() == f"spatialweave {__version__}, run of 2026-11-26"
    assert record.rows() == [("spatialweave", __version__), ("started", "2026-11-26T14:12:00Z")]
    assert read_run(None) is None and read_run("") is None


@pytest.mark.parametrize("text", ["no base64!", base64.b64encode(b"{").decode(), base64.b64encode(b"[1]").decode()])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="--run-record"):
        read_run(text)


def test_all_versions_of_a_name_are_together() -> None:
    found = dict(versions_of_runs([{"versions": {"torch": "2.10.0"}}, {"versions": {"torch": "2.9.1"}}, {}]))
    assert found["torch"] == "2.10.0, 2.9.1"
    assert "numpy" in found
