"""Image of a simulated tissue with a stain similar to haematoxylin and eosin (H&E).

Stains absorb light by the law of Beer and Lambert, with the colours of Ruifrok and Johnston (Anal Quant Cytol
Histol 23:291, 2001): ``intensity = 255 * exp(-sum over stains of amount * colour)``. Domains differ in the number of
nuclei and the amount of eosin; borders, texture and vessels are smooth random fields.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spatialweave.simulate.tissue import Tissue, domains_at, generator

if TYPE_CHECKING:
    from PIL.Image import Image

STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
"""Optical densities of haematoxylin and eosin in red, green and blue."""

GLASS = np.array([0.04, 0.05, 0.04])
"""Optical density of the slide without tissue."""

MARGIN = 2.0
"""Width of the glass around the lattice of spots, in spot spacings."""

ROW_HEIGHT = np.sqrt(3) / 2
"""Distance of neighbouring rows of a hexagonal lattice, in spot spacings."""

NUCLEI = 60
"""Largest number of nuclei in a square as wide as a spot spacing (100 micrometres, with cells of about 13)."""


def outline(spec: Tissue, positions: np.ndarray) -> np.ndarray:
    """Return which points (columns and rows, points x 2) the tissue covers: all but the corners and shallow bays."""
    x, y = (2 * (positions + 0.5) / (spec.cols, spec.rows) - 1).T
    angle = np.arctan2(y, x)
    edge = 0.96 + 0.03 * np.cos(2 * angle - 0.6) - 0.04 * np.cos(3 * angle + 0.9)
    return np.asarray((np.abs(x) ** 3 + np.abs(y) ** 3) ** (1 / 3) <= edge)


def draw(spec: Tissue, seed: int, pixels: float) -> Image:
    """Draw the RGB image of a tissue under a hexagonal lattice.

    Parameters
    ----------
    pixels
        Pixels per spot spacing. The first spot is at the pixel ``MARGIN * pixels`` from the left and the top.
    """
    from PIL import Image as images

    random = generator(seed, "image")
    width = round((spec.cols - 0.5 + 2 * MARGIN) * pixels)
    height = round(((spec.rows - 1) * ROW_HEIGHT + 2 * MARGIN) * pixels)
    shape = (height, width)
    down, right = np.mgrid[:height, :width]
    positions = np.stack([right / pixels - MARGIN, (down / pixels - MARGIN) / ROW_HEIGHT], axis=-1)
    # Borders wander by about a third of a spot spacing.
    positions += 0.3 * np.stack([_smooth(random, shape, 0.7 * pixels) for _ in range(2)], axis=-1)
    points = positions.reshape(-1, 2)
    domain = domains_at(spec, points).reshape(shape)
    inside = outline(spec, points).reshape(shape)
    # Steps around a circle: all domains differ, and domains with consecutive numbers differ the most.
    turn = 2 * np.pi * (np.arange(spec.n_domains) * 0.382 % 1.0)
    crowded, pink = (0.6 + 0.4 * np.cos(turn))[domain], (0.33 + 0.15 * np.sin(turn))[domain]
    vessel = _smooth(random, shape, 0.5 * pixels)
    tissue = inside & (vessel < 2.6)
    nuclei = random.poisson(NUCLEI * crowded * tissue / pixels**2).astype(np.float32)
    fibres = _smooth(random, shape, 0.06 * pixels) + _smooth(random, shape, 0.4 * pixels)
    haematoxylin = 0.1 * crowded + 0.8 * _blurred(nuclei, 0.03 * pixels) * (0.06 * pixels) ** 2 * np.pi
    eosin = pink * np.exp(0.15 * fibres) + 0.2 * (vessel > 2.4)
    amounts = np.stack([haematoxylin, eosin], axis=-1) * _blurred(tissue.astype(np.float32), 0.03 * pixels)[..., None]
    density = np.clip(amounts, 0, 2.5) @ STAINS + GLASS
    return images.fromarray(np.round(255 * np.exp(-density)).astype(np.uint8))


def _smooth(random: np.random.Generator, shape: tuple[int, int], scale: float) -> np.ndarray:
    """Return a random field of mean 0 and standard deviation 1 that changes over `scale` pixels."""
    field = _blurred(random.standard_normal(shape, dtype=np.float32), scale)
    return np.asarray((field - field.mean()) / field.std())


def _blurred(field: np.ndarray, scale: float) -> np.ndarray:
    from scipy import ndimage

    return np.asarray(ndimage.gaussian_filter(field, scale))
