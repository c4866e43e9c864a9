"""MultiVI (Ashuach et al., Nature Methods 20:1222, 2023), with scvi-tools: variational autoencoder of RNA and peaks.

It takes counts and does not use spatial positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from spatialweave.baselines.scvi_tools import count_data, prepare, training_record, where
from spatialweave.baselines.spots import on_all_spots
from spatialweave.method import Fitted
from spatialweave.settings import option

if TYPE_CHECKING:
    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


@dataclass(frozen=True)
class Config:
    """Settings of MultiVI; the defaults are the library's."""

    n_dims: int = option(20, "Dimensions of the embedding.", low=1, high=1000, aliases=("n_latent",))
    epochs: int = option(500, "Epochs at most; it stops early.", low=1, aliases=("max_epochs",))
    learning_rate: float = option(1e-4, "Step size.", above=0, aliases=("lr",))


def fit(dataset: Dataset, config: Config, run: Run) -> Fitted:
    """Embed `dataset`: sections are batches; chromatin or proteins that a section lacks are missing there."""
    proteins = any(modality.name == "adt" for modality in dataset.modalities)
    measured, counts = count_data(dataset, ("rna", "atac", "adt") if proteins else ("rna", "atac"))
    prepare(run)
    from scvi.model import MULTIVI

    layers = {"rna_layer": "rna", "atac_layer": "atac"} | ({"protein_layer": "adt"} if proteins else {})
    MULTIVI.setup_mudata(counts, batch_key="batch", modalities=where(**layers))
    model = MULTIVI(counts, n_latent=config.n_dims)
    model.train(config.epochs, lr=config.learning_rate, accelerator="cpu", enable_progress_bar=False)
    return Fitted(
        on_all_spots(dataset, measured, model.get_latent_representation()),
        record=training_record(model, config.epochs),
    )
