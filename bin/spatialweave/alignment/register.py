"""Registration of one section of a dataset onto another."""

from __future__ import annotations

from pathlib import Path

from spatialweave.alignment.prematch import Registration, SectionFeatures, prematch
from spatialweave.alignment.prematch_settings import PrematchSettings
from spatialweave.errors import InputError
from spatialweave.io.dataset import Dataset, read_dataset


def align_sections(latents: Path, fixed: str, moving: str, settings: PrematchSettings) -> Registration:
    """Return the transform of section `moving` onto `fixed`, both from one latents file.

    Raises
    ------
    InputError
        When the latents have no section of that name.
    """
    dataset = read_dataset(latents)
    return prematch(section_features(dataset, fixed), section_features(dataset, moving), settings)


def section_features(dataset: Dataset, section: str) -> SectionFeatures:
    """Return the coordinates of one section, and the latents of each modality that it has."""
    if section not in dataset.sections:
        raise InputError("--latents", f"have no section '{section}'", " or ".join(dataset.sections))
    rows = dataset.section_rows()[section]
    return SectionFeatures(
        dataset.coordinates[rows],
        {one.name: (one.latent[rows], one.present[rows]) for one in dataset.modalities if one.present[rows].any()},
    )
