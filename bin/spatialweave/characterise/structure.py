"""Rows of the structure table: size, shape and certainty of the domains, over all sections and in each one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from spatialweave.characterise.along_lines import ALONG, MANY, own_lines
from spatialweave.characterise.rounding import short
from spatialweave.characterise.shapes import Shapes, shapes
from spatialweave.characterise.sources import Characterised, CharacterisedRun
from spatialweave.io.notices import warn
from spatialweave.io.result_tables import ALL

FRACTION = "fraction"

MOST_NAMED = 5
"""Number of lines of a domain that a warning lists."""


def structure_rows(sources: Characterised, run: CharacterisedRun, found_again: np.ndarray) -> Iterator[dict[str, Any]]:
    """Yield one row per domain, statistic and section (`all`: :func:`together`).

    Lengths are in micrometres in sections whose scale is known, otherwise in units of the coordinates. These may differ
    between sections, so areas and borders are summed only if all scales are known.
    """
    dataset = sources.dataset
    scale = {size.name: size.micrometres for size in sources.sections}
    sections = dataset.section_rows()
    by_section, along = {}, {}
    for name, rows in sections.items():
        points = dataset.coordinates[rows] * (scale[name] or 1.0)
        part = sources.graph[rows][:, rows]
        by_section[name] = shapes(points, run.codes[rows], run.n_domains, part, dataset.layout)
        along[name] = _along_lines(run, name, dataset.coordinates[rows], sources.places[name], run.codes[rows])
    of_all = _statistics(together(list(by_section.values())), dataset.n_spots)
    if len(sections) > 1 and not all(scale.values()):
        del of_all["area"], of_all["border"]
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
        length = (
            "µm" if all(scale[name] for name in (sections if section == ALL else [section])) else "coordinate units"
        )
        units = {"spots": "spots", "area": f"{length}²", "border": length, "pieces": "pieces"}
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


def together(parts: list[Shapes]) -> Shapes:
    """Return the shapes of the domains over all sections.

    Spots, areas and borders are sums. Pieces and roundness are means over sections, weighted by the domain's spots, so
    that a domain that is one piece in every section has one. The largest piece is that with the most spots in any
    section, as a fraction of the domain's spots in that section.
    """
    spots, area, border = (
        np.sum([getattr(part, name) for part in parts], axis=0) for name in ("spots", "area", "border")
    )
    pieces, roundness = (
        np.sum([np.nan_to_num(getattr(part, name)) * part.spots for part in parts], axis=0) / np.maximum(spots, 1)
        for name in ("pieces", "roundness")
    )
    fractions = np.array([part.largest_piece for part in parts])
    at = np.argmax([np.nan_to_num(part.largest_piece) * part.spots for part in parts], axis=0)
    largest = fractions[at, np.arange(len(spots))]
    return Shapes(spots, area, border, pieces, largest, roundness)
