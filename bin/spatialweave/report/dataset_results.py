"""What the files of one dataset hold, for its report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.io.joined_counts import SectionSize
from spatialweave.io.tissue_image import TissueImage
from spatialweave.passport.dataset import passports
from spatialweave.passport.passport import Passport
from spatialweave.passport.tables import read_tables
from spatialweave.report.alignment import SectionAlignment, read_alignment
from spatialweave.report.verdict import ModalitiesPart, VerdictPart, read_verdict
from spatialweave.results.counts import read_counts
from spatialweave.results.first_run import BestRun, first_run
from spatialweave.results.records import read_failures, read_params, read_preprocessing, read_presets
from spatialweave.results.runs import MethodRun, read_methods, read_metrics, read_runs
from spatialweave.results.spots import DatasetSpots, read_spots
from spatialweave.results.titles import method_titles
from spatialweave.results.values import FeatureTable

if TYPE_CHECKING:
    import pandas as pd

    from spatialweave.presets import MethodPreset


@dataclass
class DatasetSources:
    """The files a dataset report is made from; see bin/report_dataset.py.

    Attributes
    ----------
    latents
        One or more, with the recipes of the methods; spots are those of the first.
    files
        Folder with the files of quality control, the runs and the alignment, known by their names.
    """

    dataset: str
    latents: Sequence[Path]
    counts: Path | None = None
    graph_stats: Sequence[Path] = ()
    files: Path | None = None
    presets: Path | None = None
    failures: Path | None = None
    params: Path | None = None
    run_record: str | None = None


@dataclass(frozen=True)
class DatasetResults:
    """Results of one dataset, read from its files; empty or None where a stage left none.

    Attributes
    ----------
    preprocessing
        By recipe the preprocessing record of each modality.
    images
        Images of the sections, by section.
    shown
        Number of the run that the report shows first.
    best
        The run with the best scores, None without domains.
    titles
        Title of each method.
    """

    spots: DatasetSpots
    preprocessing: dict[str, dict[str, Any]]
    sections: list[SectionSize]
    features: list[FeatureTable]
    images: dict[str, TissueImage]
    runs: list[MethodRun]
    metrics: pd.DataFrame
    presets: dict[str, MethodPreset]
    params: dict[str, Any]
    shown: int | None
    best: BestRun | None
    titles: dict[str, str]
    passports: dict[str, list[Passport]]
    alignment: SectionAlignment | None
    verdict: VerdictPart | None
    modalities: ModalitiesPart | None
    failures: list[dict[str, Any]]


def read_results(sources: DatasetSources) -> DatasetResults:
    """Read all files that several parts of the report are made from.

    Raises
    ------
    InputError
        When a file breaks the data contract. Files that are missing altogether are reported, not refused.
    """
    files = sources.files
    spots = read_spots(sources.latents[0])
    sections, features, images = read_counts(sources.counts, spots)
    runs = read_runs(files, spots)
    metrics = read_metrics(files, sources.dataset)
    presets = read_presets(sources.presets)
    best, shown = first_run(runs, metrics, read_methods(files))
    titles = method_titles(presets, (run.method for run in runs))
    verdict, modalities = read_verdict(files, titles)
    return DatasetResults(
        spots,
        read_preprocessing(sources.latents),
        sections,
        features,
        images,
        runs,
        metrics,
        presets,
        read_params(sources.params),
        shown,
        best,
        titles,
        passports(spots, runs, shown, read_tables(files), titles),
        read_alignment(files, sources.dataset, spots),
        verdict,
        modalities,
        failures_of(read_failures(sources.failures), sources.dataset),
    )


def failures_of(failures: list[dict[str, Any]], dataset: str) -> list[dict[str, Any]]:
    """The failures of one dataset."""
    return [failure for failure in failures if failure.get("dataset") in (dataset, None, "")]
