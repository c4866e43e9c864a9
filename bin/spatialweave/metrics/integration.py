"""Metrics of the integration of several sections: mixing, and agreement of domains and labels across sections."""

from __future__ import annotations

import numpy as np

from spatialweave.io.dataset import Dataset
from spatialweave.metrics import mixing, transfer


def across_sections(dataset: Dataset, embedding: np.ndarray | None, domains: np.ndarray, seed: int) -> dict[str, float]:
    """Compute the metrics of several sections, by name, in the order of docs/metrics.md; NaN where undefined.

    Without labels or aligned coordinates, the metrics that need them are left out; with one section all are. The
    parameters are those of :func:`spatialweave.metrics.evaluate.evaluate`.
    """
    sections = dataset.section_of_spot
    n_sections = len(np.unique(sections))
    if n_sections < 2:
        return {}
    found: dict[str, float] = {}
    if embedding is not None:
        effective = mixing.effective_sections(embedding, sections, seed)
        found["ilisi"] = mixing.ilisi(effective, n_sections)
        found["effective_sections"] = effective
        found["kbet"] = mixing.kbet(embedding, sections, seed)
    found["domain_section_ami"] = transfer.domain_section_ami(domains, sections)
    if dataset.aligned is not None:
        found["section_agreement"] = transfer.section_agreement(dataset, domains)
    if "label" in dataset.obs:
        labels = dataset.obs["label"].astype(str).to_numpy()
        by_section = transfer.ari_by_section(domains, labels, sections)
        found["ari_within_sections"] = float(np.mean(list(by_section.values()))) if by_section else float("nan")
        if embedding is not None:
            found["label_transfer"] = transfer.label_transfer(embedding, sections, labels, seed)
            found["kbet_per_label"] = mixing.kbet_per_label(embedding, sections, labels, seed)
            found["batch_silhouette"] = mixing.batch_silhouette(embedding, sections, labels, seed)
            found["graph_connectivity"] = mixing.graph_connectivity(embedding, labels, seed)
        found |= {f"ari_section_{section}": value for section, value in by_section.items()}
    return found
