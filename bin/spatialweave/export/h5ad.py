"""One .h5ad per section, by the conventions of scanpy and squidpy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from spatialweave.export.features import feature_ids, free_names
from spatialweave.export.images import library
from spatialweave.export.sections import Measured, Section, sections
from spatialweave.io.contract import write
from spatialweave.io.count_matrix import in_memory, rows_per_block
from spatialweave.io.graph_file import SPATIAL_KEYS
from spatialweave.io.integrated import PARAMETERS, VERSIONS, Integrated, colour_key
from spatialweave.modalities import MODALITIES, MODALITY_KINDS

if TYPE_CHECKING:
    import anndata
    import pandas as pd


def write_h5ad(content: Integrated, folder: Path) -> None:
    """Write `integrated/<section>.h5ad` of every section, with its image where squidpy looks for it."""
    for section in sections(content):
        data, counts = annotated_section(section)
        data.uns["spatial"] = {section.name: library(section)}
        # The file has the counts once, under both names.
        path = folder / "integrated" / f"{section.name}.h5ad"
        write(data, path, {"layers/counts": "X"}, counts={"": counts})


def section_anndata(section: Section) -> anndata.AnnData:
    """One section for scanpy, squidpy and cellxgene.

    Returns
    -------
    Raw counts of all modalities side by side in X and `layers['counts']`, as in 10x's files, with `modality` and
    `feature_types` in var. A name that an earlier modality has is preceded by its own, e.g. "adt:CD3". obs: `section`,
    `barcode`, `label`, a column per run, that of a consensus also with `_confidence`, and `in_<modality>` for every
    modality of the dataset: False where it was not measured, and its counts are empty. Coordinates in `obsm['spatial']`
    and, for cellxgene, which shows keys of this form only and whose y goes up, in `obsm['X_spatial']` with the sign of
    y changed; embeddings in `obsm['X_<run>']`, their UMAPs in `obsm['X_umap_<run>']`; the spatial graph in obsp.
    """
    data, counts = annotated_section(section)
    data.X = data.layers["counts"] = in_memory(counts).astype(np.float32)
    return data


def annotated_section(section: Section) -> tuple[anndata.AnnData, SideBySide]:
    """The same without counts, and the counts on disk."""
    import anndata

    data = section.content.data
    measured = dict(section.modalities())
    counts = SideBySide(list(measured.values()), len(section.obs))
    obs = section.obs.assign(barcode=section.obs.index, **section.numbers())
    for name in (name for name in MODALITIES if name in data.mod):
        # The whole section may lack a modality that others have.
        obs[f"in_{name}"] = np.isin(np.arange(len(obs)), measured[name].spots) if name in measured else False
    result = anndata.AnnData(obs=obs, var=_features(measured))
    result.obsm["spatial"] = section.coordinates()
    result.obsm["X_spatial"] = section.coordinates() * [1, -1]
    if "spatial_aligned" in data.obsm:
        result.obsm["spatial_aligned"] = np.asarray(data.obsm["spatial_aligned"])[section.rows]
    for key, embedding in section.embeddings():
        result.obsm[key] = embedding
    for key in SPATIAL_KEYS:
        if key in data.obsp:
            result.obsp[key] = data.obsp[key].tocsr()[section.rows][:, section.rows]
    result.uns.update({colour_key(column): colours for column, colours in section.colours.items()})
    result.uns.update({key: data.uns[key] for key in (PARAMETERS, VERSIONS) if key in data.uns})
    if len(result.obsp) == len(SPATIAL_KEYS):
        # What squidpy's spatial_neighbors leaves there, for scanpy's `neighbors_key`.
        keys = dict(zip(("connectivities_key", "distances_key"), SPATIAL_KEYS, strict=True))
        result.uns["spatial_neighbors"] = {**keys, "params": {}}
    return result, counts


@dataclass(frozen=True)
class SideBySide:
    """The counts of all modalities for all spots of a section, some spots at a time."""

    parts: list[Measured]
    n_spots: int

    @property
    def shape(self) -> tuple[int, int]:
        """Spots and features."""
        return self.n_spots, sum(len(part.var) for part in self.parts)

    @property
    def nnz(self) -> int:
        """Stored entries, at most."""
        return sum(part.stored.nnz for part in self.parts)

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """The spots in order; rows without a modality are empty there."""
        step = rows_per_block(self.n_spots, self.nnz)
        for start in range(0, self.n_spots, step):
            stop = min(start + step, self.n_spots)
            block = sparse.hstack([part.spread(start, stop) for part in self.parts], format="csr")
            block.sort_indices()
            yield block


def _features(measured: dict[str, Measured]) -> pd.DataFrame:
    """The features of all modalities; index = unique names."""
    import pandas as pd

    tables = []
    taken: list[str] = []
    for modality, part in measured.items():
        names = free_names(part.var.index.astype(str), taken, f"{modality}:")
        taken += names
        table = pd.DataFrame(
            {"modality": modality, "feature_types": MODALITY_KINDS[modality].feature_type}, index=names
        )
        table["gene_ids"] = feature_ids(part.var)
        tables.append(table)
    joined = pd.concat(tables)
    return joined.astype({"modality": "category", "feature_types": "category"})
