"""Distributions over the spots of each domain: of marker values, and of how well modalities are preserved."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from spatialweave.characterise.features import FeatureValues
from spatialweave.characterise.rounding import short
from spatialweave.characterise.sources import CharacterisedRun
from spatialweave.io.dataset import Dataset
from spatialweave.metrics.fidelity import distance_correlations
from spatialweave.sampling import random_subset

VALUE, CORRELATION = "value", "distance_correlation"
"""Kinds of quantities."""

QUANTILES = {"low": 0.05, "q25": 0.25, "median": 0.5, "q75": 0.75, "high": 0.95}

VALUE_SPOTS = 100_000
"""With more measured spots, the values of a random subset of this size are used."""

OTHER_SPOTS = 20_000
"""Number of spots to which distances are compared; a random subset if there are more."""

ANCHORS = 200
"""Number of spots per domain whose distances are compared; a random subset if there are more."""


def value_rows(
    run: CharacterisedRun, table: FeatureValues, features: Iterable[int], unit: str, seed: int
) -> Iterator[dict[str, Any]]:
    """Yield rows of table DISTRIBUTIONS: the values of features (by number) in each domain."""
    measured = np.flatnonzero(table.present)
    rows = measured[random_subset(len(measured), VALUE_SPOTS, seed)]
    codes = run.codes[rows]
    for feature in features:
        values = table.values[:, [feature]].toarray().ravel()[rows]
        for domain in np.unique(codes):
            in_domain = values[codes == domain]
            yield _row(run.id, VALUE, table.modality, table.names[feature], int(domain), in_domain, unit)


def correlation_rows(dataset: Dataset, run: CharacterisedRun, seed: int) -> Iterator[dict[str, Any]]:
    """Yield rows of table DISTRIBUTIONS: how well the spots of each domain preserve their distances to other spots.

    This is the modality correlation of Du et al., Nat Commun 17:2876 (2026): for each spot, the Pearson correlation
    between its distances to the other spots in the embedding and in the latents of a modality.
    """
    if run.embedding is None:
        return
    for modality in dataset.modalities:
        measured = np.flatnonzero(modality.present)
        others = measured[random_subset(len(measured), OTHER_SPOTS, seed)]
        for domain in np.unique(run.codes[measured]):
            own = measured[run.codes[measured] == domain]
            own = own[random_subset(len(own), ANCHORS, seed)]
            rows = np.concatenate([own, np.setdiff1d(others, own)])
            anchors = np.arange(len(own))
            correlations = distance_correlations(run.embedding[rows], modality.latent[rows], anchors)
            correlations = correlations[np.isfinite(correlations)]
            if len(correlations):
                yield _row(run.id, CORRELATION, modality.name, "", int(domain), correlations, "Pearson correlation")


def _row(
    run: str, quantity: str, modality: str, feature: str, domain: int, values: np.ndarray, unit: str
) -> dict[str, Any]:
    ends = np.quantile(values, list(QUANTILES.values()))
    return {
        "run": run,
        "quantity": quantity,
        "modality": modality,
        "feature": feature,
        "domain": domain + 1,
        "spots": len(values),
        "mean": short(float(values.mean())),
        **{name: short(float(end)) for name, end in zip(QUANTILES, ends, strict=True)},
        "unit": unit,
    }
