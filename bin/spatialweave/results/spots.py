"""The spots of a dataset."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialweave.io import dataset as latents_file

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class DatasetSpots:
    """Spots of a dataset in the order of its latents.

    Attributes
    ----------
    obs
        Index = unique spot names, columns `barcode` and `section`, as text.
    labels
        One per spot, "" = none; None if no spot has one.
    coordinates
        float64, spots x 2, platform units.
    """

    obs: pd.DataFrame
    labels: list[str] | None
    coordinates: np.ndarray
    layout: str

    def __len__(self) -> int:
        return len(self.obs)

    def stack(self) -> tuple[np.ndarray, list[str]]:
        """Return the section code of every spot (int32), and the section names by code in the order of the stack."""
        import pandas as pd

        codes, names = pd.factorize(self.obs["section"])
        return codes.astype(np.int32), names.tolist()


def read_spots(latents: Path) -> DatasetSpots:
    """Read the spots of a latents file."""
    dataset = latents_file.read_spots(latents)
    labels = _texts(dataset.obs["label"]) if "label" in dataset.obs else []
    return DatasetSpots(
        obs=dataset.obs[["barcode", "section"]].astype(str),
        labels=labels if any(labels) else None,
        coordinates=dataset.coordinates,
        layout=dataset.layout,
    )


def _texts(values: Any) -> list[str]:
    return ["" if value is None or value != value else str(value) for value in values]
