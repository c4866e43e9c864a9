"""The report of one dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spatialweave.comparison.scores import starred
from spatialweave.domains import palette
from spatialweave.io.joined_counts import SectionSize
from spatialweave.io.result_tables import WEAVE
from spatialweave.report import alignment_table, consensus, methods_text, tables
from spatialweave.report.alignment import SectionAlignment
from spatialweave.report.alignment_data import MAX_POINTS, alignment_data
from spatialweave.report.analyses import AnalysesPart, read_analyses
from spatialweave.report.characterised import read_characterised
from spatialweave.report.dataset_results import DatasetResults, DatasetSources, read_results
from spatialweave.report.domain_flows import domain_flows
from spatialweave.report.encode import script_json
from spatialweave.report.feature_maps import lookups
from spatialweave.report.images import map_images, micrometres_on_map
from spatialweave.report.numbers import number_of_domains
from spatialweave.report.page_data import page_data, projected_spots
from spatialweave.report.passports import best_markers, passport_links, passport_pages
from spatialweave.report.provenance import read_run, versions_of_runs
from spatialweave.report.pseudotime_map import pseudotime_map
from spatialweave.report.qc_plots import qc_plots
from spatialweave.report.questions import questions
from spatialweave.report.render import render
from spatialweave.results.first_run import BestRun
from spatialweave.results.projection import MAX_MAP_SPOTS, shown_spots
from spatialweave.results.runs import MethodRun, read_differences
from spatialweave.results.spots import DatasetSpots
from spatialweave.results.titles import run_title


def write_dataset_report(sources: DatasetSources, target: Path) -> None:
    """Read the sources and write the report, one HTML file that needs nothing else.

    Raises
    ------
    InputError
        When a file breaks the data contract. Files that are missing altogether are reported, not refused.
    """
    results = read_results(sources)
    data = map_data(sources, results)
    parts = {**page_parts(sources, results, data), **map_parts(results, data), **alignment_part(results, data)}
    shown = sections_shown(parts)
    render("dataset.html", target, ["start.js", "paper.js"], **parts, questions=shown, data=script_json(data))


def map_data(sources: DatasetSources, results: DatasetResults) -> dict[str, Any]:
    """Return what the page draws (static/data.js), as a value for JSON."""
    spots, runs, titles = results.spots, results.runs, results.titles
    wanted = best_markers(results.passports)
    data = page_data(sources.dataset, spots, results.features, runs, titles, results.shown, wanted)
    rows = shown_spots(len(spots))
    data["images"] = map_images(results.images, spots, data["sections"])
    data["micrometres"] = micrometres_on_map(results.sections, data["sections"])
    data["pseudotime"] = pseudotime_map(sources.files, spots, runs, rows, titles)
    if results.alignment:
        data["alignment"] = alignment_data(results.alignment, spots, rows, runs, titles)
    return data


def page_parts(sources: DatasetSources, results: DatasetResults, data: dict[str, Any]) -> dict[str, Any]:
    """Return the tables, charts and texts of the page, by their names in templates/dataset.html."""
    files, runs, titles = sources.files, results.runs, results.titles
    looks = domain_looks(runs, data)
    pages = passport_pages(results.passports, titles, looks)
    columns, groups = tables.metric_groups(results.metrics, starred(read_differences(files)))
    record = read_run(sources.run_record)
    return {
        "dataset": sources.dataset,
        "headline": headline(results.spots, results.sections, runs, results.best),
        "best": results.best,
        "titles": titles,
        "consensus": consensus.consensus_table(runs, titles),
        "consensus_name": WEAVE,
        "consensus_run": next((run.id for run in runs if run.method == WEAVE), ""),
        "numbers": number_of_domains(files, titles),
        "verdict": results.verdict,
        "modalities": results.modalities,
        "characterised": read_characterised(files, titles),
        "analyses": read_analyses(files, titles, looks),
        "passports": pages,
        "passport_links": passport_links(pages),
        "cohort_page": cohort_page(files),
        "understood": tables.understood_lines(files),
        "qc_table": tables.qc_table(files),
        "qc_plots": qc_plots(files),
        "metric_columns": columns,
        "metric_groups": groups,
        "resources": tables.resource_rows(runs),
        "configs": [(run, tables.settings(run.training.get("config", {}))) for run in first_seeds(runs)],
        "graphs": tables.graph_tables(sources.graph_stats),
        "failures": results.failures,
        "methods": compose_methods(results),
        "params": tables.settings(results.params),
        "versions": versions_of_runs([run.training for run in runs]),
        "run_line": record.line() if record else "",
        "run_rows": record.rows() if record else [],
    }


def map_parts(results: DatasetResults, data: dict[str, Any]) -> dict[str, Any]:
    """Return what the template has to know of the maps."""
    drawn = data["runs"]
    return {
        "shown_run": "" if results.shown is None else run_title(results.runs[results.shown].id, results.titles),
        "n_spots": len(results.spots),
        "max_map_spots": MAX_MAP_SPOTS,
        "lookups": lookups(results.features, data["features"]),
        "pseudotime": data["pseudotime"],
        "has_labels": results.spots.labels is not None,
        "has_domains": any(run.domains is not None for run in results.runs),
        "has_umap": any(run["umap"] for run in drawn),
        "umap_spots": len(projected_spots(len(shown_spots(len(results.spots))), results.runs)),
        "has_losses": any(run["losses"] for run in drawn),
        "has_images": bool(data["images"]),
        "has_scale_bar": any(data["micrometres"]),
        "has_per_spot": any(run["perSpot"] for run in drawn),
        "matched_share": palette.MATCHED_SHARE,
        "plain_colours": palette.PLAIN,
        "different_looks": palette.LOOKS,
        "wide": data["wide"],
        "aspect": data["aspect"],
    }


def domain_looks(runs: list[MethodRun], data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return for each run with domains their names and colours, as the page has them."""
    return {run.id: drawn["domains"] for run, drawn in zip(runs, data["runs"], strict=True) if drawn["domains"]}


def alignment_part(results: DatasetResults, data: dict[str, Any]) -> dict[str, Any]:
    """Return what the template needs of the alignment of the sections."""
    alignment = results.alignment or SectionAlignment()
    columns, metrics = alignment_table.metric_rows(alignment.metrics)
    sections = results.spots.stack()[1]
    return {
        "has_alignment": results.alignment is not None,
        "has_aligned": alignment.coordinates is not None,
        "has_matches": bool(alignment.matches),
        "max_points": MAX_POINTS,
        "alignment_methods": columns,
        "alignment_metrics": metrics,
        "transforms": alignment_table.transforms_table(alignment.transforms),
        "domain_flows": domain_flows(
            alignment.matches, results.runs, domain_looks(results.runs, data), sections, results.titles
        ),
    }


def sections_shown(parts: dict[str, Any]) -> list[tuple[str, str, str, list[str]]]:
    """Return the questions of the page with those of their parts that have something to show."""
    analyses: AnalysesPart | None = parts["analyses"]
    return questions(
        len(parts["modalities"].modalities) if parts["modalities"] else 0,
        [
            ("maps", True),
            ("consensus", bool(parts["consensus"])),
            ("number", parts["numbers"] is not None),
            ("characterised", parts["characterised"] is not None),
            ("passports", bool(parts["passports"])),
            ("distributions", bool(analyses and analyses.values)),
            ("trajectory", bool(analyses and analyses.joined)),
            ("preserved", bool(analyses and (analyses.correlations or analyses.edges))),
            ("denoised", bool(analyses and analyses.denoised)),
            ("shares", bool(analyses and analyses.shares)),
            ("markers", parts["has_domains"]),
            ("verdict", parts["verdict"] is not None),
            ("metrics", True),
            ("modalities", parts["modalities"] is not None),
            ("per_spot", parts["has_per_spot"]),
            ("alignment", parts["has_alignment"]),
            ("quality", True),
            ("failures", bool(parts["failures"])),
            ("methods", True),
            ("training", True),
            ("graphs", True),
            ("settings", True),
        ],
    )


def first_seeds(runs: list[MethodRun]) -> list[MethodRun]:
    """Return one run of each method: settings do not differ between seeds."""
    return list({run.method: run for run in reversed(runs)}.values())[::-1]


def headline(
    spots: DatasetSpots, sections: list[SectionSize], runs: list[MethodRun], best: BestRun | None
) -> dict[str, Any]:
    """Return the facts at the top of the page."""
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
        "domains": len(np.unique(chosen.domains)) if chosen is not None and chosen.domains is not None else None,
        "labels": len(set(labels)),
        "labelled": len(labels),
        "methods": len({run.method for run in runs} - {WEAVE}),
        "runs": sum(run.method != WEAVE for run in runs),
    }


def cohort_page(files: Path | None) -> str:
    """Return the address of the page of COHORT from the report's folder, "" where there is none."""
    found = files is not None and any(files.rglob("cohort.html"))
    return "cohort/cohort.html" if found else ""


def compose_methods(results: DatasetResults) -> methods_text.MethodsText:
    """Return the methods section of this dataset."""
    runs, presets, recipes = results.runs, results.presets, results.preprocessing
    modalities = list(dict.fromkeys(name for records in recipes.values() for name in records))
    methods = list(dict.fromkeys(run.method for run in runs))
    clustering = sorted({str(run.clustering["clustering"]) for run in runs if "clustering" in run.clustering})
    labelled, scored = results.spots.labels is not None, bool(len(results.metrics))
    umap = any(run.embedding is not None for run in runs)
    paragraphs = [
        methods_text.data_paragraph(results.spots, modalities),
        methods_text.qc_paragraph(results.params, modalities),
        *(
            methods_text.preprocessing_paragraph(records, methods_with(recipe, results))
            for recipe, records in recipes.items()
        ),
        *methods_text.training_paragraphs(runs, presets),
        methods_text.clustering_paragraph(clustering, results.params.get("refine")),
        methods_text.consensus_paragraph(methods),
        methods_text.evaluation_paragraph(labelled, umap) if scored else "",
        methods_text.verdict_paragraph(results.verdict),
    ]
    return methods_text.MethodsText(
        [paragraph for paragraph in paragraphs if paragraph],
        methods_text.references(
            presets,
            methods,
            clustering,
            labelled and scored,
            umap,
            any(methods_text.uses_harmony(records) for records in recipes.values()),
        ),
    )


def methods_with(recipe: str, results: DatasetResults) -> list[str]:
    """Return the titles of the methods that were run with a preprocessing recipe."""
    # A saved model has the recipe of the method that it was trained with.
    named = {run.method: run.training.get("reference", {}).get("method", run.method) for run in results.runs}
    presets = results.presets
    return [
        results.titles[method] for method, own in named.items() if own in presets and presets[own].preprocess == recipe
    ]
