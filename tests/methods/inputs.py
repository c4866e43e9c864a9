"""What a network sees of a small dataset, all spots at once."""

from __future__ import annotations

import numpy as np

from spatialweave.io.dataset import Dataset
from spatialweave.training.masking import InputConfig, MaskedInputs, scale_inputs
from spatialweave.training.run import Run
from spatialweave.training.tiles import Tiling


def prepare_inputs(
    dataset: Dataset, config: InputConfig, run: Run, rng: np.random.Generator | None = None
) -> MaskedInputs:
    """The scaled inputs of all spots."""
    tiling = Tiling(dataset, 0, 0, run)
    return scale_inputs(tiling, config, run, rng).at(tiling.patch(0, 0))
