"""Verdict on a dataset as text: what the evidence supports, and no more.

No rule that picks one run without labels is known to be reliably better than the median run; the consensus is
(docs/verdict.md). So the evidence decides whether there are domains at all, which runs are supported, and which are
indistinguishable. If a consensus exists and is supported, the verdict is the consensus.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from spatialweave.assess.modality_value import ModalityValue, ModalityValues
from spatialweave.assess.permuted_tissue import SIGNIFICANT, PermutedTissue
from spatialweave.assess.runs import RunEvidence
from spatialweave.domains.consensus import has_majority
from spatialweave.io.result_tables import ALL, WEAVE
from spatialweave.modalities import MODALITY_KINDS
from spatialweave.prose import listing

NO_DOMAINS, NO_RUN, CHOSEN, UNDECIDED = "no_domains", "no_run", "chosen", "undecided"
"""Kinds of verdict: the data support no domains; they support the domains of no run; one run is chosen; there is no
consensus and several runs are supported."""

HELPS, ADDS, TRADES, HARMS, NOTHING = "helps", "adds", "trades", "harms", "nothing"
"""Effects of a modality: it improves the domains by the measure of the others; it shows structure that they do not; it
does so at their cost; it only costs; or it adds nothing distinguishable from chance."""

SHORT = {
    HELPS: "helps",
    ADDS: "adds structure",
    TRADES: "adds structure at the cost of the others",
    HARMS: "costs more than it gives",
    NOTHING: "adds nothing detectable",
}
"""Short forms of the effects."""


@dataclass(frozen=True)
class Verdict:
    """Verdict on a dataset.

    Attributes
    ----------
    kind
        One of the kinds above.
    choice
        The run to use, ``<method>.seed<k>``; "" if the evidence does not support a choice.
    headline
        The verdict in one sentence.
    reasons
        Sentences that give the evidence.
    """

    kind: str
    choice: str
    headline: str
    reasons: list[str] = field(default_factory=list)


def verdict(runs: Sequence[RunEvidence], permuted: PermutedTissue, joined: Sequence[str] = ()) -> Verdict:
    """Return the verdict on the runs of a dataset.

    Parameters
    ----------
    joined
        The runs (``<method>.seed<k>``) that the consensus joins; empty without a consensus.
    """
    tissue = _tissue(permuted)
    if permuted.p(ALL) > SIGNIFICANT:
        return Verdict(NO_DOMAINS, "", "This tissue has no domains that the data support.", [tissue])
    holding = [run for run in runs if run.supported]
    others = [run for run in runs if not run.supported]
    reasons = [tissue]
    if not holding:
        reasons.append("No run explains more than random domains and the permuted tissue do.")
        return Verdict(NO_RUN, "", "The tissue has structure, but the data support the domains of no run.", reasons)
    together = [run for run in holding if not run.weaker]
    weaker = [run for run in holding if run.weaker]
    if others:
        reasons.append(f"Not supported: {named(others)} (no better than random domains or a permuted tissue).")
    if len(together) > 1:
        reasons.append(f"Indistinguishable: {named(together)}; their differences are within the sampling error.")
    if weaker:
        most = next(run for run in holding if run.behind.value == 0)
        reasons.append(
            f"The data support these too, but they explain less than {named([most])}: {named(weaker)}. Where labels "
            "are known, the run that explains the most is often not the correct one, so this is not a ranking."
        )
    woven = next((run for run in holding if run.method == WEAVE), None)
    if woven is not None and has_majority(joined):
        reasons.append(
            "The consensus is chosen because no rule that picks one run without labels is reliably better than the "
            "median run."
        )
        return Verdict(CHOSEN, woven.id, f"Use {WEAVE}, the consensus: the data support its domains.", reasons)
    if len(runs) == 1:
        return Verdict(CHOSEN, runs[0].id, f"The data support the domains of {named(runs)}.", reasons)
    by_themselves = [run for run in holding if run.method != WEAVE]
    if not by_themselves:
        headline = f"The data support the domains of {WEAVE}, the consensus, but of none of the runs that it joins."
        return Verdict(UNDECIDED, "", headline, reasons)
    headline = f"The data support the domains of {named(by_themselves)}"
    if len(together) > 1:
        headline += ", and cannot distinguish them" if len(together) == len(holding) else ", and choose none"
    return Verdict(UNDECIDED, "", f"{headline}.", reasons)


def _tissue(permuted: PermutedTissue) -> str:
    clearest = permuted.clearest
    found, null = clearest.found[ALL], clearest.permuted[ALL]
    holds = (
        "The tissue has domains: those of the control" if permuted.p(ALL) <= SIGNIFICANT else "The control's domains"
    )
    text = (
        f"{holds}, averaged {clearest.rounds} times over neighbours, explain {percent(found)} of the variance at "
        f"hidden spots; those that it finds with the spots permuted explain up to {percent(float(null.max()))} "
        f"(p = {permuted.p(ALL):.2g}, {len(null)} permutations)."
    )
    silent = [name for name in clearest.found if name != ALL and permuted.p(name) > SIGNIFICANT]
    if silent and permuted.p(ALL) <= SIGNIFICANT and len(clearest.found) > 2:
        text += f" In {listing(map(_title, silent))} they explain no more than in the permuted tissue."
    return text


def kind_of(value: ModalityValue) -> str:
    """Return the effect of a modality, as defined above."""
    if value.costs:
        return TRADES if value.adds else HARMS
    if value.helps:
        return HELPS
    return ADDS if value.adds else NOTHING


def modality_headline(value: ModalityValue) -> str:
    """Return what a modality adds, in one sentence."""
    others = [name for name in value.gain if name != value.name]
    name, rest = _title(value.name), listing(map(_title, others))
    do = "does" if len(others) == 1 else "do"
    texts = {
        HELPS: f"{name} helps: with it the domains predict {rest} better at held-out spots.",
        ADDS: f"{name} adds structure that {rest} {do} not show, at no detectable cost to {rest}.",
        TRADES: f"{name} adds structure of its own, but with it the domains predict {rest} worse: look at both.",
        HARMS: f"{name} costs more than it gives: with it the domains predict {rest} worse, and itself no better.",
        NOTHING: f"{name} adds nothing to {rest} that is distinguishable from chance.",
    }
    text = texts[kind_of(value)]
    return text[0].upper() + text[1:]


def modality_reasons(value: ModalityValue, values: ModalityValues) -> list[str]:
    """Return the evidence for the headline, in sentences."""
    name, reasons = _title(value.name), []
    own, rest = value.gain[value.name], value.gain_others
    reasons.append(
        f"Variance explained at held-out spots, with {name} minus without it: {points(own.value)} "
        f"({points(own.low)} to {points(own.high)}) percentage points of {name}, and "
        f"{points(rest.value)} ({points(rest.low)} to {points(rest.high)}) of the others."
    )
    if rest.below_zero and not value.costs:
        reasons.append("The others show no domains without it, so they have nothing to lose.")
    if value.p > SIGNIFICANT:
        reasons.append(f"The domains explain no more of {name} than in the permuted tissue (p = {value.p:.2g}).")
    if value.stability:
        both, without = value.stability["all"], value.stability["without"]
        reasons.append(f"Stability of the domains {both.value:.2f} with it, {without.value:.2f} without.")
    only = values.only_with(value)
    if only:
        which = f"Domain {only[0]} appears" if len(only) == 1 else f"Domains {listing(map(str, only))} appear"
        reasons.append(f"{which} only with it (numbers of the control's domains, by size).")
    if value.predicted is not None:
        by_others, by_itself = value.predicted.by_others, value.predicted.by_itself
        if by_itself.above_zero and by_others.above_zero and value.predicted.p <= SIGNIFICANT:
            reasons.append(
                f"The other modalities predict {percent(by_others.value)} of its variance in other blocks of the "
                f"tissue, its own neighbourhood {percent(by_itself.value)}."
            )
        elif by_itself.above_zero:
            reasons.append(
                f"The other modalities do not predict it in other blocks of the tissue; its own neighbourhood "
                f"predicts {percent(by_itself.value)} of its variance."
            )
        else:
            reasons.append("In other blocks of the tissue nothing of it can be predicted spot by spot.")
    return reasons


def console_line(dataset: str, found: Verdict, values: ModalityValues | None) -> str:
    """Return the verdict in one line, with what the modalities add if `values` has it."""
    parts = [found.headline.rstrip(".")]
    if values is not None:
        parts += [f"{_title(value.name)} {SHORT[kind_of(value)]}" for value in values.modalities]
    return f"{dataset}: " + "; ".join(parts)


def named(runs: Iterable[RunEvidence]) -> str:
    """Return ``smart (seeds 1, 2), spamo (seed 1)``, in the order of the runs; the consensus has no seed."""
    seeds: dict[str, list[str]] = {}
    for run in runs:
        seeds.setdefault(run.method, []).append(str(run.seed))
    texts = [
        method if method == WEAVE else f"{method} (seed{'s' if len(own) > 1 else ''} {', '.join(own)})"
        for method, own in seeds.items()
    ]
    return listing(texts)


def percent(fraction: float) -> str:
    """Return a fraction as a percentage with two significant digits."""
    return f"{100 * fraction:.2g}%"


def points(fraction: float) -> str:
    """Return a difference of fractions in percentage points, with its sign."""
    return f"{100 * fraction:+.2f}".replace("-", "−")


def _title(name: str) -> str:
    return MODALITY_KINDS[name].title
