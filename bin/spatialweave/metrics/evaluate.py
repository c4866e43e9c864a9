"""All metrics of one clustering of one embedding, as rows of metrics.csv."""

from __future__ import annotations

import warnings

import numpy as np
from scipy import sparse

from spatialweave.graphs import spatial
from spatialweave.io.dataset import Dataset
from spatialweave.io.notices import InputWarning
from spatialweave.metrics.agreement import agreement
from spatialweave.metrics.fidelity import distance_correlation, knn_overlap
from spatialweave.metrics.integration import across_sections
from spatialweave.metrics.separation import calinski_harabasz, davies_bouldin, silhouette
from spatialweave.metrics.tissue import (
    N_NEIGHBOURS,
    abnormal_spots,
    chaos,
    mean_morans_i,
    morans_i,
    neighbour_agreement,
)


def evaluate(dataset: Dataset, embedding: np.ndarray | None, domains: np.ndarray, seed: int) -> dict[str, float]:
    """Compute every metric that is defined, by name, in the order of docs/metrics.md.

    Parameters
    ----------
    dataset
        Its graphs must contain ``spatial_connectivities``. With several sections, metrics across them are added.
    embedding
        Spots x dimensions, in the order of the dataset; None to compute only the metrics of domains.
    domains
        Integers from 1, one per spot.
    seed
        Seed for the subsets of spots that some metrics are computed on.
    """
    sections = dataset.section_of_spot
    found: dict[str, float] = {}
    if "label" in dataset.obs:
        found |= agreement(domains, dataset.obs["label"].astype(str).to_numpy())
    if embedding is not None:
        found["silhouette"] = silhouette(embedding, domains, seed)
        found["davies_bouldin"] = davies_bouldin(embedding, domains)
        found["calinski_harabasz"] = calinski_harabasz(embedding, domains)

    neighbours = _nearest_spots(dataset.coordinates, sections)
    by_domain = morans_i(domains, neighbours)
    found["morans_i"] = mean_morans_i(by_domain, domains)
    found["chaos"] = chaos(domains, dataset.coordinates, sections)
    found["pas"] = abnormal_spots(domains, neighbours)
    found["neighbour_agreement"] = neighbour_agreement(domains, dataset.spatial_graph())
    found |= across_sections(dataset, embedding, domains, seed)

    if embedding is not None:
        for modality in dataset.modalities:
            inside, latent = embedding[modality.present], modality.latent[modality.present]
            found[f"distance_correlation_{modality.name}"] = distance_correlation(inside, latent, seed)
            found[f"knn_overlap_{modality.name}"] = knn_overlap(inside, latent, seed)
    found |= {f"morans_i_domain_{domain}": value for domain, value in by_domain.items()}
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _nearest_spots(points: np.ndarray, sections: np.ndarray) -> sparse.csr_matrix:
    with warnings.catch_warnings():
        # Small sections have fewer neighbours, which the metrics allow; GRAPH has already warned of them.
        warnings.simplefilter("ignore", InputWarning)
        return spatial.knn(points, sections, N_NEIGHBOURS)
