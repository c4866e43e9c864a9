"""What a made-up dataset consists of, and its tissue."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

METHODS = ("smart", "pca_smooth")


@dataclass
class Recipe:
    """What to make up."""

    dataset: str = "demo"
    rows: int = 12
    columns: int = 12
    n_domains: int = 4
    sections: tuple[str, ...] = ("s1",)
    modalities: dict[str, int] = field(default_factory=lambda: {"rna": 40, "adt": 12})
    labels: bool = True
    methods: tuple[str, ...] = METHODS
    seeds: tuple[int, ...] = (1, 2)
    layout: str = "square"
    alignment: bool = False
    """Whether the sections are rotated and apart, and alignment files map them onto each other."""
    image: bool = False
    """Whether the sections have an image of the tissue, and a micrometre is 2 units."""
    prefix: str = ""
    """Prefix of every name that a user may choose: barcodes, features, labels."""


def simulate(recipe: Recipe, rng: np.random.Generator) -> SimpleNamespace:
    """Spots on a grid in four-sided regions; every region raises its own features."""
    y, x = (axis.ravel() for axis in np.mgrid[: recipe.rows, : recipe.columns])
    side = int(np.ceil(np.sqrt(recipe.n_domains)))
    truth = np.minimum((y * side // recipe.rows) * side + x * side // recipe.columns, recipe.n_domains - 1)
    counts = {}
    for name, n_features in recipe.modalities.items():
        rate = np.ones((recipe.n_domains, n_features))
        for domain in range(recipe.n_domains):
            rate[domain, domain :: recipe.n_domains] = 5
        counts[name] = sparse.csr_matrix(rng.poisson(rate[truth] * 0.6).astype(np.float32))
    return SimpleNamespace(spatial=np.column_stack([x, y]).astype(float) * 10, truth=truth, counts=counts)


def section_of(recipe: Recipe, section: str, tissue: SimpleNamespace) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The obs of one filtered section, and its counts per modality."""
    barcodes = [f"{recipe.prefix}spot{index}" for index in range(len(tissue.truth))]
    obs = pd.DataFrame({"section": section}, index=barcodes)
    if recipe.labels:
        obs["label"] = [f"{recipe.prefix}region {'abcdefghijklmnopqrstuvwxyz'[domain]}" for domain in tissue.truth]
        obs.iloc[0, 1] = ""
    parts = {
        name: anndata.AnnData(
            counts,
            obs=pd.DataFrame(index=barcodes),
            var=pd.DataFrame(index=[f"{recipe.prefix}{name}{index}" for index in range(counts.shape[1])]),
        )
        for name, counts in tissue.counts.items()
    }
    return obs, parts
