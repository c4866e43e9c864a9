"""SMART-MS: SMART over several sections, joined by triplets of mutually nearest spots of different sections.

Du et al., Nat Commun 17:2876, 2026. Its parts and training are those of :mod:`spatialweave.methods.smart`;
docs/methods/smart_ms.md lists the differences from the publication, and the effect of each part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from spatialweave.errors import InputError
from spatialweave.method import Fitted
from spatialweave.methods import smart
from spatialweave.mining.across_sections import mine_cross_triplets
from spatialweave.mining.beyond_window import mine_distant_triplets, within
from spatialweave.settings import option
from spatialweave.training.sections import several_sections

TILES_PER_PART = 32
"""Tiles per part. At most half are of one section; spots find counterparts only if a part has enough of them."""

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.masking import MaskedInput
    from spatialweave.training.run import Run
    from spatialweave.training.tiles import Patch


@dataclass(frozen=True)
class Config(smart.Config):
    """Settings: those of SMART, and those of the triplets across sections."""

    n_nearest_across: int = option(2, "Nearest spots of another section among which mutual pairs are searched.", 1, 100)
    anchors: Literal["both", "first"] = option("both", "Ends of a pair that are anchors; published: the first.")
    triplet_signal: float = option(0.0, "As in SMART; 0: weak triplets would not join sections.", 0.0, 1.0)
    within_sections: bool = option(False, "Triplets within each section are added to those across sections.")


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed all sections of `dataset`, whose latents are comparable between them; needs the spatial graph."""
    sections = several_sections(dataset, "SMART-MS", "smart")
    check_shared(dataset, sections)

    def miner(modalities: Sequence[MaskedInput], patch: Patch, rng: np.random.Generator) -> list[np.ndarray]:
        return mine(modalities, patch, config, rng)

    return smart.fit_mined(dataset, config, run, miner, TILES_PER_PART)


embed = smart.embed
"""Embeds spots of a section that was not trained on with the same network."""


def check_shared(dataset: Dataset, sections: dict[str, np.ndarray]) -> None:
    """Refuse a dataset whose sections fall into groups without a common modality, which nothing could join."""
    has = {name: {one.name for one in dataset.modalities if one.present[rows].any()} for name, rows in sections.items()}
    reached = set(has[next(iter(has))])
    # Sections join one after the other, each by a modality that it has in common with any joined one.
    for _ in has:
        reached.update(*(own for own in has.values() if not own.isdisjoint(reached)))
    apart = [name for name, own in has.items() if own.isdisjoint(reached)]
    if apart:
        where = ", ".join(f"'{name}'" for name in apart)
        found = (
            f"only {', '.join(sorted(set().union(*(has[name] for name in apart))))} there, which no other section has"
        )
        fix = "use the method 'spatialfuser', which fuses sections of different modalities"
        raise InputError(f"dataset '{dataset.name}', section {where}", found, "a modality in common", fix)


def section_numbers(sections: dict[str, np.ndarray]) -> np.ndarray:
    """Return the number of every spot's section in the stack (int64), from 0."""
    number = np.empty(sum(map(len, sections.values())), dtype=np.int64)
    for index, rows in enumerate(sections.values()):
        number[rows] = index
    return number


def mine(modalities: Sequence[MaskedInput], patch: Patch, config: Config, rng: np.random.Generator) -> list[np.ndarray]:
    """Find triplets (3 x triplets) of each modality across the sections that have it and, optionally, within each."""
    sections, graph = patch.dataset.section_rows(), patch.dataset.spatial_graph()
    number, both = section_numbers(sections), config.anchors == "both"
    of_section = list(sections.values()) if config.within_sections else []
    windows = [within(graph[rows][:, rows].tocsr(), smart.MINING_ROUNDS + 1) for rows in of_section]
    result = []
    for one in modalities:
        features = smart.mining_features(one, patch.neighbours)
        present = one.present.cpu().numpy() & patch.within(0)
        spots = np.flatnonzero(present)
        found = [mine_cross_triplets(features, number, config.n_nearest_across, config.far_fraction, rng, spots, both)]
        for rows, close in zip(of_section, windows, strict=True):
            measured = np.flatnonzero(present[rows])
            inside = mine_distant_triplets(features[rows], close, config.n_nearest, config.far_fraction, rng, measured)
            found.append(rows[inside])
        result.append(np.concatenate(found, axis=1))
    return result
