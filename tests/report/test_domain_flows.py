"""The table of domains that matched spots join, by hand."""

from __future__ import annotations

import numpy as np

from spatialweave.report.alignment import MatchedSpots
from spatialweave.report.domain_flows import domain_flows
from spatialweave.report.inputs import MethodRun

SECTIONS, TITLES = ["front", "back"], {"fuser": "Fuser"}


def matched(method: str, seed: int, accepted: list[bool]) -> MatchedSpots:
    """Spots 0 to 4 of the first section with 5 to 9 of the second."""
    a, b = np.arange(5), np.arange(5, 10)
    return MatchedSpots(method, seed, (0, 1), a, b, np.array(accepted), np.zeros(5))


def test_accepted_pairs_are_counted_by_domain() -> None:
    run = MethodRun("fuser", 2, domains=["x", "x", "x", "y", "y", "x", "x", "z", "y", "x"])
    later = MethodRun("fuser", 3, domains=["q"] * 10)
    matches = [matched("fuser", 2, [True, True, True, True, False]), matched("fuser", 3, [True] * 5)]
    (table,) = domain_flows(matches, [later, run], SECTIONS, TITLES)
    assert table.caption == "Domains of matched spots: Fuser, front → back"
    assert table.header == ["domain of front", "domain of back", "pairs", "fraction"]
    assert table.rows == [["x", "x", 2, 0.667], ["x", "z", 1, 0.333], ["y", "y", 1, 1.0]]


def test_runs_without_domains_or_pairs_have_no_table() -> None:
    with_domains = MethodRun("fuser", 2, domains=["x"] * 10)
    assert domain_flows([matched("fuser", 2, [False] * 5)], [with_domains], SECTIONS, TITLES) == []
    assert domain_flows([matched("fuser", 2, [True] * 5)], [MethodRun("fuser", 2)], SECTIONS, TITLES) == []
    assert domain_flows([matched("other", 2, [True] * 5)], [with_domains], SECTIONS, TITLES) == []
