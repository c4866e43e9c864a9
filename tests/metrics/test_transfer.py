"""Labels and domains across sections against values worked out by hand and scikit-learn."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score, cohen_kappa_score
from sklearn.neighbors import KNeighborsClassifier

from spatialweave.io.dataset import Dataset
from spatialweave.metrics import transfer

from .three_sections import three_sections


def test_ari_by_section():
    sections = np.array(list("bbbbbaaaaccc"))
    labels = np.array(["x", "x", "y", "y", "", "x", "x", "y", "y", "z", "z", ""])
    domains = np.array([1, 1, 2, 2, 9, 1, 2, 1, 2, 1, 2, 3])
    found = transfer.ari_by_section(domains, labels, sections)
    assert list(found) == ["b", "a"]
    assert found["b"] == 1.0
    assert found["a"] == pytest.approx(adjusted_rand_score([0, 0, 1, 1], [0, 1, 0, 1])) == pytest.approx(-0.5)


def test_label_transfer_equals_scikit_learn():
    rng = np.random.default_rng(0)
    values, sections, labels = three_sections()
    values = values + rng.normal(size=values.shape) * 1.5
    labels[rng.random(600) < 0.2] = ""
    labels[(sections == "c") & (labels == "3")] = "new"
    truth = []
    for source in "abc":
        known = (sections == source) & (labels != "")
        classifier = KNeighborsClassifier(15).fit(values[known], labels[known])
        for target in "abc":
            judged = (sections == target) & (labels != "") & np.isin(labels, labels[known])
            if target != source:
                truth.append(classifier.score(values[judged], labels[judged]))
    assert 0.5 < np.mean(truth) < 0.95
    assert transfer.label_transfer(values, sections, labels, seed=0) == pytest.approx(np.mean(truth))


def test_label_transfer_by_hand(monkeypatch):
    """Fewer labelled spots than neighbours: all vote, so b's spots are called x (2 of 3), a's y (2 of 3)."""
    values = np.arange(6.0)[:, None]
    sections, labels = np.repeat(["a", "b"], 3), np.array(["x", "x", "y", "y", "y", "x"])
    assert transfer.label_transfer(values, sections, labels, seed=0) == pytest.approx(1 / 3)
    assert np.isnan(transfer.label_transfer(values, sections, np.repeat(["x", "y"], 3), seed=0))
    assert np.isnan(transfer.label_transfer(values, sections, np.array([""] * 6), seed=0))
    spots, sections, labels = three_sections()
    full = transfer.label_transfer(spots, sections, labels, seed=0)
    monkeypatch.setattr(transfer, "TRANSFER_SPOTS", 300)
    some = transfer.label_transfer(spots, sections, labels, seed=0)
    assert some != full and some == pytest.approx(full, abs=0.05)


def aligned_dataset(aligned: np.ndarray, sections: np.ndarray) -> Dataset:
    """A dataset with these aligned coordinates; its own have nothing to do with them."""
    return Dataset("d", pd.DataFrame({"section": sections}), 9.0 * aligned[::-1], [], aligned=aligned)


def test_section_agreement_by_hand():
    """Four spots on four others, of which three agree: (3/4 - 1/2) / (1 - 1/2)."""
    row = np.column_stack([np.arange(4.0), np.zeros(4)])
    dataset = aligned_dataset(np.concatenate([row, row]), np.repeat(["t2", "t1"], 4))
    found = transfer.section_agreement(dataset, np.array([1, 1, 2, 2, 1, 1, 2, 1]))
    assert found == pytest.approx(cohen_kappa_score([1, 1, 2, 2], [1, 1, 2, 1])) == pytest.approx(0.5)
    # Each section has its own domains: the partitions are equal, the domains are not.
    assert transfer.section_agreement(dataset, np.array([1, 1, 2, 2, 3, 3, 4, 4])) == 0.0
    assert np.isnan(transfer.section_agreement(dataset, np.ones(8, int)))
    # Beyond one spacing no spots correspond.
    domains = np.array([1, 2, 1, 2, 1, 2, 1, 2])
    for off, expected in ((1.0, 1.0), (1.01, np.nan)):
        dataset.aligned = np.concatenate([row, row + np.array([0.0, off])])
        assert transfer.section_agreement(dataset, domains) == pytest.approx(expected, nan_ok=True)


def test_section_agreement_takes_consecutive_sections():
    row = np.column_stack([np.arange(4.0), np.zeros(4)])
    dataset = aligned_dataset(np.tile(row, (3, 1)), np.repeat(["z", "y", "x"], 4))
    domains = np.array([1, 1, 2, 2, 1, 1, 2, 2, 2, 2, 1, 1])
    # z and y agree wholly, y and x nowhere; z and x are no pair.
    assert transfer.section_agreement(dataset, domains) == pytest.approx((1.0 - 1.0) / 2)


def test_domain_section_ami():
    sections = np.repeat(["a", "b"], 50)
    assert transfer.domain_section_ami(np.repeat([2, 1], 50), sections) == pytest.approx(1.0)
    assert transfer.domain_section_ami(np.tile([1, 2], 50), sections) == pytest.approx(0.0, abs=0.02)
    assert transfer.domain_section_ami(np.ones(100, int), sections) == pytest.approx(0.0)
