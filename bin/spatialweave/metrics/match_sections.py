"""Matching and mapping all consecutive sections of a dataset by an embedding, and the quality of the matches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from spatialweave.alignment.candidates import shared_spacing
from spatialweave.alignment.match_settings import MatchSettings
from spatialweave.alignment.matching import SpotMatches, match, match_nearest
from spatialweave.alignment.whole_section import MappingSettings, SectionMapping, map_section
from spatialweave.errors import InputError
from spatialweave.io.contract import read_h5ad
from spatialweave.io.dataset import Dataset, read_spots
from spatialweave.io.embeddings import OWN_SECTION, training_record
from spatialweave.io.result_tables import ALIGNMENT, CONTROL
from spatialweave.metrics.match_quality import MatchedSection, match_quality


def match_sections(
    embedding: Path, latents: Path, coordinates: Path, radius: float, percentile: float
) -> tuple[pd.DataFrame, dict[tuple[str, str], tuple[pd.DataFrame, pd.DataFrame]]]:
    """Match and map the spots of all consecutive sections by an embedding and aligned coordinates.

    The null of the mapping is drawn by the seed of the embedding's training.

    Parameters
    ----------
    radius
        In spot spacings.
    percentile
        Percentile of the null's cosines that a mapped spot must reach.

    Returns
    -------
    The table of metrics (`ALIGNMENT` of :mod:`spatialweave.io.result_tables`), and per pair of sections the table of
    matched pairs and the table of the first section's spots.

    Raises
    ------
    InputError
        When the files are not of the same spots.
    """
    dataset = read_spots(latents, coordinates)
    vectors, method, seed = _read_vectors(embedding, dataset)
    rng = np.random.default_rng(seed)
    rows = dataset.section_rows()
    metrics, tables = [], {}
    for a, b in dataset.section_pairs():
        sections = [_matched_section(dataset, rows[name]) for name in (a, b)]
        inputs = (vectors[rows[a]], vectors[rows[b]], sections[0].points, sections[1].points)
        matches = match(*inputs, MatchSettings(radius=radius))
        mapping = map_section(*inputs, MappingSettings(radius=radius, percentile=percentile), rng)
        found = _metrics(sections, matches, match_nearest(*inputs[2:], radius), mapping)
        metrics += [(dataset.name, method, seed, a, b, name, value) for name, value in found.items()]
        spots = [dataset.obs.iloc[rows[name]] for name in (a, b)]
        tables[a, b] = _pairs_table(spots, sections, matches), _spots_table(spots, matches, mapping)
    return ALIGNMENT.frame(metrics), tables


def _read_vectors(path: Path, dataset: Dataset) -> tuple[np.ndarray, str, int]:
    """The embedding (float32) to match by, its method and its seed.

    Where a method averages its embedding over matching spots of other sections, that is the embedding before.
    """
    data = read_h5ad(path, "embedding")
    if not data.obs_names.equals(dataset.obs.index):
        raise InputError(str(path), "its spots are not those of the latents", fix="train again on these latents")
    record = training_record(data)
    vectors = np.asarray(data.obsm.get(OWN_SECTION, data.X), dtype=np.float32)
    return vectors, str(record["method"]), int(record["seed"])


def _matched_section(dataset: Dataset, rows: np.ndarray) -> MatchedSection:
    """The spots `rows` with their labels and true coordinates, where these are known."""
    labels = dataset.obs["label"].astype(str).to_numpy() if "label" in dataset.obs else None
    if dataset.aligned is None:
        raise InputError("--coordinates", "are missing", fix="align the sections first")
    return MatchedSection(
        dataset.aligned[rows],
        None if labels is None else labels[rows],
        None if dataset.true_coordinates is None else dataset.true_coordinates[rows],
    )


def _metrics(
    sections: Sequence[MatchedSection], matches: SpotMatches, control: SpotMatches, mapping: SectionMapping
) -> dict[str, float]:
    """The metrics of a pair of sections, followed by those of the control."""
    a, b = sections
    spacing = shared_spacing(a.points, b.points)
    pairs = (matches.a, matches.b)
    found = match_quality(a, b, pairs, matches.accepted, spacing, mapping.target, mapping.threshold)
    of_control = match_quality(a, b, (control.a, control.b), control.accepted, spacing)
    # These do not depend on the matches.
    shared = ("spots_a", "spots_b", "pairs", "registration_error", "matchable_a", "matchable_b")
    return found | {CONTROL + name: value for name, value in of_control.items() if name not in shared}


def _pairs_table(
    spots: Sequence[pd.DataFrame], sections: Sequence[MatchedSection], matches: SpotMatches
) -> pd.DataFrame:
    """One row per pair of spots that are among each other's best."""
    columns: dict[str, np.ndarray] = {}
    for side, obs, section, rows in zip("ab", spots, sections, (matches.a, matches.b), strict=True):
        columns[f"section_{side}"] = obs["section"].astype(str).to_numpy()[rows]
        columns[f"barcode_{side}"] = obs["barcode"].astype(str).to_numpy()[rows]
        columns[f"x_{side}"], columns[f"y_{side}"] = section.points[rows].T
    columns |= {"score": matches.score, "similarity": matches.cosine, "accepted": matches.accepted}
    columns["distance"] = matches.distance / matches.record["spacing"]
    return pd.DataFrame(columns)


def _spots_table(spots: Sequence[pd.DataFrame], matches: SpotMatches, mapping: SectionMapping) -> pd.DataFrame:
    """One row per spot of the first section: its target ("" = none), its similarity, and its unmatched fraction."""
    names = [obs["barcode"].astype(str).to_numpy() for obs in spots]
    target = np.where(mapping.target >= 0, names[1][np.maximum(mapping.target, 0)], "")
    # Transport ends within a tolerance, and a spot's mass may be a little above 1.
    unmatched = np.minimum(matches.dustbin_a, 1.0)
    return pd.DataFrame({"barcode": names[0], "mapped_to": target, "similarity": mapping.score, "unmatched": unmatched})
