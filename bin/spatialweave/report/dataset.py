"""The report of one dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.domains import palette
from spatialweave.io.joined_counts import SectionSize
from spatialweave.io.result_tables import REFERENCE, WEAVE
from spatialweave.passport.dataset import passports, run_id
from spatialweave.passport.tables import read_tables
from spatialweave.report import alignment_table, consensus, inputs, methods_text, tables
from spatialweave.report.alignment import SectionAlignment, read_alignment
from spatialweave.report.alignment_data import MAX_POINTS, alignment_data
from spatialweave.report.analyses import AnalysesPart, read_analyses
from spatialweave.report.characterised import read_characterised
from spatialweave.report.domain_flows import domain_flows
from spatialweave.report.encode import script_json
from spatialweave.report.feature_maps import lookups
from spatialweave.report.images import map_images, micrometres_on_map
from spatialweave.report.inputs import DatasetSpots, MethodRun
from spatialweave.report.numbers import number_of_domains
from spatialweave.report.page_data import MAX_MAP_SPOTS, page_data, shown_spots
from spatialweave.report.passports import best_markers, passport_links, passport_pages
from spatialweave.report.provenance import read_run, versions_of_runs
from spatialweave.report.pseudotime_map import pseudotime_map
from spatialweave.report.qc_plots import qc_plots
from spatialweave.report.questions import questions
from spatialweave.report.render import render
from spatialweave.report.scores import BestRun, starred
from spatialweave.report.verdict import VerdictPart, read_verdict

if TYPE_CHECKING:
    import pandas as pd

    from spatialweave.presets import MethodPreset


@dataclass
class DatasetSources:
    """The files a dataset report is made from; see bin/report_dataset.py.

    Attributes
    ----------
    latents
        One or more; spots are those of the first.
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


def write_dataset_report(sources: DatasetSources, target: Path) -> None:
    """Read the sources and write the report, one HTML file that needs nothing else.

    Raises
    ------
    InputError
        When a file breaks the data contract. Files that are missing altogether are reported, not refused.
    """
    spots, preprocessing = inputs.read_spots(sources.latents[0])
    sections, features, images = inputs.read_counts(sources.counts, spots)
    runs = inputs.read_runs(sources.files, spots)
    metrics = inputs.read_metrics(sources.files, sources.dataset)
    presets = inputs.read_presets(sources.presets)
    params = inputs.read_params(sources.params)
    best, index = consensus.first_run(runs, metrics)
    titles = method_titles(presets, runs)
    found = passports(spots, runs, index, read_tables(sources.files), titles)
    data = page_data(sources.dataset, spots, features, runs, titles, index, best_markers(found))
    data["images"] = map_images(images, spots, data["sections"])
    data["micrometres"] = micrometres_on_map(sections, data["sections"])
    alignment = read_alignment(sources.files, sources.dataset, spots)
    if alignment:
        data["alignment"] = alignment_data(alignment, spots, shown_spots(len(spots)), runs, titles)
    columns, groups = tables.metric_groups(metrics, starred(inputs.read_differences(sources.files)))
    verdict, modalities = read_verdict(sources.files)
    woven = consensus.consensus_table(runs, titles)
    numbers = number_of_domains(sources.files, titles)
    failures = failures_of(inputs.read_failures(sources.failures), sources.dataset)
    run = read_run(sources.run_record)
    characterised = read_characterised(sources.files, titles)
    looks = {run_id(one): own["domains"] for one, own in zip(runs, data["runs"], strict=True)}
    analyses = read_analyses(sources.files, titles, looks)
    data["pseudotime"] = pseudotime_map(sources.files, spots, runs, shown_spots(len(spots)), titles)
    pages = passport_pages(found, titles, looks)
    has_per_spot = any(one["perSpot"] for one in data["runs"])
    render(
        "dataset.html",
        target,
        ["start.js", "paper.js"],
        dataset=sources.dataset,
        headline=headline(spots, sections, runs, best),
        best=best,
        consensus=woven,
        verdict=verdict,
        modalities=modalities,
        characterised=characterised,
        analyses=analyses,
        pseudotime=data["pseudotime"],
        passports=pages,
        cohort_page=cohort_page(sources.files),
        passport_links=passport_links(pages),
        consensus_run=next((run_id(one) for one in runs if one.method == WEAVE), ""),
        numbers=numbers,
        titles=titles,
        n_spots=len(spots),
        max_map_spots=MAX_MAP_SPOTS,
        has_labels=spots.labels is not None,
        has_domains=any(run.domains for run in runs),
        has_umap=any(run["umap"] for run in data["runs"]),
        has_losses=any(run["losses"] for run in data["runs"]),
        has_images=bool(data["images"]),
        has_scale_bar=any(data["micrometres"]),
        matched_share=palette.MATCHED_SHARE,
        plain_colours=palette.PLAIN,
        consensus_name=WEAVE,
        lookups=lookups(features, data["features"]),
        has_extras=any(run["perSpot"] and run["perSpot"]["extras"] for run in data["runs"]),
        has_denoised=any(run["perSpot"] and run["perSpot"]["denoised"] for run in data["runs"]),
        wide=data["wide"],
        aspect=data["aspect"],
        **alignment_part(alignment),
        domain_flows=domain_flows(alignment.matches, runs, spots.stack()[1], titles) if alignment else [],
        understood=tables.understood_lines(sources.files),
        qc_table=tables.qc_table(sources.files),
        qc_plots=qc_plots(sources.files),
        metric_columns=columns,
        metric_groups=groups,
        resources=tables.resource_rows(runs),
        configs=[(run, tables.settings(run.training.get("config", {}))) for run in first_seeds(runs)],
        graphs=tables.graph_tables(sources.graph_stats),
        failures=failures,
        run_line=run.line() if run else "",
        run_rows=run.rows() if run else [],
        questions=questions(
            len(modalities.modalities) if modalities else 0,
            [
                ("maps", True),
                ("consensus", bool(woven)),
                ("number", numbers is not None),
                ("characterised", characterised is not None),
                ("passports", bool(pages)),
                *analyses_parts(analyses),
                ("markers", any(one.domains for one in runs)),
                ("verdict", verdict is not None),
                ("metrics", True),
                ("modalities", modalities is not None),
                ("per_spot", has_per_spot),
                ("alignment", alignment is not None),
                ("quality", True),
                ("failures", bool(failures)),
                ("methods", True),
                ("training", True),
                ("graphs", True),
                ("settings", True),
            ],
        ),
        methods=compose_methods(spots, runs, presets, params, preprocessing, metrics, verdict),
        params=tables.settings(params),
        versions=versions_of_runs([one.training for one in runs]),
        data=script_json(data),
    )


def analyses_parts(found: AnalysesPart | None) -> list[tuple[str, bool]]:
    """Which parts of the page show what CHARACTERISE measured beyond markers."""
    return [
        ("distributions", bool(found and found.values)),
        ("trajectory", bool(found and found.joined)),
        ("preserved", bool(found and (found.correlations or found.edges))),
        ("denoised", bool(found and found.denoised)),
        ("shares", bool(found and found.shares)),
    ]


def alignment_part(alignment: SectionAlignment | None) -> dict[str, Any]:
    """What the template needs of the alignment of the sections."""
    columns, metrics = alignment_table.metric_rows(alignment.metrics if alignment else None)
    return {
        "has_alignment": alignment is not None,
        "has_aligned": alignment is not None and alignment.coordinates is not None,
        "has_matches": alignment is not None and bool(alignment.matches),
        "max_points": MAX_POINTS,
        "alignment_methods": columns,
        "alignment_metrics": metrics,
        "transforms": alignment_table.transforms_table(alignment.transforms if alignment else None),
    }


def method_titles(presets: dict[str, MethodPreset], runs: list[MethodRun]) -> dict[str, str]:
    """Per method the title of its preset, its name where there is none."""
    titles = {run.method: run.method for run in runs} | {method: preset.title for method, preset in presets.items()}
    return titles | {WEAVE: consensus.TITLE, REFERENCE: consensus.REFERENCE_TITLE}


def first_seeds(runs: list[MethodRun]) -> list[MethodRun]:
    """One run of each method: settings do not differ between seeds."""
    return list({run.method: run for run in reversed(runs)}.values())[::-1]


def headline(
    spots: DatasetSpots, sections: list[SectionSize], runs: list[MethodRun], best: BestRun | None
) -> dict[str, Any]:
    """The facts at the top of the page."""
    counts: dict[str, int] = {}
    features: dict[str, int] = {}
    for section in sections:
        for name, count in section.spots.items():
            counts[name] = counts.get(name, 0) + count
            features[name] = max(features.get(name, 0), section.features[name])
    chosen = next((run for run in runs if best and (run.method, run.seed) == (best.method, best.seed)), None)
    labels = [label for label in spots.labels or [] if label]
    return {
        "spots": len(spots),
        "modalities": [(name, counts[name], features[name]) for name in counts],
        "sections": spots.obs["section"].nunique(),
        "platforms": sorted({section.platform for section in sections if section.platform}),
        "layout": spots.layout,
        "domains": len(set(chosen.domains or [])) if chosen else None,
        "labels": len(set(labels)),
        "labelled": len(labels),
        "methods": len({run.method for run in runs} - {WEAVE}),
        "runs": sum(run.method != WEAVE for run in runs),
    }


def cohort_page(files: Path | None) -> str:
    """The address of the page of COHORT from the report's folder, "" where there is none."""
    found = files is not None and any(files.rglob("cohort.html"))
    return "cohort/cohort.html" if found else ""


def failures_of(failures: list[dict[str, Any]], dataset: str) -> list[dict[str, Any]]:
    """The failures of one dataset."""
    return [failure for failure in failures if failure.get("dataset") in (dataset, None, "")]


def compose_methods(
    spots: DatasetSpots,
    runs: list[MethodRun],
    presets: dict[str, MethodPreset],
    params: dict[str, Any],
    preprocessing: dict[str, Any],
    metrics: pd.DataFrame,
    verdict: VerdictPart | None,
) -> methods_text.MethodsText:
    """The methods section of this dataset."""
    methods = list(dict.fromkeys(run.method for run in runs))
    clustering = sorted({str(run.clustering["clustering"]) for run in runs if "clustering" in run.clustering})
    labelled = spots.labels is not None
    umap = any(run.embedding is not None for run in runs)
    paragraphs = [
        methods_text.data_paragraph(spots, list(preprocessing)),
        methods_text.qc_paragraph(params),
        *methods_text.preprocessing_paragraphs(preprocessing),
        *methods_text.training_paragraphs(runs, presets),
        methods_text.clustering_paragraph(clustering, params.get("refine")),
        methods_text.consensus_paragraph(methods),
        methods_text.evaluation_paragraph(labelled, umap) if len(metrics) else "",
        methods_text.verdict_paragraph(verdict),
    ]
    return methods_text.MethodsText(
        [paragraph for paragraph in paragraphs if paragraph],
        methods_text.references(
            presets,
            methods,
            clustering,
            labelled and bool(len(metrics)),
            umap,
            methods_text.uses_harmony(preprocessing),
        ),
    )
