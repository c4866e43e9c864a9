"""What ALIGN, STACK and MATCH do between reading their files and writing them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.alignment.stack import compose, neighbouring_pairs, read_transform, stacked_points, transforms_table
from spatialweave.errors import InputError
from spatialweave.io.contract import TRUE_PLACE, read_h5ad
from spatialweave.io.dataset import Dataset, open_latents, read_dataset
from spatialweave.io.embeddings import OWN_SECTION, training_record
from spatialweave.io.result_tables import ALIGNMENT, CONTROL, coordinates_table

if TYPE_CHECKING:
    import pandas as pd

    from spatialweave.alignment.matching import Matches
    from spatialweave.alignment.prematch import PrematchSettings, Registration, Side
    from spatialweave.alignment.whole_section import Mapping
    from spatialweave.metrics.alignment import Side as Judged


def align_sections(latents: Path, fixed: str, moving: str, settings: PrematchSettings) -> Registration:
    """The transform of section `moving` onto `fixed`.

    Raises
    ------
    InputError
        When the latents hold no section of that name.
    """
    from spatialweave.alignment.prematch import prematch

    dataset = read_dataset(latents)
    return prematch(section_side(dataset, fixed), section_side(dataset, moving), settings)


def section_side(dataset: Dataset, section: str) -> Side:
    """One section as pre-matching takes it: where its spots lie and the latents of each modality that it has."""
    from spatialweave.alignment.prematch import Side

    if section not in dataset.sections:
        raise InputError("--latents", f"hold no section '{section}'", " or ".join(dataset.sections))
    rows = dataset.section_rows()[section]
    return Side(
        dataset.coordinates[rows],
        {one.name: (one.latent[rows], one.present[rows]) for one in dataset.modalities if one.present[rows].any()},
    )


def stack_sections(latents: Path, transforms: Sequence[Path]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Coordinates of every spot in the frame of the first section, and how each section gets there."""
    dataset = read_dataset(latents)
    found = [read_transform(path) for path in transforms]
    matrices = compose(dataset.sections, found)
    points = stacked_points(dataset.coordinates, dataset.obs["section"].astype(str).to_numpy(), matrices)
    return coordinates_table(dataset.obs, points), transforms_table(matrices, found)


def match_sections(
    embedding: Path, latents: Path, coordinates: Path, radius: float, percentile: float, seed: int
) -> tuple[pd.DataFrame, dict[tuple[str, str], tuple[pd.DataFrame, pd.DataFrame]]]:
    """Match and map the spots of all neighbouring sections by an embedding and coordinates in one frame.

    Parameters
    ----------
    radius
        In spot spacings.
    percentile
        Of the null, which the similarity of a mapped spot must reach.

    Returns
    -------
    The quality table (the table `ALIGNMENT`), and per pair of sections the table of matched pairs and the table of
    what became of each spot of the first.
    """
    from spatialweave.alignment.match_settings import MatchSettings
    from spatialweave.alignment.matching import match, nearest_only
    from spatialweave.alignment.whole_section import map_section

    dataset = read_dataset(latents, aligned=coordinates)
    vectors, run = _embedding_of(embedding, dataset)
    judged = _judged(dataset, latents)
    members = dataset.section_rows()
    rng = np.random.default_rng(seed)
    quality, tables = [], {}
    for a, b in neighbouring_pairs(dataset.sections):
        rows = members[a], members[b]
        sides = [judged[name] for name in (a, b)]
        inputs = (vectors[rows[0]], vectors[rows[1]], sides[0].points, sides[1].points)
        matches = match(*inputs, MatchSettings(radius=radius))
        mapping = map_section(*inputs, radius, rng, percentile)
        control = nearest_only(*inputs[2:], radius)
        figures = _quality(sides, matches, control, mapping)
        quality += [(dataset.name, *run, a, b, name, value) for name, value in figures.items()]
        spots = [dataset.obs.iloc[side] for side in rows]
        tables[a, b] = _pairs_table(spots, sides, matches), _spots_table(spots, matches, mapping)
    return ALIGNMENT.frame(quality), tables


def _embedding_of(path: Path, dataset: Dataset) -> tuple[np.ndarray, tuple[str, int]]:
    """What an embedding file, which must be of the dataset's spots, has to match them by; the method and seed.

    That is the embedding, or the one by each spot's own section where sections exchanged what they say of a spot.
    """
    data = read_h5ad(path, "embedding")
    if not data.obs_names.equals(dataset.obs.index):
        raise InputError(str(path), "its spots are not those of the latents", fix="train again on these latents")
    record = training_record(data)
    vectors = data.obsm.get(OWN_SECTION, data.X)
    return np.asarray(vectors, dtype=np.float32), (str(record["method"]), int(record["seed"]))


def _judged(dataset: Dataset, latents: Path) -> dict[str, Judged]:
    """Each section with what its matches are judged by."""
    from spatialweave.metrics.alignment import Side as Judged

    with open_latents(latents) as file:
        true = np.asarray(file["obsm"][TRUE_PLACE], dtype=np.float64) if TRUE_PLACE in file["obsm"] else None
    labels = dataset.obs["label"].astype(str).to_numpy() if "label" in dataset.obs else None
    if dataset.aligned is None:
        raise InputError("--coordinates", "are missing", fix="align the sections first")
    found = {}
    for section, rows in dataset.section_rows().items():
        found[section] = Judged(
            dataset.aligned[rows],
            None if labels is None else labels[rows],
            None if true is None else true[rows],
        )
    return found


def _quality(sides: Sequence[Judged], matches: Matches, control: Matches, mapping: Mapping) -> dict[str, float]:
    """The figures of a pair of sections, those of the control after them."""
    from spatialweave.alignment.candidates import shared_spacing
    from spatialweave.metrics.alignment import alignment_quality

    a, b = sides
    spacing = shared_spacing(a.points, b.points)
    pairs = (matches.a, matches.b)
    figures = alignment_quality(a, b, pairs, matches.accepted, spacing, mapping.target, mapping.threshold)
    alone = alignment_quality(a, b, (control.a, control.b), control.accepted, spacing)
    shared = ("spots_", "pairs", "registration_error", "matchable_a", "matchable_b")
    kept = {name: value for name, value in alone.items() if not (name.startswith(shared[0]) or name in shared)}
    return figures | {CONTROL + name: value for name, value in kept.items()}


def _pairs_table(spots: Sequence[pd.DataFrame], sides: Sequence[Judged], matches: Matches) -> pd.DataFrame:
    """One row per pair of spots that are among each other's best."""
    import pandas as pd

    columns: dict[str, np.ndarray] = {}
    for side, obs, section, rows in zip("ab", spots, sides, (matches.a, matches.b), strict=True):
        columns[f"section_{side}"] = obs["section"].astype(str).to_numpy()[rows]
        columns[f"barcode_{side}"] = obs["barcode"].astype(str).to_numpy()[rows]
        columns[f"x_{side}"], columns[f"y_{side}"] = section.points[rows].T
    columns |= {"score": matches.score, "similarity": matches.cosine, "accepted": matches.accepted}
    columns["distance"] = matches.distance / matches.record["spacing"]
    return pd.DataFrame(columns)


def _spots_table(spots: Sequence[pd.DataFrame], matches: Matches, mapping: Mapping) -> pd.DataFrame:
    """One row per spot of the first section: where it is mapped ("" = nowhere), how much stays unmatched."""
    import pandas as pd

    names = [obs["barcode"].astype(str).to_numpy() for obs in spots]
    target = np.where(mapping.target >= 0, names[1][np.maximum(mapping.target, 0)], "")
    return pd.DataFrame(
        {"barcode": names[0], "mapped_to": target, "similarity": mapping.score, "unmatched": matches.dustbin_a}
    )
