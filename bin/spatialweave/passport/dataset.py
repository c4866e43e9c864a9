"""Construction of the passports of a dataset's domains from the outputs of its stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.io.contract import CONDITION, DONOR
from spatialweave.passport import rows
from spatialweave.passport.passport import Passport, SectionShare
from spatialweave.passport.tables import FoundTables
from spatialweave.results.sightings import SeenByRuns, others_of, seen_by_runs
from spatialweave.results.titles import run_title

if TYPE_CHECKING:
    import pandas as pd

    from spatialweave.results.runs import MethodRun
    from spatialweave.results.spots import DatasetSpots

CONFIDENCE = "confidence"
WEIGHT = "weight_"
OF_COHORT = {DONOR, CONDITION}


def passports(
    spots: DatasetSpots,
    runs: Sequence[MethodRun],
    first: int | None,
    tables: FoundTables,
    titles: Mapping[str, str],
) -> dict[str, list[Passport]]:
    """Build the passports of the domains of the run shown first, and of all characterised runs, by the run's id.

    Parameters
    ----------
    first
        Position in `runs` of the run that the report shows first; None if no run has domains.
    titles
        Title of each method.
    """
    if first is None:
        return {}
    codes = {run.id: run.domains - 1 for run in runs if run.domains is not None}
    wanted = dict.fromkeys([runs[first].id, *tables.runs])
    by_id = {run.id: run for run in runs}
    by_run = {(run.method, run.seed): codes[run.id] for run in runs if run.id in codes}
    result = {}
    for name in (name for name in wanted if name in codes):
        run = by_id[name]
        seen = seen_by_runs(codes[name], others_of((run.method, run.seed), by_run))
        cohort = tables.cohort if run is runs[first] and {"abundance", "samples"} <= set(tables.cohort) else {}
        result[name] = list(_of_run(spots, run, codes[name], seen, tables, cohort, titles))
    return result


def _of_run(
    spots: DatasetSpots,
    run: MethodRun,
    codes: np.ndarray,
    seen: SeenByRuns,
    found: FoundTables,
    cohort: dict[str, pd.DataFrame],
    titles: Mapping[str, str],
) -> Iterator[Passport]:
    tables, values_of = found.of_run(run.id), found.modality_value
    confidence = run.extras.get(CONFIDENCE)
    values = seen.agreement if confidence is None else confidence[CONFIDENCE].to_numpy(dtype=np.float64)
    missing = list(_missing(run, tables, cohort, spots, values))
    if values_of is None or not values_of["statistic"].eq("run_found").any():
        missing.append("Which modality it needs: ASSESS (--assess) computes that for two or more modalities.")
    sections, section_names = spots.stack()
    sizes = np.bincount(sections, minlength=len(section_names))
    for domain in np.flatnonzero(np.bincount(codes)).tolist():
        number = domain + 1
        inside = codes == domain
        n_spots = int(inside.sum())
        structure, units = _structure(tables.get("structure"), number)
        names = rows.names_of(tables["names"], number) if "names" in tables else []
        by_section = np.bincount(sections[inside], minlength=len(section_names)).tolist()
        yield Passport(
            run=run.id,
            run_title=run_title(run.id, titles),
            number=number,
            name=next((one.name for one in names if one.named), None),
            n_spots=n_spots,
            fraction=n_spots / len(codes),
            structure=structure,
            units=units,
            certainty=None if values is None else seen.certainty(codes, values, domain),
            certainty_is="agreement" if confidence is None else CONFIDENCE,
            sightings=seen.sightings[domain],
            markers=rows.markers_of(tables["markers"], number) if "markers" in tables else [],
            gene_sets=rows.gene_sets_of(tables["gene_sets"], number) if "gene_sets" in tables else None,
            neighbours=rows.neighbours_of(tables["neighbours"], number) if "neighbours" in tables else [],
            sections=[
                SectionShare(name, count, count / n_spots, count / int(size))
                for name, count, size in zip(section_names, by_section, sizes, strict=True)
            ],
            classes=rows.classes_of(tables["composition"], number, OF_COHORT if cohort else set())
            if "composition" in tables
            else {},
            names=names,
            changes=rows.changes_of(cohort, number) if cohort else [],
            donors=rows.donors_of(cohort["samples"], number) if cohort else [],
            modality_weights={
                name.removeprefix(WEIGHT): value for name, value in structure.items() if name.startswith(WEIGHT)
            },
            by_modality=[] if values_of is None else rows.found_by_modality(values_of, run.id, number),
            missing=missing,
        )


def _structure(table: pd.DataFrame | None, domain: int) -> tuple[dict[str, float], dict[str, str]]:
    if table is None:
        return {}, {}
    own = table[(table["section"] == "all") & (table["domain"] == domain)]
    names = own["statistic"].astype(str)
    return dict(zip(names, own["value"].astype(float), strict=True)), dict(zip(names, own["unit"], strict=True))


def _missing(
    run: MethodRun,
    tables: dict[str, pd.DataFrame],
    cohort: dict[str, pd.DataFrame],
    spots: DatasetSpots,
    values: np.ndarray | None,
) -> Iterator[str]:
    """Yield what a passport cannot contain, and the option that provides it."""
    if not tables:
        yield (
            f"Markers, gene sets, shape and neighbours: this run was not characterised; use "
            f"--characterise_runs {run.id}."
        )
    else:
        if "gene_sets" not in tables:
            yield "Gene sets: none were given; --gene_sets takes a GMT file."
        if "names" not in tables:
            yield "A name: no panel of markers was given; --panel takes a YAML file."
    if values is None:
        yield "How certain it is, and which methods see it: there is only one run; --methods or --seeds adds others."
    if not cohort and spots.obs["section"].nunique() > 1:
        yield (
            "Donors and conditions: they are compared for the run shown first, if the samplesheet has the columns "
            "donor and condition."
        )
