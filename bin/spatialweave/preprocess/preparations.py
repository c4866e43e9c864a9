"""The preparations of modalities, by their names in modalities.yml."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spatialweave.io.count_matrix import Counts
from spatialweave.modalities import INTENSITIES, MODALITY_KINDS
from spatialweave.preprocess import adt, chromatin, intensities, metabolite, rna
from spatialweave.preprocess.prepared import Prepared


@dataclass(frozen=True)
class Preparation:
    """Function that turns raw counts (spots x features) into the input of the PCA, with its settings.

    Attributes
    ----------
    settings
        The dataclass of its options (:class:`spatialweave.preprocess.prepared.PreparationSettings`).
    prepare
        Function of counts and settings.
    """

    settings: type
    prepare: Callable[[Counts, Any], Prepared]


PREPARATIONS = {
    "rna": Preparation(rna.RnaSettings, rna.prepare),
    "adt": Preparation(adt.AdtSettings, adt.prepare),
    "chromatin": Preparation(chromatin.ChromatinSettings, chromatin.prepare),
    "metabolite": Preparation(metabolite.MetaboliteSettings, metabolite.prepare),
    "intensities": Preparation(intensities.IntensitySettings, intensities.prepare),
}

OF_INTENSITIES = Preparation(intensities.IntensitySettings, intensities.prepare)
"""Preparation of intensities of modalities that are usually counted."""


def preparation_of(modality: str, is_intensities: bool = False) -> Preparation:
    """Return the preparation of `modality`, by the table of modalities and the kind of its values."""
    kind = MODALITY_KINDS[modality]
    return OF_INTENSITIES if is_intensities and kind.values != INTENSITIES else PREPARATIONS[kind.preparation]
