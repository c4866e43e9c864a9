"""Comparison of the conditions of a dataset: from its files to tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.characterise.sources import CharacterisedRun, read_sources
from spatialweave.cohort.abundance import differential_abundance, sizes_of
from spatialweave.cohort.expression import ExpressionChanges, differential_expression, over_conditions
from spatialweave.cohort.neighbourhoods import differential_neighbourhoods
from spatialweave.cohort.samples import Remark, Samples, read_samples
from spatialweave.io.contract import CONDITION, DONOR, PRECOMPUTED, is_intensities
from spatialweave.io.count_matrix import Counts
from spatialweave.io.notices import warn
from spatialweave.io.result_tables import ABUNDANCE, EXPRESSION, NAMES, NEIGHBOURHOODS, SAMPLES
from spatialweave.modalities import MODALITIES, MODALITY_KINDS
from spatialweave.passport.tables import domain_labels, read_table

if TYPE_CHECKING:
    import mudata
    import pandas as pd

LEVEL = 0.05
"""False discovery rate at which a difference is reported."""

NOT_COUNTS = "its values are declared precomputed and are not counts"


@dataclass(frozen=True)
class Comparison:
    """Tables of a cohort (their columns are in :mod:`spatialweave.io.result_tables`), for the run `run`.

    Attributes
    ----------
    pairing
        For each condition that is compared with the reference, which donors the comparison uses.
    few
        The conditions with few donors, "" = none.
    labels
        Number and, if there is one, name of each domain.
    untested_domains, untested_borders, untested_features
        What `abundance`, `neighbourhoods` and `expression` do not have, and why.
    doubtful_features
        Which changes in `expression` may be due to those of other features.
    """

    dataset: str
    run: str
    reference: str
    pairing: dict[str, str]
    few: str
    labels: dict[int, str]
    samples: pd.DataFrame
    abundance: pd.DataFrame
    neighbourhoods: pd.DataFrame
    expression: pd.DataFrame
    untested_domains: list[Remark]
    untested_borders: list[Remark]
    untested_features: list[Remark]
    doubtful_features: list[Remark]

    def findings(self) -> list[str]:
        """Return a line per condition: the donors compared, and what differs."""
        return [f"{pairing}; {self._found(condition)}" for condition, pairing in self.pairing.items()]

    def line(self) -> str:
        """Return the findings in one line."""
        return f"{self.dataset}: {'. '.join(self.findings())}"

    def _found(self, condition: str) -> str:
        def number(rows: pd.DataFrame) -> str:
            return str(len(rows))

        def names(rows: pd.DataFrame) -> str:
            return ", ".join(self.labels[domain] for domain in rows["domain"]) or "none"

        domains = self._result(condition, self.abundance, names, self.untested_domains)
        pairs = self._result(condition, self.neighbourhoods, number, self.untested_borders)
        features = self._result(condition, self.expression, number, self.untested_features)
        return (
            f"at {LEVEL:.0%} FDR, domains that change in abundance: {domains}; pairs of a domain and a neighbour that "
            f"change: {pairs}; features that change in expression in a domain: {features}"
        )

    def _result(
        self, condition: str, table: pd.DataFrame, words: Callable[[pd.DataFrame], str], untested: list[Remark]
    ) -> str:
        """Return the rows of a condition that differ, in `words`, with what was not tested, and why."""
        own = table[table["condition"] == condition]
        reasons = "; ".join(remark.words(self.labels) for remark in untested if remark.condition in ("", condition))
        if not own["p"].notna().any():
            return f"not tested ({reasons})"
        found = words(own[own["p_adjusted"] < LEVEL])
        return f"{found} (not tested: {reasons})" if reasons else found


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
    names = read_table(files, "names", NAMES)
    abundance, untested_domains = differential_abundance(samples, sizes)
    borders, untested_borders = differential_neighbourhoods(samples, domains, sizes, sources.graph)
    expression = _expression(samples, run, measured, counts)
    return Comparison(
        sources.dataset.name,
        run.id,
        samples.reference,
        {contrast.condition: contrast.pairing for contrast in samples.contrasts()},
        samples.few(),
        domain_labels(range(1, run.n_domains + 1), None if names is None else names[names["run"] == run.id]),
        SAMPLES.frame(_sizes(samples, sizes)),
        ABUNDANCE.frame(abundance),
        NEIGHBOURHOODS.frame(borders),
        EXPRESSION.frame(over_conditions(expression.rows)),
        untested_domains,
        untested_borders,
        expression.untested,
        expression.doubtful,
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
) -> ExpressionChanges:
    """Compare the modalities that are counts, since DESeq2 models only counts."""
    found = ExpressionChanges()
    for modality in (name for name in MODALITIES if name in data.mod):
        part, title = data.mod[modality], MODALITY_KINDS[modality].title
        if is_intensities(modality, part.uns):
            found.untested.append(Remark("", "intensities are not compared, only counts", modality=title))
            continue
        if PRECOMPUTED in part.uns:
            warn(f"modality {modality}", f"{NOT_COUNTS}, so its features are not compared")
            found.untested.append(Remark("", NOT_COUNTS, modality=title))
            continue
        rows = data.obs_names.get_indexer(part.obs_names)
        of_modality = Samples(samples.table, samples.of_spot[rows], samples.reference)
        domains = run.codes[rows] + 1
        own = differential_expression(of_modality, domains, run.n_domains, counts[modality], part.var_names)
        found.rows += [{"modality": modality, **row} for row in own.rows]
        found.untested += [remark._replace(modality=title) for remark in own.untested]
        found.doubtful += [remark._replace(modality=title) for remark in own.doubtful]
    return found
