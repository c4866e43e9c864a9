"""Sections of a dataset, for methods that treat them separately or compare them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.dataset import Modality

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset


def several_sections(dataset: Dataset, method: str, instead: str) -> dict[str, np.ndarray]:
    """Return the rows of each section of a dataset of two or more.

    Raises
    ------
    InputError
        For a dataset of one section; the message names the method to use `instead`.
    """
    rows = dataset.section_rows()
    if len(rows) < 2:
        found = f"has one section, and {method} joins several"
        raise InputError(f"dataset '{dataset.name}'", found, "two sections or more", f"use the method '{instead}'")
    return rows


def restricted(dataset: Dataset, rows: np.ndarray) -> Dataset:
    """Return the dataset of those spots, with the modalities that any has; no graph may join them to others."""
    modalities = [
        Modality(one.name, one.latent[rows], one.present[rows]) for one in dataset.modalities if one.present[rows].any()
    ]
    graphs = {name: graph[rows][:, rows].tocsr() for name, graph in dataset.graphs.items()}
    return replace(
        dataset,
        obs=dataset.obs.iloc[rows],
        coordinates=dataset.coordinates[rows],
        modalities=modalities,
        graphs=graphs,
        aligned=None if dataset.aligned is None else dataset.aligned[rows],
    )
