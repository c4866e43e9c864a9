"""Comparison of the conditions of a dataset: from its files to tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.characterise.sources import CharacterisedRun, read_sources
from spatialweave.cohort.abundance import differential_abundance, sizes_of
from spatialweave.cohort.expression import differential_expression
from spatialweave.cohort.neighbourhoods import differential_neighbourhoods
from spatialweave.cohort.samples import Samples, read_samples
from spatialweave.io.contract import CONDITION, DONOR, PRECOMPUTED, is_intensities
from spatialweave.io.count_matrix import Counts
from spatialweave.io.notices import warn
from spatialweave.io.result_tables import ABUNDANCE, EXPRESSION, NEIGHBOURHOODS, SAMPLES
from spatialweave.modalities import MODALITIES

if TYPE_CHECKING:
    import mudata
    import pandas as pd

LEVEL = 0.05
"""False discovery rate at which a difference is reported."""


@dataclass(frozen=True)
class Comparison:
    """Tables of a cohort (their columns are in :mod:`spatialweave.io.result_tables`), for the run `run`.

    `few` names the conditions with few donors, "" = none; `pairing` states for every comparison which donors it uses.
    """

    dataset: str
    run: str
    reference: str
    pairing: list[str]
    few: str
    samples: pd.DataFrame
    abundance: pd.DataFrame
    neighbourhoods: pd.DataFrame
    expression: pd.DataFrame

    def line(self) -> str:
        """Return the findings in one line."""
        found = self.abundance[self.abundance["p_adjusted"] < LEVEL]
        changed = ", ".join(f"{row.domain} ({row.condition})" for row in found.itertuples()) or "none"
        n_features = int((self.expression["p_adjusted"] < LEVEL).sum())
        return (
            f"{self.dataset}: against {self.reference} at {LEVEL:.0%} FDR: domains that change in abundance: {changed};"
            f" {n_features} features that change in expression in a domain"
        )


def compare(files: Path, reference: str | None = None) -> Comparison:
    """Compare the conditions of a dataset by the run that the report shows first.

    Parameters
    ----------
    files
        See :func:`spatialweave.characterise.sources.read_sources`.
    reference
        The condition to compare with; None = the first in alphabetical order.

    Raises
    ------
    InputError
        When a file cannot be used, or donors and conditions do not allow a comparison.
    """
    import pandas as pd

    sources, measured, counts = read_sources(files, [])
    run = sources.runs[0]
    sections = sources.dataset.obs["section"].astype(str).reset_index(drop=True)
    columns = [_by_section(sections, sources.columns.get(name)) for name in (DONOR, CONDITION)]
    samples = read_samples(sources.dataset.name, sections, columns[0], columns[1], reference)
    domains = pd.Series(run.codes + 1)
    sizes = sizes_of(samples, domains)
    return Comparison(
        sources.dataset.name,
        run.id,
        samples.reference,
        [contrast.pairing for contrast in samples.contrasts()],
        samples.few(),
        SAMPLES.frame(_sizes(samples, sizes)),
        ABUNDANCE.frame(differential_abundance(samples, sizes)),
        NEIGHBOURHOODS.frame(differential_neighbourhoods(samples, domains, sizes, sources.graph)),
        EXPRESSION.frame(_expression(samples, run, measured, counts)),
    )


def _by_section(sections: pd.Series, values: np.ndarray | None) -> dict[str, str]:
    """Return the value of a column for each section."""
    if values is None:
        return {}
    has_value = values != ""
    return dict(zip(sections[has_value], values[has_value], strict=True))


def _sizes(samples: Samples, sizes: pd.DataFrame) -> Iterator[dict[str, Any]]:
    counts = sizes.to_numpy()
    for (donor, condition), row in zip(samples.table.itertuples(index=False), counts, strict=True):
        for domain, spots in zip(sizes.columns, row, strict=True):
            found = {"donor": donor, "condition": condition, "domain": domain}
            yield found | {"spots": spots, "fraction": spots / row.sum()}


def _expression(
    samples: Samples, run: CharacterisedRun, data: mudata.MuData, counts: Mapping[str, Counts]
) -> Iterator[dict[str, Any]]:
    """Yield rows for the modalities that are counts, since DESeq2 models only counts."""
    import pandas as pd

    names = list(range(1, run.n_domains + 1))
    for modality in (name for name in MODALITIES if name in data.mod):
        part = data.mod[modality]
        if is_intensities(modality, part.uns):
            continue
        if PRECOMPUTED in part.uns:
            warn(
                f"modality {modality}",
                "its values are declared precomputed and are not counts, so its features are not compared",
            )
            continue
        rows = data.obs_names.get_indexer(part.obs_names)
        of_modality = Samples(samples.table, samples.of_spot[rows], samples.reference)
        domains = pd.Series(run.codes[rows] + 1)
        for row in differential_expression(of_modality, domains, names, counts[modality], part.var_names):
            yield {"modality": modality, **row}
