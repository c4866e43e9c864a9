"""The ways to prepare a modality, by the names under which modalities.yml chooses among them."""

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
    """From raw counts (spots x features) and settings to what the PCA takes.

    Attributes
    ----------
    settings
        The dataclass of its options (:class:`spatialweave.preprocess.prepared.PreparationSettings`).
    prepare
        Takes counts and settings.
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
"""Of modalities that are usually counted, where intensities were measured."""


def preparation_of(modality: str, is_intensities: bool = False) -> Preparation:
    """How `modality` is prepared, by the table of modalities and by what was measured."""
    kind = MODALITY_KINDS[modality]
    return OF_INTENSITIES if is_intensities and kind.values != INTENSITIES else PREPARATIONS[kind.preparation]
