"""Domains that matched spots join, as a diagram and as a table, by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest

from spatialweave.report.alignment import MatchedSpots
from spatialweave.report.domain_flows import domain_flows
from spatialweave.report.flow_plot import BOTTOM, GAP, TALL, TOP, FlowPlot, flow_plot
from spatialweave.results.runs import MethodRun

SECTIONS, TITLES = ["front", "back"], {"fuser": "Fuser"}
LOOKS = {
    "fuser.seed2": {"names": ["1", "2", "10"], "colours": ["#000001", "#000002", "#000003"]},
    "fuser.seed3": {"names": ["3"], "colours": ["#000004"]},
}
COLOURS = {"1": "#111111", "2": "#222222", "3": "#333333"}


def matched(method: str, seed: int, accepted: list[bool]) -> MatchedSpots:
    """Spots 0 to 4 of the first section with 5 to 9 of the second."""
    a, b = np.arange(5), np.arange(5, 10)
    return MatchedSpots(method, seed, (0, 1), a, b, np.array(accepted), np.zeros(5))


def test_accepted_pairs_are_counted_by_domain() -> None:
    run = MethodRun("fuser", 2, domains=np.array([1, 1, 1, 2, 2, 1, 1, 10, 2, 1]))
    later = MethodRun("fuser", 3, domains=np.full(10, 3))
    matches = [matched("fuser", 2, [True, True, True, True, False]), matched("fuser", 3, [True] * 5)]
    (flow,) = domain_flows(matches, [later, run], LOOKS, SECTIONS, TITLES)
    assert flow.table.caption == "Domains of matched spots: Fuser, front → back"
    assert flow.table.header == ["domain of front", "domain of back", "pairs", "fraction"]
    assert flow.table.rows == [["1", "1", 2, 0.667], ["1", "10", 1, 0.333], ["2", "2", 1, 1.0]]
    assert flow.plot.titles == ("front", "back")
    assert [one.text for one in flow.plot.ribbons] == [
        "front, 1 – back, 1: 2 pairs, 67% of those of 1 in front",
        "front, 1 – back, 10: 1 pair, 33% of those of 1 in front",
        "front, 2 – back, 2: 1 pair, 100% of those of 2 in front",
    ]
    assert [(one.text, one.colour) for one in flow.plot.right] == [
        ("back, 1: 2 pairs", "#000001"),
        ("back, 10: 1 pair", "#000003"),
        ("back, 2: 1 pair", "#000002"),
    ]


def test_runs_without_domains_or_pairs_have_no_flow() -> None:
    with_domains = MethodRun("fuser", 2, domains=np.full(10, 1))
    assert domain_flows([matched("fuser", 2, [False] * 5)], [with_domains], LOOKS, SECTIONS, TITLES) == []
    assert domain_flows([matched("fuser", 2, [True] * 5)], [MethodRun("fuser", 2)], LOOKS, SECTIONS, TITLES) == []
    assert domain_flows([matched("other", 2, [True] * 5)], [with_domains], LOOKS, SECTIONS, TITLES) == []


def ends(plot: FlowPlot) -> list[tuple[float, float, float, float]]:
    """The top and bottom of each ribbon on the left, and on the right."""
    found = []
    for ribbon in plot.ribbons:
        numbers = [float(number) for number in re.findall(r"[\d.]+", ribbon.path)]
        found.append((numbers[1], numbers[-1], numbers[7], numbers[8]))
    return found


def test_heights_are_proportional_to_pairs() -> None:
    plot = flow_plot({("1", "1"): 60, ("1", "2"): 20, ("2", "2"): 20}, ("a", "b"), COLOURS)
    pixel = TALL / 100
    assert [one.height for one in plot.left] == pytest.approx([80 * pixel, 20 * pixel])
    assert [one.height for one in plot.right] == pytest.approx([60 * pixel, 40 * pixel])
    assert [one.y for one in plot.left] == pytest.approx([TOP, TOP + 80 * pixel + GAP])
    assert plot.height == TOP + TALL + GAP + BOTTOM
    top = TOP + 60 * pixel
    assert ends(plot) == [
        pytest.approx((TOP, top, TOP, top)),
        pytest.approx((top, top + 20 * pixel, top + GAP, top + GAP + 20 * pixel)),
        pytest.approx((top + 20 * pixel + GAP, TOP + TALL + GAP, top + GAP + 20 * pixel, TOP + TALL + GAP)),
    ]


def test_numbers_that_differ_between_sections_do_not_cross() -> None:
    # As of a method that numbers the domains of every section by itself.
    plot = flow_plot({("1", "3"): 10, ("2", "1"): 10, ("3", "2"): 10}, ("a", "b"), COLOURS)
    assert [one.name for one in plot.right] == ["3", "1", "2"]
    assert [one.y for one in plot.left] == [one.y for one in plot.right]
    assert [one.colour for one in plot.ribbons] == ["#111111", "#222222", "#333333"]


def test_small_blocks_have_their_name_in_the_title_only() -> None:
    plot = flow_plot({("1", "1"): 999, ("2", "2"): 1}, ("a", "b"), COLOURS)
    assert [(one.name, one.text) for one in plot.left] == [("1", "a, 1: 999 pairs"), ("", "a, 2: 1 pair")]
