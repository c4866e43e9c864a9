"""SMART-MS as published: SMART's `paper` training on triplets across sections, mined in the latents themselves.

Du et al., Nat Commun 17:2876, 2026. The default is :mod:`spatialweave.methods.smart_ms`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from spatialweave.method import Fitted
from spatialweave.methods import smart_paper
from spatialweave.methods.smart_ms import check_shared, section_numbers
from spatialweave.mining.across_sections import mine_cross_triplets
from spatialweave.settings import option
from spatialweave.training.sections import several_sections

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config(smart_paper.Config):
    """Settings of SMART, with the published settings of the triplets across sections."""

    n_nearest: int = option(2, "Nearest spots of another section among which mutual pairs are searched.", 1, 100)
    anchors: Literal["both", "first"] = option("first", "Ends of a pair that are anchors; published: the first.")


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed all sections of `dataset`, whose latents are comparable between them; needs the spatial graph."""
    sections = several_sections(dataset, "SMART-MS", "smart")
    check_shared(dataset, sections)
    number, rng, both = section_numbers(sections), run.numpy_generator(), config.anchors == "both"
    triplets = [
        mine_cross_triplets(
            one.latent, number, config.n_nearest, config.far_fraction, rng, np.flatnonzero(one.present), both
        )
        for one in dataset.modalities
    ]
    return smart_paper.fit_triplets(dataset, triplets, config, run)
