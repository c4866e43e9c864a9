"""Matching and mapping of all consecutive sections of a dataset by an embedding, and the quality of the matches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset, read_spots
from spatialweave.io.embeddings import OWN_SECTION, read_embedding, training_record
from spatialweave.io.notices import warn
from spatialweave.io.result_tables import ALIGNMENT, NEAREST
from spatialweave.matching.candidates import shared_spacing
from spatialweave.matching.elsewhere import more_alike_here
from spatialweave.matching.match import SpotMatches, match, match_nearest
from spatialweave.matching.settings import MatchingRules, rules_of
from spatialweave.matching.whole_section import SectionMapping, map_section
from spatialweave.metrics.match_quality import MatchedSection, match_quality

LEAST_ALIKE = 0.6
"""Below this fraction of spots that are more alike at corresponding places than elsewhere (0.5 by chance), matches
cannot be relied on."""


def match_sections(
    embedding: Path, latents: Path, coordinates: Path, radius: float | None = None, percentile: float | None = None
) -> tuple[pd.DataFrame, dict[tuple[str, str], tuple[pd.DataFrame, pd.DataFrame]]]:
    """Match and map the spots of all consecutive sections by an embedding and aligned coordinates.

    The rules are those that the method itself uses, as recorded in the embedding's training record, or the default
    rules for a method without matching. The null of the mapping is drawn with the seed of the training.

    Parameters
    ----------
    radius
        In spot spacings; None = as in the rules.
    percentile
        Percentile of the null's cosines that a mapped spot must reach; None = as in the rules.

    Returns
    -------
    The table of metrics (`ALIGNMENT` of :mod:`spatialweave.io.result_tables`), and for each pair of sections the table
    of matched pairs and the table of the mapped section's spots.

    Raises
    ------
    InputError
        When the files have different spots.

    Warns
    -----
    InputWarning
        When spots are hardly more alike at corresponding places than elsewhere.
    """
    dataset = read_spots(latents, coordinates)
    vectors, record = _read_vectors(embedding, dataset)
    method, seed = str(record["method"]), int(record["seed"])
    rules = _changed(rules_of(record), radius, percentile)
    rng = np.random.default_rng(seed)
    rows = dataset.section_rows()
    metrics, tables = [], {}
    for a, b in dataset.section_pairs():
        sections = [_matched_section(dataset, rows[name]) for name in (a, b)]
        inputs = (vectors[rows[a]], vectors[rows[b]], sections[0].points, sections[1].points)
        matches = match(*inputs, rules.pairs)
        mapping = _mapped(inputs, rules, rng)
        found = _metrics(sections, matches, match_nearest(*inputs[2:], rules.pairs.radius), mapping)
        found["more_alike_here"] = more_alike_here(*inputs, rules.pairs.radius, rng)
        _warn_of_chance(f"{method}, sections {a} and {b}", found["more_alike_here"])
        metrics += [(dataset.name, method, seed, a, b, name, value) for name, value in found.items()]
        spots = [dataset.obs.iloc[rows[name]] for name in (a, b)]
        tables[a, b] = _pairs_table(spots, sections, matches), _spots_table(spots, matches, mapping)
    return ALIGNMENT.frame(metrics), tables


def _warn_of_chance(where: str, alike: float) -> None:
    if alike < LEAST_ALIKE:
        problem = (
            f"only {100 * alike:.0f}% of the spots are more alike at corresponding places than elsewhere (chance: 50%)"
        )
        warn(
            where, f"{problem}; the sections may be aligned wrongly, or too uniform to be matched: look at the overlay"
        )


@dataclass(frozen=True)
class DirectedMapping:
    """Mapping of one section of a pair onto the other; `source` is 0 if the first section is mapped, else 1."""

    source: int
    mapping: SectionMapping

    @property
    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """Mapped spots with their targets: indices in the first and in the second section."""
        mapped = np.flatnonzero(self.mapping.target >= 0)
        pair = (mapped, self.mapping.target[mapped])
        return pair if self.source == 0 else pair[::-1]


def _mapped(inputs: Sequence[np.ndarray], rules: MatchingRules, rng: np.random.Generator) -> DirectedMapping:
    """Map one section of a pair (embeddings and coordinates as for :func:`match`) onto the other."""
    e_a, e_b, p_a, p_b = inputs
    if rules.mapping.source == "smaller" and len(p_b) < len(p_a):
        return DirectedMapping(1, map_section(e_b, e_a, p_b, p_a, rules.mapping, rng))
    return DirectedMapping(0, map_section(e_a, e_b, p_a, p_b, rules.mapping, rng))


def _changed(rules: MatchingRules, radius: float | None, percentile: float | None) -> MatchingRules:
    """Return the rules with the user's settings."""
    pairs, mapping = rules.pairs, rules.mapping
    if radius is not None:
        pairs, mapping = replace(pairs, radius=radius), replace(mapping, radius=radius)
    if percentile is not None:
        mapping = replace(mapping, percentile=percentile)
    return MatchingRules(pairs, mapping)


def _read_vectors(path: Path, dataset: Dataset) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the embedding (float32) used for matching, and the record of its training.

    If a method averages its embedding over matching spots of other sections, this is the embedding before averaging.
    """
    data = read_embedding(path, dataset.obs.index, keys=[OWN_SECTION])
    return np.asarray(data.obsm.get(OWN_SECTION, data.X), dtype=np.float32), training_record(data)


def _matched_section(dataset: Dataset, rows: np.ndarray) -> MatchedSection:
    """Return the spots `rows` with their labels and true coordinates, if known."""
    labels = dataset.obs["label"].astype(str).to_numpy() if "label" in dataset.obs else None
    if dataset.aligned is None:
        raise InputError("--coordinates", "are missing", fix="align the sections first")
    return MatchedSection(
        dataset.aligned[rows],
        None if labels is None else labels[rows],
        None if dataset.true_coordinates is None else dataset.true_coordinates[rows],
    )


def _metrics(
    sections: Sequence[MatchedSection], matches: SpotMatches, nearest: SpotMatches, mapping: DirectedMapping
) -> dict[str, float]:
    """Return the metrics of a pair of sections, followed by those of nearest pairs."""
    a, b = sections
    spacing = shared_spacing(a.points, b.points)
    pairs = (matches.a, matches.b)
    found = match_quality(a, b, pairs, matches.accepted, spacing, mapping.pairs, mapping.mapping.threshold)
    found["mapping_mapped"] = float((mapping.mapping.target >= 0).mean())
    of_nearest = match_quality(a, b, (nearest.a, nearest.b), nearest.accepted, spacing)
    # These do not depend on the matches.
    shared = ("spots_a", "spots_b", "pairs", "registration_error", "matchable_a", "matchable_b")
    return found | {NEAREST + name: value for name, value in of_nearest.items() if name not in shared}


def _pairs_table(
    spots: Sequence[pd.DataFrame], sections: Sequence[MatchedSection], matches: SpotMatches
) -> pd.DataFrame:
    """Return one row per pair of spots that are among each other's best."""
    columns: dict[str, np.ndarray] = {}
    for side, obs, section, rows in zip("ab", spots, sections, (matches.a, matches.b), strict=True):
        columns[f"section_{side}"] = obs["section"].astype(str).to_numpy()[rows]
        columns[f"barcode_{side}"] = obs["barcode"].astype(str).to_numpy()[rows]
        columns[f"x_{side}"], columns[f"y_{side}"] = section.points[rows].T
    columns |= {"score": matches.score, "similarity": matches.cosine, "accepted": matches.accepted}
    columns["distance"] = matches.distance / matches.record["spacing"]
    return pd.DataFrame(columns)


def _spots_table(spots: Sequence[pd.DataFrame], matches: SpotMatches, directed: DirectedMapping) -> pd.DataFrame:
    """Return one row per spot of the mapped section: target ("" = none), similarity and unmatched fraction."""
    source, mapping = directed.source, directed.mapping
    own, others = spots[source], spots[1 - source]["barcode"].astype(str).to_numpy()
    return pd.DataFrame(
        {
            "section": own["section"].astype(str).to_numpy(),
            "barcode": own["barcode"].astype(str).to_numpy(),
            "mapped_to": np.where(mapping.target >= 0, others[np.maximum(mapping.target, 0)], ""),
            "similarity": mapping.score,
            # Transport stops within a tolerance, so a spot's mass may be slightly above 1.
            "unmatched": np.minimum((matches.dustbin_a, matches.dustbin_b)[source], 1.0),
        }
    )
