"""Titles of modalities, methods and runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from spatialweave.io.result_tables import REFERENCE, WEAVE
from spatialweave.io.run_names import method_and_seed
from spatialweave.metrics.metric_list import MODALITY_TITLES
from spatialweave.presets import MethodPreset

WEAVE_TITLE = "weave (consensus)"
REFERENCE_TITLE = "reference (saved model)"
"""Titles of the consensus, and of sections labelled by a saved model."""


def modality_title(name: str) -> str:
    """Return a modality's title."""
    return MODALITY_TITLES.get(name, name)


def run_title(run: str, titles: Mapping[str, str]) -> str:
    """Return the title of a run, given its id: the consensus, which a dataset has once, is named without its seed."""
    method, seed = method_and_seed(run)
    title = titles.get(method, method)
    return title if method == WEAVE else f"{title}, seed {seed}"


def method_titles(presets: Mapping[str, MethodPreset], methods: Iterable[str]) -> dict[str, str]:
    """Return the title of every method: that of its preset or, without one, its name."""
    titles = {method: method for method in methods} | {method: preset.title for method, preset in presets.items()}
    return titles | {WEAVE: WEAVE_TITLE, REFERENCE: REFERENCE_TITLE}
