"""Rows of the structure table: size, shape and certainty of the domains, over all sections and in each one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from spatialweave.characterise.along_lines import ALONG, MANY, own_lines
from spatialweave.characterise.markers import ALL
from spatialweave.characterise.rounding import short
from spatialweave.characterise.shapes import Shapes, shapes
from spatialweave.characterise.sources import Characterised, CharacterisedRun
from spatialweave.io.notices import warn

FRACTION = "fraction"

MOST_NAMED = 5
"""Number of lines of a domain that a warning lists."""


def structure_rows(sources: Characterised, run: CharacterisedRun, found_again: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield one row per domain, statistic and section (`all`: sums over sections; for roundness the mean by spots).

    Lengths are in micrometres if these are known for every section, otherwise in units of the coordinates.
    """
    dataset = sources.dataset
    scale = {size.name: size.micrometres for size in sources.sections}
    known = all(scale.values())
    unit = "µm" if known else "coordinate units"
    sections = dataset.section_rows()
    by_section, along = {}, {}
    for name, rows in sections.items():
        points = dataset.coordinates[rows] * (scale[name] or 1.0 if known else 1.0)
        part = sources.graph[rows][:, rows]
        by_section[name] = shapes(points, run.codes[rows], run.n_domains, part, dataset.layout)
        along[name] = _along_lines(run, name, dataset.coordinates[rows], sources.places[name], run.codes[rows])
    units = {"spots": "spots", FRACTION: "", "area": f"{unit}²", "border": unit, "pieces": "pieces"}
    units |= {"largest_piece": "", "roundness": "", ALONG: ""}
    of_all = _statistics(_together(list(by_section.values())), dataset.n_spots)
    inside = [run.codes == domain for domain in range(run.n_domains)]
    for name, values in run.per_spot.items():
        finite = np.isfinite(values)
        of_all[name] = np.array([values[r & finite].mean() if (r & finite).any() else np.nan for r in inside])
    of_all["found_again"] = found_again
    on_lines = np.array([along[name] * one.spots for name, one in by_section.items()])
    on_grids = np.array([one.spots * np.isfinite(along[name]) for name, one in by_section.items()]).sum(axis=0)
    of_all[ALONG] = np.where(on_grids > 0, np.nansum(on_lines, axis=0) / np.maximum(on_grids, 1), np.nan)
    # Sections with at least 1% of the domain's spots.
    fewest = np.maximum(0.01 * of_all["spots"], 1)
    of_all["sections"] = np.sum([one.spots >= fewest for one in by_section.values()], axis=0)
    parts = {ALL: of_all}
    if len(sections) > 1:
        parts |= {
            name: _statistics(one, len(sections[name])) | {ALONG: along[name]} for name, one in by_section.items()
        }
    for section, statistics in parts.items():
        for domain in range(run.n_domains):
            for statistic, found in statistics.items():
                value = float(found[domain])
                if np.isfinite(value):
                    yield {
                        "run": run.id,
                        "section": section,
                        "domain": domain + 1,
                        "statistic": statistic,
                        "value": short(value),
                        "unit": units.get(statistic, ""),
                    }


def _along_lines(
    run: CharacterisedRun, section: str, coordinates: np.ndarray, places: np.ndarray | None, codes: np.ndarray
) -> np.ndarray:
    """Return the fraction of each domain's spots in own rows or columns, NaN off square grids; warn of :data:`MANY`."""
    if places is None:
        return np.full(run.n_domains, np.nan)
    lines = own_lines(coordinates, places, codes, run.n_domains)
    spots = np.bincount(codes, minlength=run.n_domains)
    on_lines = np.zeros(run.n_domains)
    for line in lines:
        on_lines[line.domain] += line.spots
    fractions = on_lines / np.where(spots > 0, spots, np.nan)
    for domain in np.flatnonzero(fractions >= MANY).tolist():
        own = sorted((line for line in lines if line.domain == domain), key=lambda line: -line.spots)
        direction = own[0].direction
        where = ", ".join(f"{line.position:.6g}" for line in own[:MOST_NAMED]) + ", ..." * (len(own) > MOST_NAMED)
        warn(
            run.id,
            f"domain {domain + 1} lies along {len(own)} {direction}{'s' * (len(own) > 1)} of the grid of section "
            f"{section} ({'x' if direction == 'column' else 'y'} = {where}), with {100 * fractions[domain]:.0f}% of "
            "its spots: probably a trace of the instrument, not tissue; the totals of lines are in "
            f"{section}.qc_lines.csv",
        )
    return fractions


def _statistics(found: Shapes, n_spots: int) -> dict[str, np.ndarray]:
    return {"spots": found.spots, FRACTION: found.spots / n_spots} | {
        name: getattr(found, name) for name in ("area", "border", "pieces", "largest_piece", "roundness")
    }


def _together(parts: list[Shapes]) -> Shapes:
    """Return sums over sections; for the largest piece the maximum, for roundness the mean weighted by spots."""
    spots = np.sum([part.spots for part in parts], axis=0)
    safe = np.maximum(spots, 1)
    largest = np.max([np.nan_to_num(part.largest_piece) * part.spots for part in parts], axis=0) / safe
    roundness = np.sum([np.nan_to_num(part.roundness) * part.spots for part in parts], axis=0) / safe
    area, border, pieces = (
        np.sum([getattr(part, name) for part in parts], axis=0) for name in ("area", "border", "pieces")
    )
    return Shapes(spots, area, border, pieces, largest, roundness)
