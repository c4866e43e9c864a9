"""The sections of an integrated file, as every format writes them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from spatialweave.io.contract import CARRIED
from spatialweave.io.integrated import Integrated, colour_key
from spatialweave.io.stored_counts import StoredCounts
from spatialweave.io.tissue_image import TissueImage
from spatialweave.modalities import MODALITIES

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Measured:
    """One modality of a section.

    Attributes
    ----------
    spots
        Numbers of the section's spots in which it was measured, from 0.
    stored, rows
        Raw counts of the dataset, and where in them these spots are.
    var
        Its features.
    """

    spots: np.ndarray
    stored: StoredCounts
    rows: np.ndarray
    var: pd.DataFrame

    @property
    def counts(self) -> sparse.csr_matrix:
        """Raw counts of these spots (CSR, float32), spots x features."""
        return self.stored.at(self.rows)

    def spread(self, start: int, stop: int) -> sparse.csr_matrix:
        """Raw counts of the section's spots from `start` to `stop`; rows without the modality are empty."""
        first, last = np.searchsorted(self.spots, [start, stop])
        shape = (stop - start, len(self.var))
        if first == last:
            return sparse.csr_matrix(shape, dtype=np.float32)
        own = self.stored.at(self.rows[first:last])
        entries = np.zeros(shape[0], dtype=np.int64)
        entries[self.spots[first:last] - start] = np.diff(own.indptr)
        indptr = np.concatenate([[0], np.cumsum(entries)])
        return sparse.csr_matrix((own.data, own.indices, indptr), shape=shape)


@dataclass
class Section:
    """One section of an integrated file.

    Attributes
    ----------
    rows
        Its spots' rows in the file.
    obs
        Index = barcodes; columns `section` and, as far as a spot has a value, the user's own (e.g. `meta_donor`),
        `label`, the domains of each run and their names: all categorical, with those categories only that the section
        has.
    colours
        By column of classes the colour of each category.
    """

    content: Integrated
    name: str
    rows: np.ndarray
    obs: pd.DataFrame
    colours: dict[str, list[str]]

    @property
    def image(self) -> TissueImage | None:
        """The image of the tissue, if there is one."""
        return self.content.images.get(self.name)

    def modalities(self) -> Iterator[tuple[str, Measured]]:
        """The modalities that were measured in the section, by name."""
        data = self.content.data
        for name in MODALITIES:
            if name not in data.mod:
                continue
            part = data.mod[name]
            places = part.obs_names.get_indexer(data.obs_names[self.rows])
            spots = np.flatnonzero(places >= 0)
            if len(spots):
                yield name, Measured(spots, self.content.counts[name], places[spots], part.var)

    def coordinates(self) -> np.ndarray:
        """float64, spots x 2."""
        return np.asarray(self.content.data.obsm["spatial"], dtype=np.float64)[self.rows]

    def embeddings(self) -> Iterator[tuple[str, np.ndarray]]:
        """By key the embedding of each run and its UMAP, as far as they are there, spots x dimensions."""
        for run in self.content.runs:
            for key in (run.embedding_key, run.umap_key):
                if key in self.content.data.obsm:
                    yield key, np.asarray(self.content.data.obsm[key])[self.rows]

    def numbers(self) -> dict[str, np.ndarray]:
        """Return by column the confidence of each consensus, e.g. "weave_1_confidence", and each run's pseudotime.

        Pseudotime is NaN at spots that have none.
        """
        data = self.content.data
        columns = {}
        for run in self.content.runs:
            table = data.obsm.get(run.confidence_key)
            if table is not None and "confidence" in getattr(table, "columns", ()):
                columns[f"{run.key}_confidence"] = table["confidence"].to_numpy()[self.rows]
        for run in self.content.runs:
            if run.pseudotime_key in data.obs:
                columns[run.pseudotime_key] = data.obs[run.pseudotime_key].to_numpy(float)[self.rows]
        return columns


def section_names(content: Integrated) -> list[str]:
    """Return the names of the sections of a dataset, in the order of its spots."""
    return [str(name) for name in content.data.obs["section"].astype(str).unique()]


def sections(content: Integrated) -> Iterator[Section]:
    """The sections of a dataset, in the order of its spots."""
    import pandas as pd

    data = content.data
    names = data.obs["section"].astype(str)
    for name in section_names(content):
        rows = np.flatnonzero(names == name)
        spots = data.obs.iloc[rows]
        obs = pd.DataFrame({"section": pd.Categorical(names.iloc[rows])}, index=spots["barcode"].astype(str).to_numpy())
        for column in spots.columns[spots.columns.str.startswith(CARRIED)]:
            text = spots[column].astype(object).where(spots[column].notna(), "").astype(str)
            if (text != "").any():
                obs[column] = pd.Categorical(text.where(text != "", None))
        colours = {}
        for column in content.classes:
            classes = spots[column].cat.remove_unused_categories()
            if not len(classes.cat.categories):
                continue
            obs[column] = classes.array
            by_class = dict(zip(spots[column].cat.categories, data.uns[colour_key(column)], strict=True))
            colours[column] = [str(by_class[found]) for found in classes.cat.categories]
        yield Section(content, name, rows, obs, colours)
