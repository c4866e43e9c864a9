"""Sentences of a passport, for the report and the slide."""

from __future__ import annotations

from collections.abc import Mapping

from spatialweave.characterise.rank_sums import FEWEST
from spatialweave.domains.matching import FOUND_AGAIN
from spatialweave.io.result_tables import (
    FEW_TEST_SPOTS,
    NOT_COMPARED,
    NOT_FOUND_AGAIN,
    NOT_MEASURED,
    WEAVE,
)
from spatialweave.io.run_names import method_and_seed
from spatialweave.passport.passport import ModalityMarkers, Passport
from spatialweave.prose import listing
from spatialweave.results.titles import modality_title

UNTESTED = {
    NOT_MEASURED: "this modality was measured at none of its spots.",
    NOT_COMPARED: f"no section has {FEWEST} of its spots and {FEWEST} others with this modality.",
    NOT_FOUND_AGAIN: "a third of the spots does not find it again, so no p value would be valid.",
    FEW_TEST_SPOTS: f"no section has {FEWEST} of its test spots and {FEWEST} others with this modality.",
}
"""Why the features of a modality could not be tested, in words, by the column `test` of markers.csv."""


def no_markers_sentence(found: ModalityMarkers) -> str:
    """Return why a domain has no markers in a modality; "" if it has some."""
    if found.best:
        return ""
    if found.untested:
        return f"Not tested: {UNTESTED.get(found.untested, found.untested)}"
    return "None: no feature of this modality is higher here than elsewhere beyond chance."


def certainty_sentence(one: Passport, labels: Mapping[int, str]) -> str:
    """Return how certain the domain is, and with which other domain it is confused most.

    Parameters
    ----------
    labels
        Number -> label of each domain of the run.
    """
    if one.certainty is None:
        return ""
    sure = 100 * (1 - one.certainty.doubtful)
    text = f"At {sure:.0f}% of its spots the {one.certainty_is} is 0.5 or more."
    if one.certainty.rival is None:
        return f"{text} No other run places its spots elsewhere."
    share = 100 * one.certainty.rival_fraction
    placed = "less than 1%" if share < 1 else f"{share:.0f}%"
    rival = labels.get(one.certainty.rival, str(one.certainty.rival))
    return f"{text} Confused most with domain {rival}: other runs place {placed} of its spots there, on average."


def seen_sentence(one: Passport, titles: Mapping[str, str]) -> tuple[str, bool]:
    """Return which methods see the domain, and whether only one does.

    For a run that is not the consensus, its own method always sees it.
    """
    own = method_and_seed(one.run)[0]
    seeing = {method: seen for method, (seen, _) in one.seeing.items()}
    if own != WEAVE:
        seeing[own] = seeing.get(own, 0) + 1
    if len(seeing) < 2:
        return ("", False) if not one.sightings else (_of_seeds(one), False)
    found = [titles.get(method, method) for method, seen in seeing.items() if seen]
    if len(found) == 1:
        others = "method" if len(seeing) == 2 else f"{len(seeing) - 1} methods"
        return f"{found[0]} alone sees it: no run of the other {others} has such a domain.", True
    if not found:
        return "No single run has such a domain: it lies where parts of their domains overlap.", True
    if len(found) == len(seeing):
        return f"{'Both' if len(seeing) == 2 else f'All {len(seeing)}'} methods see it.", False
    lacking = [titles.get(method, method) for method, seen in seeing.items() if not seen]
    return f"{len(found)} of {len(seeing)} methods see it; {listing(lacking)} {_do(lacking)} not.", False


def need_sentence(one: Passport) -> str:
    """Return which modality the domain needs, by the control with and without each; "" if unknown."""
    with_all = next((found for found in one.by_modality if found.without is None), None)
    if with_all is None:
        return ""
    if with_all.jaccard < FOUND_AGAIN:
        return "The control does not find it with all modalities either, so this does not show which modality it needs."
    without = [(modality_title(found.without), found) for found in one.by_modality if found.without]
    needed = [name for name, found in without if found.high < FOUND_AGAIN]
    uncertain = [name for name, found in without if found.jaccard < FOUND_AGAIN <= found.high]
    texts = []
    if needed:
        texts.append(f"It needs {listing(needed)}: without {_each(needed)} it is not found.")
    if uncertain:
        texts.append(f"Uncertain for {listing(uncertain)}: without {_each(uncertain)} only some seeds find it.")
    return " ".join(texts) or "It needs no single modality: without any one of them it is found by the others."


def _of_seeds(one: Passport) -> str:
    """Return, for a single method, how many of its other seeds see the domain."""
    seen = sum(sighting.seen for sighting in one.sightings)
    return f"{seen} of {len(one.sightings)} other seeds see it."


def _each(names: list[str]) -> str:
    return {1: "it", 2: "either of them"}.get(len(names), "any one of them")


def _do(names: list[str]) -> str:
    return "does" if len(names) == 1 else "do"


def p_text(value: float) -> str:
    """Format a p value for a table: 0.03, 0.004, 2e−07."""
    return f"{value:.0e}".replace("-", "−") if 0 < value < 0.001 else f"{value:.3f}".rstrip("0").rstrip(".")
