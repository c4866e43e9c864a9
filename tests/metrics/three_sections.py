"""Spots of three sections for the tests of the metrics across sections."""

from __future__ import annotations

import numpy as np


def three_sections() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """600 spots of four labels in sections of 300, 200 and 100 that are somewhat apart."""
    rng = np.random.default_rng(0)
    sections = np.repeat(["a", "b", "c"], [300, 200, 100])
    labels = rng.integers(0, 4, 600)
    values = rng.normal(size=(600, 6))
    values[:, :4] += 3 * np.eye(4)[labels]
    values[:, 5] += np.select([sections == "b", sections == "c"], [0.6, 1.2], 0.0)
    return values, sections, labels.astype(str)
