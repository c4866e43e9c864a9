"""Small tissues with known domains, or none, as a method sees them."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spatialweave.io.dataset import Dataset, Modality


def grid(width: int, height: int) -> np.ndarray:
    """Points one apart, row by row."""
    return np.stack(np.meshgrid(np.arange(float(width)), np.arange(float(height))), -1).reshape(-1, 2)


def quadrants(points: np.ndarray) -> np.ndarray:
    """The quadrant of each point, 0 to 3."""
    middle = points.mean(axis=0)
    return np.asarray((points[:, 0] > middle[0]) + 2 * (points[:, 1] > middle[1]), dtype=np.int64)


def dataset(points: np.ndarray, sections: np.ndarray | None = None, **latents: np.ndarray) -> Dataset:
    """A dataset of these latents by modality; rows of NaN are spots without the modality."""
    sections = np.full(len(points), "one") if sections is None else sections
    names = [f"spot{i}" for i in range(len(points))]
    obs = pd.DataFrame({"barcode": names, "section": sections}, index=names)
    modalities = []
    for name, values in latents.items():
        present = ~np.isnan(values).any(axis=1)
        modalities.append(Modality(name, np.where(present[:, None], values, 0).astype(np.float32), present))
    return Dataset("toy", obs, points, modalities)


def noisy(domains: np.ndarray, strength: float, seed: int, n_dims: int = 6) -> np.ndarray:
    """Latents with a mean of its own for each domain, `strength` standard deviations of the noise apart."""
    rng = np.random.default_rng(seed)
    means = strength * rng.standard_normal((domains.max() + 1, n_dims))
    return np.asarray(means[domains] + rng.standard_normal((len(domains), n_dims)))
