"""Assessment of a dataset: from the files of its runs to the tables and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.assess.hidden_spots import HiddenSpots
from spatialweave.assess.intervals import Interval
from spatialweave.assess.modality_value import ModalityValues, found_again, modality_values
from spatialweave.assess.permuted_tissue import PermutedTissue, permuted_tissue
from spatialweave.assess.pieces import in_pieces, part
from spatialweave.assess.random_domains import Tissue
from spatialweave.assess.runs import DRAWS, RunEvidence, evidence
from spatialweave.assess.verdict import (
    NO_DOMAINS,
    Verdict,
    console_line,
    kind_of,
    modality_headline,
    modality_reasons,
    verdict,
)
from spatialweave.domains.number import half_agreement
from spatialweave.io.dataset import Dataset, read_dataset
from spatialweave.io.embeddings import MATCHED_RUNS, read_embedding
from spatialweave.io.result_tables import ALL, EVIDENCE, MODALITY_VALUE, WEAVE, of_domain
from spatialweave.io.run_names import RunKey, method_and_seed, run_id, run_of_file
from spatialweave.io.spot_tables import read_domains_of_runs
from spatialweave.threads import one_thread

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Assessment:
    """Results for a dataset without labels.

    Attributes
    ----------
    evidence
        Table :data:`~spatialweave.io.result_tables.EVIDENCE`.
    modality_value
        Table :data:`~spatialweave.io.result_tables.MODALITY_VALUE`; empty if there is only one modality, or no domains.
    verdict
        The verdict as text, for JSON.
    line
        The verdict in one line, for the console.
    """

    evidence: pd.DataFrame
    modality_value: pd.DataFrame
    verdict: dict[str, Any]
    line: str


def assess(
    domain_files: Sequence[Path], embedding_files: Sequence[Path], latents_file: Path, n_domains: int, seed: int
) -> Assessment:
    """Assess the runs and the modalities of a dataset.

    Parameters
    ----------
    domain_files
        One per run, named ``<method>.seed<k>.domains.csv``.
    embedding_files
        Named ``<method>.seed<k>.h5ad``, for any of these runs; the stability of runs without one is not computed. The
        file of the consensus lists the runs that it joins; without it, the consensus is assumed to join none.
    latents_file
        Latents of the dataset.
    n_domains
        The number of domains of the dataset.

    Raises
    ------
    InputError
        When a file cannot be used, has other spots or is given twice.
    """
    dataset = read_dataset(latents_file)
    domains = read_domains_of_runs(domain_files, dataset.obs)
    # The consensus comes last, because it is made from the others.
    runs = {run: domains[run] for run in sorted(domains, key=lambda run: (run[0] == WEAVE, run))}
    with one_thread():
        return _assess(dataset, runs, embedding_files, n_domains, seed)


def _assess(
    dataset: Dataset, runs: dict[RunKey, np.ndarray], embedding_files: Sequence[Path], n_domains: int, seed: int
) -> Assessment:
    permuted = permuted_tissue(dataset, n_domains, seed)
    halves, joined = _of_embeddings(embedding_files, dataset, runs, n_domains)
    rows = in_pieces(dataset.coordinates, dataset.section_of_spot)
    sample = part(dataset, rows)
    hidden = HiddenSpots.of(sample)
    tissue = Tissue.of(sample.coordinates, sample.section_of_spot, seed)
    run_evidence = evidence(
        hidden, tissue, permuted, {run: domains[rows] for run, domains in runs.items()}, halves, seed
    )
    decided = verdict(run_evidence, permuted, joined)
    # Without domains there is nothing that a modality could add to.
    values = None if decided.kind == NO_DOMAINS else modality_values(sample, hidden, permuted, n_domains, seed)
    return Assessment(
        EVIDENCE.frame(row for run in run_evidence for row in _evidence_rows(dataset.name, run)),
        MODALITY_VALUE.frame(
            [*_modality_rows(dataset.name, values), *run_rows(dataset.name, values, runs, rows)] if values else ()
        ),
        _as_json(dataset.name, n_domains, decided, run_evidence, permuted, values, len(rows)),
        console_line(dataset.name, decided, values),
    )


def _of_embeddings(
    files: Sequence[Path], dataset: Dataset, runs: dict[RunKey, np.ndarray], n_domains: int
) -> tuple[dict[RunKey, list[float]], list[str]]:
    """Return the stability of the embeddings, and the runs that the consensus joins (it has no stability itself)."""
    halves: dict[RunKey, list[float]] = {}
    joined: list[str] = []
    for path in files:
        run = method_and_seed(run_of_file(path, ".h5ad"))
        if run not in runs:
            continue
        data = read_embedding(path, dataset.obs.index, keys=[MATCHED_RUNS])
        if run[0] == WEAVE:
            joined = list(map(str, data.obsm[MATCHED_RUNS].columns)) if MATCHED_RUNS in data.obsm else []
        else:
            halves[run] = half_agreement(np.asarray(data.X), n_domains, run[1])
    return halves, joined


def _evidence_rows(dataset: str, run: RunEvidence) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of one run: those by modality, then those of the run itself."""
    for modality, support in run.support.items():
        values = {
            "explained": support.explained.value,
            "explained_low": support.explained.low,
            "explained_high": support.explained.high,
            "random_mean": support.random_mean,
            "random_sd": support.random_sd,
            "z": support.z,
            "p_random": support.p_random,
            "p_permuted": support.p_permuted,
        }
        for statistic, value in values.items():
            yield dataset, run.method, run.seed, modality, statistic, value
    of_the_run = {
        "behind": run.behind.value,
        "behind_low": run.behind.low,
        "behind_high": run.behind.high,
        "agreement_with_runs": run.agreement,
        "agreement_with_seeds": run.seeds,
        "stability": run.halves.value if run.halves else float("nan"),
    }
    for statistic, value in of_the_run.items():
        if np.isfinite(value):
            yield dataset, run.method, run.seed, ALL, statistic, value


def _modality_rows(dataset: str, values: ModalityValues) -> Iterator[tuple[Any, ...]]:
    def row(name: str, statistic: str, of: str, interval: Interval) -> tuple[Any, ...]:
        return dataset, name, statistic, of, interval.value, interval.low, interval.high

    for value in values.modalities:
        for target, gain in value.gain.items():
            yield row(value.name, "gain", target, gain)
        yield row(value.name, "gain", "others", value.gain_others)
        yield row(value.name, "explained_without", "others", value.others_without)
        for which, stability in value.stability.items():
            yield row(value.name, "stability", which, stability)
        for domain, again in enumerate(value.again, start=1):
            yield row(value.name, "found_without", str(domain), again)
        if value.predicted is not None:
            yield row(value.name, "predicted", "others", value.predicted.by_others)
            yield row(value.name, "predicted", "itself", value.predicted.by_itself)
    for domain, again in enumerate(values.again, start=1):
        yield row(ALL, "found_again", str(domain), again)


def run_rows(
    dataset: str, values: ModalityValues, runs: dict[RunKey, np.ndarray], rows: np.ndarray
) -> Iterator[tuple[Any, ...]]:
    """Yield rows of MODALITY_VALUE: how well the control recovers the domains of each run.

    The control uses all modalities, and then all but one.

    Parameters
    ----------
    runs
        Domains, numbered from 1, of every spot.
    rows
        The spots to which `values` refer.
    """
    found = {(ALL, "run_found"): values.partitions}
    found |= {(value.name, "run_found_without"): value.without for value in values.modalities}
    for run, domains in runs.items():
        codes = domains[rows] - 1
        for (modality, statistic), partitions in found.items():
            again = found_again(codes, partitions)
            # Small domains may lie outside the sampled pieces of the tissue.
            for domain in np.flatnonzero(np.bincount(codes)).tolist():
                of = of_domain(run_id(*run), domain + 1)
                yield dataset, modality, statistic, of, again[domain].value, again[domain].low, again[domain].high


def _as_json(
    dataset: str,
    n_domains: int,
    decided: Verdict,
    runs: list[RunEvidence],
    permuted: PermutedTissue,
    values: ModalityValues | None,
    n_spots: int,
) -> dict[str, Any]:
    clearest = permuted.clearest
    return {
        "dataset": dataset,
        "n_domains": n_domains,
        "spots": n_spots,
        "random_domains": DRAWS,
        **asdict(decided),
        "tissue": {
            "spots": permuted.n_spots,
            "permutations": len(clearest.permuted[ALL]),
            "averaged": clearest.rounds,
            "explained": clearest.found,
            "permuted_highest": {name: float(null.max()) for name, null in clearest.permuted.items()},
            "p": {name: permuted.p(name) for name in clearest.found},
        },
        "runs": [
            {"method": run.method, "seed": run.seed, "supported": run.supported, "weaker": run.weaker} for run in runs
        ],
        "modalities": [
            {
                "name": value.name,
                "kind": kind_of(value),
                "headline": modality_headline(value),
                "reasons": modality_reasons(value, values),
                "only_with": values.only_with(value),
            }
            for value in values.modalities
        ]
        if values
        else [],
    }
