"""Metrics of the integration of several sections: mixing, and agreement of domains and labels across sections."""

from __future__ import annotations

import numpy as np

from spatialweave.io.dataset import Dataset
from spatialweave.metrics import mixing, transfer


def across_sections(dataset: Dataset, embedding: np.ndarray, domains: np.ndarray, seed: int) -> dict[str, float]:
    """The metrics of several sections, by name, in the order of docs/metrics.md; NaN where undefined.

    Without labels or aligned coordinates, the metrics that need them are left out; with one section all are.
    Parameters as for :func:`spatialweave.metrics.evaluate.evaluate`.
    """
    sections = dataset.obs["section"].astype(str).to_numpy()
    n_sections = len(np.unique(sections))
    if n_sections < 2:
        return {}
    effective = mixing.effective_sections(embedding, sections, seed)
    found = {
        "ilisi": mixing.ilisi(effective, n_sections),
        "effective_sections": effective,
        "kbet": mixing.kbet(embedding, sections, seed),
        "domain_section_ami": transfer.domain_section_ami(domains, sections),
    }
    if dataset.aligned is not None:
        found["section_agreement"] = transfer.section_agreement(dataset, domains)
    if "label" in dataset.obs:
        labels = dataset.obs["label"].astype(str).to_numpy()
        found |= _with_labels(embedding, domains, sections, labels, seed)
    return found


def _with_labels(
    embedding: np.ndarray, domains: np.ndarray, sections: np.ndarray, labels: np.ndarray, seed: int
) -> dict[str, float]:
    by_section = transfer.ari_by_section(domains, labels, sections)
    within = float(np.mean(list(by_section.values()))) if by_section else float("nan")
    return {
        "ari_within_sections": within,
        "label_transfer": transfer.label_transfer(embedding, sections, labels, seed),
        "kbet_per_label": mixing.kbet_per_label(embedding, sections, labels, seed),
        "batch_silhouette": mixing.batch_silhouette(embedding, sections, labels, seed),
        "graph_connectivity": mixing.graph_connectivity(embedding, labels, seed),
        **{f"ari_section_{section}": value for section, value in by_section.items()},
    }
