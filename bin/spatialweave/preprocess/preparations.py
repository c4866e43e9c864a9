"""The ways to prepare a modality, by the names under which modalities.yml chooses among them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scipy import sparse

from spatialweave.modalities import MODALITY_KINDS
from spatialweave.preprocess import adt, chromatin, metabolite, rna
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
    prepare: Callable[[sparse.csr_matrix, Any], Prepared]


PREPARATIONS = {
    "rna": Preparation(rna.RnaSettings, rna.prepare),
    "adt": Preparation(adt.AdtSettings, adt.prepare),
    "chromatin": Preparation(chromatin.ChromatinSettings, chromatin.prepare),
    "metabolite": Preparation(metabolite.MetaboliteSettings, metabolite.prepare),
}


def preparation_of(modality: str) -> Preparation:
    """How `modality` is prepared, by the table of modalities."""
    return PREPARATIONS[MODALITY_KINDS[modality].preparation]
