"""Characterisation of a dataset: from its files to the tables that describe its domains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.characterise.composition import composition
from spatialweave.characterise.denoised import denoised_rows
from spatialweave.characterise.distributions import correlation_rows, value_rows
from spatialweave.characterise.features import FeatureValues, feature_values
from spatialweave.characterise.gene_sets import MOST_MARKERS, MeasuredSets, enrichment, read_gmt
from spatialweave.characterise.markers import MarkerTests, marker_rows, marker_tests
from spatialweave.characterise.naming import name_domains
from spatialweave.characterise.neighbours import Adjacency, adjacency
from spatialweave.characterise.panel import Panel, read_panel
from spatialweave.characterise.rank_sums import FEWEST
from spatialweave.characterise.rounding import short
from spatialweave.characterise.shared_edges import edge_rows
from spatialweave.characterise.sources import Characterised, CharacterisedRun, read_sources
from spatialweave.characterise.split import split_spots
from spatialweave.characterise.structure import structure_rows
from spatialweave.characterise.trajectory import EmbeddingGraph, embedding_graph, paga_connectivities, pseudotime
from spatialweave.io.notices import warn
from spatialweave.io.result_table import ResultTable
from spatialweave.io.result_tables import (
    BESIDE,
    COMPOSITION,
    DENOISED_AUC,
    DENOISED_CURVES,
    DISTRIBUTIONS,
    GENE_SETS,
    MARKERS,
    NAMES,
    PROFILES,
    PSEUDOTIME,
    SHARED_EDGES,
    STRUCTURE,
)
from spatialweave.io.spot_tables import pseudotime_table
from spatialweave.prose import listing

if TYPE_CHECKING:
    import pandas as pd

TABLES = {
    "markers": MARKERS,
    "profiles": PROFILES,
    "structure": STRUCTURE,
    "neighbours": BESIDE,
    "composition": COMPOSITION,
    "distributions": DISTRIBUTIONS,
    "shared_edges": SHARED_EDGES,
    "denoised_auc": DENOISED_AUC,
    "denoised_curves": DENOISED_CURVES,
    "pseudotime": PSEUDOTIME,
    "names": NAMES,
    "gene_sets": GENE_SETS,
}
"""Tables by the names of their files; the last two exist only if a panel or gene sets are given."""

PROFILED = 5
"""Number of features per domain and modality whose values in every domain are listed."""


def characterise(
    files: Path,
    runs: Sequence[str],
    seed: int,
    gene_sets: Path | None = None,
    panel: Path | None = None,
    root: int | None = None,
) -> dict[str, pd.DataFrame]:
    """Return the tables of :data:`TABLES` by name.

    Parameters
    ----------
    files, runs
        See :func:`spatialweave.characterise.sources.read_sources`; the first run in the tables is the one that the
        report shows first.
    gene_sets, panel
        The user's gene sets (GMT) and panel of markers (YAML).
    root
        The domain (from 1) of the named runs, or else of the run shown first, in which pseudotime begins; in other
        runs, and if it is None, it is chosen by the rule of :func:`pseudotime`.

    Raises
    ------
    InputError
        When a file cannot be used.
    """
    import pandas as pd

    # The user's files are read first, so that a mistake in them is reported before the counts are read.
    sets = None if gene_sets is None else read_gmt(gene_sets)
    names = None if panel is None else read_panel(panel)
    sources, measured_in, counts = read_sources(files, runs)
    tables = feature_values(measured_in, counts, sources.dataset.obs)
    measured = {} if sets is None else {table.modality: MeasuredSets.of(sets, table.names) for table in tables}
    _warn_of_unmeasured(tables, gene_sets, measured, panel, names)
    given = _Given(seed, measured, names, None if root is None else root - 1)
    rows: dict[str, list[Any]] = {name: [] for name in TABLES}
    rooted = {run.id for run in sources.runs} & set(runs) or {sources.runs[0].id}
    for run in sources.runs:
        # Domains of different runs have different numbers.
        own = given if run.id in rooted else replace(given, root=None)
        for name, found in _of_run(files, sources, run, tables, own):
            rows[name] += found
    # Pseudotime has one row per spot, so it comes as tables instead of rows.
    times = rows.pop("pseudotime")
    optional = {"names": names is not None, "gene_sets": sets is not None}
    result = {name: TABLES[name].frame(found) for name, found in rows.items() if optional.get(name, True)}
    return result | {"pseudotime": pd.concat(times, ignore_index=True) if times else PSEUDOTIME.frame([])}


def table_of(name: str) -> ResultTable:
    """Return the kind of the table in the file ``<name>.csv``."""
    return TABLES[name]


@dataclass(frozen=True)
class _Given:
    """What the user gave: the seed, gene sets by modality, the panel, and the root domain (from 0)."""

    seed: int
    sets: Mapping[str, MeasuredSets]
    panel: Panel | None
    root: int | None


def _of_run(
    files: Path,
    sources: Characterised,
    run: CharacterisedRun,
    tables: Sequence[FeatureValues],
    given: _Given,
) -> Iterator[tuple[str, Iterable[Any]]]:
    """Yield the rows of one run, each with the name of its table."""
    split = split_spots(sources.dataset, run.codes, run.n_domains, given.seed)
    pooled: list[MarkerTests] = []
    for table in tables:
        tests = marker_tests(table, sources.dataset.section_rows(), run.codes, run.n_domains, split)
        for one in tests:
            yield "markers", marker_rows(run.id, one, split.found_again)
        best = _best(tests[0])
        yield "profiles", _profiles(run.id, tests[0], best)
        yield "distributions", value_rows(run, table, best, table.unit, given.seed)
        if table.modality in given.sets:
            yield "gene_sets", _gene_sets(run.id, tests[0], given.sets[table.modality])
        pooled.append(tests[0])
    _warn_of_untested(run, pooled)
    if given.panel is not None:
        yield "names", [{"run": run.id, **vars(score)} for score in name_domains(given.panel, pooled)]
    of_values = list(zip(tables, pooled, strict=True))
    areas, curves = denoised_rows(files, sources, run, of_values, split, given.seed)
    yield "denoised_auc", areas
    yield "denoised_curves", curves
    yield "distributions", correlation_rows(sources.dataset, run, given.seed)
    yield "shared_edges", edge_rows(sources, run, given.seed)
    graph = None
    if run.continuous is not None:
        name, embedding = run.continuous
        graph = embedding_graph(embedding, given.seed)
        time = pseudotime(graph, embedding, run.codes, given.root)
        if time is not None:
            run.per_spot["pseudotime"] = time.values
            yield "pseudotime", [pseudotime_table(run.id, name, sources.dataset.obs, time.values)]
    yield "structure", structure_rows(sources, run, split.found_again)
    yield "neighbours", _neighbours(sources, run, graph)
    composed = composition(sources.columns, run.codes, run.n_domains)
    yield "composition", [{"run": run.id, **row} for row in composed]


def _warn_of_unmeasured(
    tables: Sequence[FeatureValues],
    gene_sets: Path | None,
    sets: Mapping[str, MeasuredSets],
    panel: Path | None,
    names: Panel | None,
) -> None:
    """Warn of gene sets, of a panel and of its names, if none of the features was measured."""
    if sets and not any(own.members for own in sets.values()):
        warn(
            str(gene_sets),
            "no set has at least three measured features; check that its names are those of the measured organism",
        )
    features = {(kind, name.upper()) for table in tables for name in table.names for kind in ("", table.modality)}
    lost = [
        name
        for name, own in (names or {}).items()
        if not any((marker.modality, marker.feature.upper()) in features for marker in own)
    ]
    if names and len(lost) == len(names):
        warn(str(panel), "none of its markers was measured; check that its names are of the same kind as the features'")
    elif lost:
        quoted = listing(f"'{name}'" for name in lost)
        warn(str(panel), f"no domain can have the name{'s' * (len(lost) > 1)} {quoted}: no marker was measured")


def _warn_of_untested(run: CharacterisedRun, pooled: list[MarkerTests]) -> None:
    """Warn of domains that have enough spots, but cannot be compared with others in some modality."""
    enough = np.bincount(run.codes, minlength=run.n_domains) >= FEWEST
    for domain in np.flatnonzero(enough).tolist():
        names = [tests.modality for tests in pooled if not tests.found.testable[domain]]
        if names:
            warn(
                f"{run.id}, domain {domain + 1}",
                f"no section has {FEWEST} spots of it and {FEWEST} other spots with {listing(names)} to compare, so it "
                "has no markers there",
            )


def _best(tests: MarkerTests) -> list[int]:
    """Return each domain's best markers, or its best features if it has fewer markers."""
    is_marker = tests.is_marker
    chosen: list[int] = []
    for number in range(len(tests.found.sizes)):
        ranked = tests.ranked(number)
        first = np.argsort(~is_marker[number, ranked], kind="stable")
        chosen += ranked[first][:PROFILED].tolist()
    return list(dict.fromkeys(chosen))


def _profiles(run: str, tests: MarkerTests, features: list[int]) -> Iterator[dict[str, Any]]:
    """Yield the mean and fraction of features in every domain."""
    for feature in features:
        for domain in np.flatnonzero(tests.found.sizes).tolist():
            yield {
                "run": run,
                "modality": tests.modality,
                "feature": tests.features[feature],
                "domain": domain + 1,
                "mean": short(tests.found.mean[domain, feature]),
                "fraction": short(tests.found.fraction[domain, feature]),
            }


def _gene_sets(run: str, tests: MarkerTests, sets: MeasuredSets) -> Iterator[dict[str, Any]]:
    is_marker = tests.is_marker
    for domain in np.flatnonzero(tests.found.testable).tolist():
        ranked = tests.ranked(domain)
        markers = ranked[is_marker[domain, ranked]][:MOST_MARKERS]
        for row in enrichment(sets, markers, tests.features):
            yield {"run": run, "modality": tests.modality, "domain": domain + 1, **row}


def _neighbours(
    sources: Characterised, run: CharacterisedRun, graph: EmbeddingGraph | None
) -> Iterator[dict[str, Any]]:
    total: Adjacency | None = None
    for rows in sources.dataset.section_rows().values():
        counted = adjacency(sources.graph[rows][:, rows], run.codes[rows], run.n_domains)
        total = counted if total is None else total + counted
    assert total is not None
    paga = None if graph is None else paga_connectivities(graph, run.codes, run.n_domains)
    fraction, expected, ratio = total.fraction, total.expected_fraction, total.ratio
    for domain in range(run.n_domains):
        for other in range(run.n_domains):
            at = domain, other
            yield {
                "run": run.id,
                "domain": domain + 1,
                "other": other + 1,
                "edges": int(total.observed[at]),
                "fraction": short(fraction[at]),
                "expected": short(expected[at]),
                "ratio": short(ratio[at]),
                "paga": float("nan") if paga is None or domain == other else short(paga[at]),
            }
