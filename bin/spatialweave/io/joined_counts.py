"""The raw counts of a whole dataset in one file, with its sections joined by PREPROCESS."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.contract import join_modalities, read_h5mu, read_without_counts, stamp
from spatialweave.io.section_file import check_modalities, stored_counts
from spatialweave.io.stage_checks import AGAIN
from spatialweave.io.stored_counts import StoredCounts
from spatialweave.io.tissue_image import TissueImage, images_uns

if TYPE_CHECKING:
    import anndata
    import mudata
    import pandas as pd

SECTIONS = "sections"
"""The uns key of the sections' sizes."""


@dataclass(frozen=True)
class SectionSize:
    """Size of a section before joining: spots and features per modality; micrometres per coordinate unit if known."""

    name: str
    platform: str
    spots: dict[str, int]
    features: dict[str, int]
    micrometres: float | None = None


def joined_counts(
    parts: Mapping[str, anndata.AnnData],
    obs: pd.DataFrame,
    coordinates: np.ndarray,
    sections: Sequence[SectionSize],
    images: Mapping[str, TissueImage],
    **facts: str,
) -> mudata.MuData:
    """Return the content of a counts file.

    Parameters
    ----------
    parts
        Raw counts (CSR, float32) of each modality, with the features that all sections with the modality share.
    obs, coordinates
        Spots and their coordinates (float64, spots x 2), as in the latents.
    sections
        Sizes of the sections in the order of the stack.
    images
        Images by section, of the sections that have one.
    facts
        Facts of the stamp: dataset, platform, layout.
    """
    uns = {
        "spatialweave": stamp("counts", **facts),
        SECTIONS: json.dumps([asdict(section) for section in sections]),
        **images_uns(images),
    }
    return join_modalities(parts, obs, coordinates, uns)


def read_joined_counts(path: Path) -> tuple[mudata.MuData, list[SectionSize]]:
    """Read the joined raw counts of a dataset, and its sections in the order of the stack.

    Returns
    -------
    For each modality X (CSR, float32), the obs columns that all its sections have and, if only one section has the
    modality, its var columns. The MuData's own obs (`barcode`, `section` and, where known, `label`) and
    obsm['spatial'] are those of the latents.

    Raises
    ------
    InputError
        When the file is of another kind, holds no raw counts, or lacks a valid list of its sections.
    """
    data = read_h5mu(path, "counts")
    check_modalities(path, data)
    _check_spots(path, data)
    return data, _sections(path, data)


def read_stored_counts(path: Path) -> tuple[mudata.MuData, dict[str, StoredCounts], list[SectionSize]]:
    """Read the same without X; counts of each modality stay on disk, and are checked whenever they are read."""
    data = read_without_counts(path, "counts")
    return data, counts_of_spots(path, data), _sections(path, data)


def _sections(path: Path, data: mudata.MuData) -> list[SectionSize]:
    try:
        sections = [SectionSize(**entry) for entry in json.loads(str(data.uns[SECTIONS]))]
        names = [section.name for section in sections]
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(f"{path}, uns['{SECTIONS}']", f"is not a list of sections ({error})", fix=AGAIN) from error
    if names != list(dict.fromkeys(data.obs["section"].astype(str))):
        raise InputError(f"{path}, uns['{SECTIONS}']", f"names {', '.join(names)}", "the sections of obs", AGAIN)
    return sections


def counts_of_spots(path: Path, data: mudata.MuData) -> dict[str, StoredCounts]:
    """Return the counts of every modality on disk; modalities with spots that the dataset lacks are refused."""
    counts = stored_counts(path, data)
    _check_spots(path, data)
    return counts


def _check_spots(path: Path, data: mudata.MuData) -> None:
    for name, part in data.mod.items():
        if not part.obs_names.isin(data.obs_names).all():
            raise InputError(f"{path}, modality {name}", "has spots that the dataset lacks", "its spots", AGAIN)
