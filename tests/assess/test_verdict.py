"""The verdict in words: it abstains, it tells nothing apart that is alike, and it never ranks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spatialweave.assess.intervals import Interval
from spatialweave.assess.modality_value import ModalityValue, ModalityValues
from spatialweave.assess.permuted_tissue import Averaged, PermutedTissue
from spatialweave.assess.runs import RunEvidence, Support
from spatialweave.assess.verdict import (
    ADDS,
    CHOSEN,
    HARMS,
    HELPS,
    NO_DOMAINS,
    NO_RUN,
    NOTHING,
    TRADES,
    UNDECIDED,
    console_line,
    kind_of,
    modality_headline,
    modality_reasons,
    verdict,
)
from spatialweave.io.result_tables import ALL
from spatialweave.prose import listing
from spatialweave.results.first_run import shown_first
from spatialweave.results.runs import MethodRun


def tissue(found: float) -> PermutedTissue:
    null = {"rna": np.zeros(39), ALL: np.linspace(0, 0.05, 39)}
    return PermutedTissue([Averaged(2, {"rna": found, ALL: found}, null, 0.5)], 100)


TISSUE, EMPTY = tissue(0.2), tissue(0.01)


def run(method: str, seed: int = 1, p: float = 0.01, behind: Interval | None = None) -> RunEvidence:
    support = Support(Interval(0.2, 0.1, 0.3), 0.0, 0.1, p, 0.025)
    behind = behind or Interval(0.0, 0.0, 0.0)
    return RunEvidence(method, seed, {"rna": support, ALL: support}, behind, 0.5, 0.5, None, 1.0, 0.0)


def modality(
    own: tuple[float, float], others: tuple[float, float], name: str = "adt", p: float = 0.025
) -> ModalityValue:
    interval = [Interval((low + high) / 2, low, high) for low, high in (own, others)]
    shown = Interval(0.3, 0.2, 0.4)
    return ModalityValue(
        name, {name: interval[0], "rna": interval[1]}, interval[1], shown, {}, [Interval(0.3, 0.2, 0.4)], None, p
    )


LESS = Interval(-0.1, -0.2, -0.05)

THREE_METHODS = ("smart.seed1", "spamo.seed1", "spamca.seed1")


def test_a_tissue_without_domains_ends_it_whatever_the_runs_look_like() -> None:
    found = verdict([run("smart"), run("weave"), run("spamo"), run("spamca")], EMPTY)
    assert (found.kind, found.choice) == (NO_DOMAINS, "")
    assert found.headline == "This tissue has no domains that the data support."
    assert "1% of the variance" in found.reasons[0] and "up to 5%" in found.reasons[0] and len(found.reasons) == 1


def test_runs_that_do_not_hold_are_named_and_none_is_chosen() -> None:
    found = verdict([run("smart", p=0.2), run("weave", p=0.3)], TISSUE)
    assert (found.kind, found.choice) == (NO_RUN, "")


def test_the_consensus_is_chosen_where_it_holds() -> None:
    runs = [run("smart", 1), run("smart", 2), run("spamo", behind=LESS), run("noise", p=0.5), run("weave", behind=LESS)]
    found = verdict(runs, TISSUE, joined=THREE_METHODS)
    assert (found.kind, found.choice) == (CHOSEN, "weave.seed1")
    text = " ".join(found.reasons)
    assert "Not supported: noise (seed 1)" in text
    assert "Indistinguishable: smart (seeds 1, 2)" in text
    assert "explain less than smart (seed 1): spamo (seed 1) and weave." in text


def test_without_a_majority_nothing_is_chosen() -> None:
    # The control is no member: the consensus joins two runs.
    runs = [run("smart"), run("spamo"), run("pca_smooth", p=0.5), run("weave")]
    found = verdict(runs, TISSUE, joined=("smart.seed1", "spamo.seed1"))
    assert (found.kind, found.choice) == (UNDECIDED, "")
    assert (
        found.headline
        == "The data support the domains of smart (seed 1) and spamo (seed 1), and cannot distinguish them."
    )
    less = verdict([run("smart"), run("spamo", behind=LESS)], TISSUE)
    assert less.choice == "" and less.headline == "The data support the domains of smart (seed 1) and spamo (seed 1)."


def test_seeds_are_no_majority_and_the_report_goes_by_the_same_rule() -> None:
    names = ["smart.seed1", "smart.seed2", "spamo.seed1", "spamo.seed2"]
    runs = [run("smart", 1), run("smart", 2), run("spamo", 1), run("spamo", 2), run("weave")]
    found = [verdict(runs, TISSUE, joined=joined).choice for joined in (names, [*names, "spamca.seed1"])]
    assert found == ["", "weave.seed1"]
    matched = [pd.DataFrame(1, [0], joined) for joined in (names, [*names, "spamca.seed1"])]
    shown = [shown_first([MethodRun("weave", 1, np.array([1]), matched_runs=one)]) for one in matched]
    assert [one is not None for one in shown] == [False, True]


def test_a_consensus_that_does_not_hold_is_not_chosen() -> None:
    found = verdict([run("smart"), run("spamo"), run("spamca"), run("weave", p=0.3)], TISSUE, joined=THREE_METHODS)
    assert (found.kind, found.choice) == (UNDECIDED, "")
    assert "Not supported: weave" in " ".join(found.reasons)


def test_a_consensus_of_two_runs_can_be_all_that_holds() -> None:
    found = verdict([run("smart", p=0.2), run("spamo", p=0.3), run("weave")], TISSUE, joined=THREE_METHODS[:2])
    assert (found.kind, found.choice) == (UNDECIDED, "")
    headline = "The data support the domains of weave, the consensus, but of none of the runs that it joins."
    assert found.headline == headline


def test_a_run_that_does_not_hold_may_explain_the_most() -> None:
    """Those that hold are compared with each other (:func:`spatialweave.assess.runs.evidence`)."""
    most = run("coordinates", p=0.5, behind=Interval(0.1, 0.05, 0.2))
    found = verdict([most, run("smart"), run("spamo", behind=LESS)], TISSUE)
    text = " ".join(found.reasons)
    assert "Not supported: coordinates (seed 1)" in text and "explain less than smart (seed 1): spamo" in text


def test_a_single_run_is_all_there_is() -> None:
    assert verdict([run("smart", 3)], TISSUE).choice == "smart.seed3"
    assert verdict([run("smart", 3, p=0.4)], TISSUE).kind == NO_RUN


@pytest.mark.parametrize(
    ("own", "others", "kind"),
    [
        ((0.1, 0.2), (0.01, 0.02), HELPS),
        ((-0.1, 0.2), (0.01, 0.02), HELPS),
        ((0.1, 0.2), (-0.01, 0.02), ADDS),
        ((0.1, 0.2), (-0.02, -0.01), TRADES),
        ((-0.1, 0.2), (-0.02, -0.01), HARMS),
        ((-0.1, 0.2), (-0.02, 0.01), NOTHING),
    ],
)
def test_kinds_of_modalities(own: tuple[float, float], others: tuple[float, float], kind: str) -> None:
    value = modality(own, others)
    assert kind_of(value) == kind
    assert modality_headline(value).startswith("Protein (ADT)")


def test_a_modality_that_is_silent_in_the_tissue_adds_nothing_whatever_its_gain() -> None:
    found = [modality((0.1, 0.2), others, p=0.825) for others in ((-0.01, 0.02), (-0.02, -0.01), (0.01, 0.02))]
    assert [kind_of(one) for one in found] == [NOTHING, HARMS, NOTHING]
    reasons = modality_reasons(found[0], ModalityValues(found[:1], [9], [Interval(0.9, 0.8, 1.0)]))
    assert "The domains explain no more of protein (ADT) than in the permuted tissue (p = 0.82)." in reasons


def test_others_that_show_no_domains_have_nothing_to_lose() -> None:
    losing = modality((0.1, 0.2), (-0.02, -0.01))
    assert kind_of(losing) == TRADES
    silent = replace(losing, others_without=Interval(0.01, -0.01, 0.03))
    assert kind_of(silent) == ADDS
    said = "The others show no domains without it, so they have nothing to lose."
    values = ModalityValues([silent], [9], [Interval(0.9, 0.8, 1.0)])
    assert said in modality_reasons(silent, values) and said not in modality_reasons(losing, values)


def test_words_of_a_modality_and_the_console_line() -> None:
    value = modality((0.01, 0.03), (-0.01, 0.02))
    values = ModalityValues([value], [9], [Interval(0.9, 0.8, 1.0)])
    first, only = modality_reasons(value, values)
    assert "+2.00 (+1.00 to +3.00) percentage points of protein (ADT), and +0.50 (−1.00 to +2.00)" in first
    assert only.startswith("Domain 1 appears only with it")
    # Without evidence that it has or adds structure, domains that come and go with it are chance.
    for silent in (modality((0.01, 0.03), (0.0, 0.02), p=0.5), modality((-0.01, 0.03), (-0.01, 0.02))):
        assert "only with it" not in " ".join(modality_reasons(silent, values))
    line = console_line("embryo", verdict([run("smart")], TISSUE), values)
    assert line == ("embryo: The data support the domains of smart (seed 1); protein (ADT) adds structure")
    assert console_line("x", verdict([run("smart")], EMPTY), None) == (
        "x: This tissue has no domains that the data support"
    )


def test_listing() -> None:
    assert [listing(""), listing("a"), listing("ab"), listing("abc")] == ["", "a", "a and b", "a, b and c"]
