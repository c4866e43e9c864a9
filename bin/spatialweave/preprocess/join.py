"""Joining of the sections of a dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.contract import (
    CARRIED,
    MEASURED,
    MICROMETRES,
    PRECOMPUTED,
    TRUE_SPATIAL,
    is_intensities,
    join_modalities,
    stamp,
    write,
)
from spatialweave.io.count_matrix import SpotBlocks
from spatialweave.io.joined_counts import SectionSize, joined_counts
from spatialweave.io.measurement import plain_column
from spatialweave.io.section_file import SectionFile, read_section_file
from spatialweave.io.stored_counts import StoredCounts
from spatialweave.io.tissue_image import IMAGE, TissueImage
from spatialweave.modalities import MODALITIES
from spatialweave.platforms import Platform, platform
from spatialweave.preprocess.common_features import Common, common_features

if TYPE_CHECKING:
    import anndata
    import mudata
    import pandas as pd
    from scipy import sparse


@dataclass
class JoinedModality:
    """One modality over all sections.

    Attributes
    ----------
    data
        The features that all sections with the modality share, without X; the obs columns that all of them have. If
        only one section has the modality, var and obsm are as in its file.
    counts
        Raw counts of these features, from the sections' files.
    sections
        The section of each spot.
    """

    data: anndata.AnnData
    counts: SpotBlocks
    sections: np.ndarray


@dataclass(frozen=True)
class StackedCounts:
    """Counts of several sections on their common features, one section below the other."""

    parts: list[StoredCounts]
    common: Common

    @property
    def shape(self) -> tuple[int, int]:
        """Spots and features."""
        return sum(part.shape[0] for part in self.parts), len(self.common.names)

    @property
    def nnz(self) -> int:
        """Upper limit of the number of stored entries."""
        return sum(part.nnz for part in self.parts)

    def blocks(self) -> Iterator[sparse.csr_matrix]:
        """Yield the spots in order; a block holds spots of one section."""
        for number, part in enumerate(self.parts):
            for block in part.blocks():
                yield self.common.counts(block, number)


@dataclass
class JoinedSections:
    """All sections of a dataset, joined.

    Attributes
    ----------
    sections
        Sizes before joining, in the order of the stack.
    obs
        One row per spot: index = unique spot names, columns `barcode`, `section` and, where known, `label`.
    coordinates
        float64, spots x 2, in the order of `obs`.
    true_coordinates
        True coordinates of simulated spots (float64, spots x 2), if all sections have them; else None.
    counts
        Counts of each modality on the spots where it was measured.
    images
        Images by section, of the sections that have one.
    """

    dataset: str
    platform: Platform
    layout: str
    sections: list[SectionSize]
    obs: pd.DataFrame
    coordinates: np.ndarray
    true_coordinates: np.ndarray | None
    counts: dict[str, JoinedModality]
    images: dict[str, TissueImage]

    @property
    def n_sections(self) -> int:
        """Number of sections."""
        return len(self.sections)

    def latents(self, parts: Mapping[str, anndata.AnnData], recipe: str, harmony: bool) -> mudata.MuData:
        """Join the latents of modalities to the content of a latents file, as in docs/design.md.

        Parameters
        ----------
        harmony
            Whether the latents were corrected for differences between sections.
        """
        facts = {"dataset": self.dataset, "platform": self.platform.name, "layout": self.layout}
        uns = {"spatialweave": stamp("latents", recipe=recipe, harmony=harmony, **facts)}
        latents = join_modalities(parts, self.obs, self.coordinates, uns)
        if self.true_coordinates is not None:
            latents.obsm[TRUE_SPATIAL] = self.true_coordinates
        return latents


def join_sections(paths: Sequence[Path]) -> JoinedSections:
    """Read the sections of one dataset and join them.

    A single section keeps its barcodes as spot names; with several sections they become ``<section>:<barcode>``.
    Sections are in the order of `paths`. Each modality is restricted to the features shared by all sections that have
    it (:mod:`spatialweave.preprocess.common_features`), in the order of the first section.

    Raises
    ------
    InputError
        When a file is not a section, the files belong to several datasets or platforms, a section is given twice, or
        the sections share no feature of a modality.
    """
    read = [read_section_file(path) for path in paths]
    files = [file.data for file in read]
    facts = [file.uns["spatialweave"] for file in files]
    for fact in ("dataset", "platform", "layout"):
        values = list(dict.fromkeys(str(f[fact]) for f in facts))
        if len(values) > 1:
            raise InputError("--section", f"sections differ in {fact}: {', '.join(values)}", f"one {fact} per dataset")
    names = [str(f["section"]) for f in facts]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError("--section", f"section '{twice[0]}' is given twice", "each section once")
    obs = _join_obs(files, names)
    return JoinedSections(
        dataset=str(facts[0]["dataset"]),
        platform=platform(str(facts[0]["platform"])),
        layout=str(facts[0]["layout"]),
        sections=[_size(file, name) for file, name in zip(files, names, strict=True)],
        obs=obs,
        coordinates=np.concatenate([np.asarray(file.obsm["spatial"], dtype=np.float64) for file in files]),
        true_coordinates=_true_coordinates(files),
        counts=_join_counts(read, names),
        images={
            name: TissueImage.of_uns(f"{path}, uns['{IMAGE}']", file.uns[IMAGE])
            for path, file, name in zip(paths, files, names, strict=True)
            if IMAGE in file.uns
        },
    )


def write_joined(dataset: JoinedSections, path: Path) -> None:
    """Write the joined raw counts."""
    joined = joined_counts(
        {name: modality.data for name, modality in dataset.counts.items()},
        dataset.obs,
        dataset.coordinates,
        dataset.sections,
        dataset.images,
        dataset=dataset.dataset,
        platform=dataset.platform.name,
        layout=dataset.layout,
    )
    write(joined, path, counts={name: modality.counts for name, modality in dataset.counts.items()})


def _spot_names(barcodes: pd.Index, section: str, n_sections: int) -> pd.Index:
    return barcodes if n_sections == 1 else section + ":" + barcodes


def _join_obs(files: list[mudata.MuData], names: list[str]) -> pd.DataFrame:
    """Return the obs table of the dataset; labels and the user's own columns are "" in sections without them."""
    import pandas as pd

    parts = []
    for file, section in zip(files, names, strict=True):
        part = pd.DataFrame({"barcode": file.obs_names.astype(str), "section": section})
        part.index = _spot_names(file.obs_names, section, len(files))
        for column in _further_columns(file.obs):
            part[column] = plain_column(file.obs[column])
        parts.append(part)
    obs = pd.concat(parts)
    for column in _further_columns(obs):
        obs[column] = plain_column(obs[column])
    if not obs.index.is_unique:
        name = obs.index[obs.index.duplicated()][0]
        raise InputError("--section", f"two spots are named '{name}'", "unique <section>:<barcode>")
    obs.index.name = None
    return obs


def _further_columns(obs: pd.DataFrame) -> list[str]:
    """Return the names of the label and the user's own columns that are present."""
    return [column for column in obs.columns if column == "label" or column.startswith(CARRIED)]


def _true_coordinates(files: list[mudata.MuData]) -> np.ndarray | None:
    """Return true coordinates of all spots (float64, spots x 2) if every section has finite ones; else None."""
    parts = [np.asarray(file.obsm[TRUE_SPATIAL], dtype=np.float64) for file in files if TRUE_SPATIAL in file.obsm]
    usable = [part for part in parts if part.ndim == 2 and part.shape[1] == 2 and np.isfinite(part).all()]
    return np.concatenate(usable) if len(usable) == len(files) else None


def _size(file: mudata.MuData, name: str) -> SectionSize:
    modalities = [modality for modality in MODALITIES if modality in file.mod]
    length = file.uns["spatialweave"].get(MICROMETRES)
    return SectionSize(
        name,
        str(file.uns["spatialweave"]["platform"]),
        {modality: file.mod[modality].n_obs for modality in modalities},
        {modality: file.mod[modality].n_vars for modality in modalities},
        float(length) if length is not None else None,
    )


def _join_counts(files: list[SectionFile], names: list[str]) -> dict[str, JoinedModality]:
    """Return each modality's counts over all sections, on the features that they share."""
    joined = {}
    for modality in MODALITIES:
        having = [
            (file.data.mod[modality], file.counts[modality], section)
            for file, section in zip(files, names, strict=True)
            if modality in file.data.mod
        ]
        if not having:
            continue
        for part, _, section in having:
            part.obs_names = _spot_names(part.obs_names, section, len(files))
        parts, counts, sections = [list(each) for each in zip(*having, strict=True)]
        of_spots = np.repeat(sections, [part.n_obs for part in parts])
        if len(parts) == 1:
            joined[modality] = JoinedModality(parts[0], counts[0], of_spots)
        else:
            data, common = _stack(modality, parts, sections)
            joined[modality] = JoinedModality(data, StackedCounts(counts, common), of_spots)
    return joined


def _stack(modality: str, parts: list[anndata.AnnData], sections: list[str]) -> tuple[anndata.AnnData, Common]:
    """Return several sections of a modality, one below the other, without counts; and their common features."""
    import anndata
    import pandas as pd

    if any(PRECOMPUTED in part.obsm for part in parts):
        found = "several sections, one of them with precomputed latents"
        raise InputError(
            f"modality {modality}", found, "one section, or counts", "compute the latents of all sections together"
        )
    measured = [is_intensities(modality, part.uns) for part in parts]
    if len(set(measured)) > 1:
        named = ", ".join(f"{s} {'intensities' if m else 'counts'}" for s, m in zip(sections, measured, strict=True))
        raise InputError(
            f"modality {modality}",
            f"its sections hold different kinds of values: {named}",
            "the same kind in all sections",
        )
    common = common_features(modality, [part.var_names for part in parts], sections)
    stacked = anndata.AnnData(
        obs=pd.concat([part.obs for part in parts], join="inner"),
        var=pd.DataFrame(index=common.names),
    )
    if MEASURED in parts[0].uns:
        stacked.uns[MEASURED] = parts[0].uns[MEASURED]
    if any(PRECOMPUTED in part.uns for part in parts):
        stacked.uns[PRECOMPUTED] = "values"
    return stacked, common
