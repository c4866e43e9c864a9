"""Code shared by the methods of scvi-tools: input counts, seed and threads, the record of a training."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.graphs.complete import complete
from spatialweave.io.notices import warn
from spatialweave.training.run import versions_of

if TYPE_CHECKING:
    from mudata import MuData

    from spatialweave.io.dataset import Dataset
    from spatialweave.training.run import Run


def count_data(dataset: Dataset, names: Sequence[str]) -> tuple[np.ndarray, MuData]:
    """Return the counts of the modalities `names` in spots that have the first of them, and those spots (bool).

    Its obs has `batch`: the sections. If a whole section lacks a modality, its counts are zero, which the models treat
    as missing; a single spot that lacks it has the rounded mean of its neighbours. (When such spots were missing in a
    batch of their own, a tenth of the demo's spots without proteins was placed by what it lacks, not by its domain.)

    Raises
    ------
    InputError
        When a modality is missing, or its values are not counts.
    """
    import anndata
    import mudata

    modalities = {modality.name: modality for modality in dataset.modalities}
    for name in names:
        if name not in modalities:
            raise InputError(dataset.name, f"has no {name}", ", ".join(names), "leave the method out")
        values = modalities[name].latent
        if (values < 0).any() or (values != np.round(values)).any():
            found = f"{name} holds values that are not counts"
            raise InputError(dataset.name, found, "whole numbers of 0 or more", "leave the method out")
    if unused := modalities.keys() - set(names):
        warn(dataset.name, f"{' and '.join(sorted(unused))} are not used: the method takes {' and '.join(names)}")
    measured = modalities[names[0]].present
    index = dataset.obs.index[measured]
    obs = pd.DataFrame({"batch": dataset.obs["section"][measured].astype(str)}, index=index)
    parts = {}
    for name in names:
        values = np.round(complete(modalities[name], dataset.spatial_graph()))
        for rows in dataset.section_rows().values():
            if not modalities[name].present[rows].any():
                values[rows] = 0
        values = values[measured]
        var = pd.DataFrame(index=[f"{name}:{number}" for number in range(values.shape[1])])
        matrix: Any = values if name == "adt" else sparse.csr_matrix(values)
        parts[name] = anndata.AnnData(matrix, obs=obs.copy(), var=var)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        joined = mudata.MuData(parts)
    return measured, joined


def where(**layers: str) -> dict[str, str]:
    """Return the role of each modality in `setup_mudata`; the batches are in the obs of all of them."""
    return {**layers, "batch_key": layers["rna_layer"]}


def prepare(run: Run) -> None:
    """Give scvi-tools the seed and the number of threads, and keep it quiet."""
    import scvi
    import torch

    if run.threads is not None:
        torch.set_num_threads(run.threads)
    scvi.settings.seed = run.seed
    scvi.settings.verbosity = logging.WARNING
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)


def training_record(model: Any, epochs: int) -> dict[str, Any]:
    """Return the training record: the loss of every epoch, and whether all epochs were needed."""
    losses = model.history["elbo_train"].iloc[:, 0].astype(float).tolist()
    stopped_by = "all epochs done" if len(losses) >= epochs else "no improvement of the validation loss"
    versions = versions_of("scvi-tools")
    return {"losses": {"total": losses}, "epochs": len(losses), "stopped_by": stopped_by, "versions": versions}
