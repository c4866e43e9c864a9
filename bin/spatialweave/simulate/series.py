"""Simulated series: sections through one tissue with known true coordinates of the spots.

Tissue coordinates are in spot spacings: column and row of the simulated grid, as in
:mod:`~spatialweave.simulate.tissue`. Every section has its own lattice of spots, may be cut, draws its own counts
(serial sections share the tissue, not the spots) and has its own coordinates on the slide:

    slide = scale * R(rotation) M (true + bending(true) - centre) + centre + shift

with R the rotation from x towards y, M the mirroring of x (or none) and the centre of the tissue, so that ``shift`` is
the movement of the centre. The bending is a sum of cosines of one full wave over the tissue with random weights. On the
whole grid it is orthogonal to every affine map: it contains no shift, rotation or scale, so the matrix of
:func:`slide_transform` remains the best affine description of the section.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError
from spatialweave.io.contract import TRUE_SPATIAL
from spatialweave.simulate import tissue as tissues
from spatialweave.simulate.cells import cell_coordinates
from spatialweave.simulate.series_check import check
from spatialweave.simulate.tissue import LABEL, Tissue

if TYPE_CHECKING:
    import anndata
    from scipy import sparse

FEWEST_SPOTS = 10
"""A section that keeps fewer spots than this is refused."""


@dataclass(frozen=True)
class SimulatedSection:
    """Cutting, placement and measurement of one section of a series. The default is the unchanged tissue.

    Attributes
    ----------
    rotation
        Degrees from x towards y.
    shift
        Movement of the tissue's centre in x and y, in the slide's units.
    scale
        The slide's units per spot spacing of the tissue.
    reflect
        Whether the section is turned over: x is mirrored before the rotation.
    bend
        Largest movement of a spot by the smooth bending, in spot spacings.
    cut, cut_angle
        Fraction of the spots that a straight cut removes, and the direction of the removed edge from the tissue's
        centre (degrees from x towards y in tissue coordinates); None draws one at random.
    thin
        Fraction of the counts that are kept, each molecule independently.
    batch_sd
        Standard deviation of the natural logarithm of a factor on every feature of this section.
    modalities
        The modalities measured here; None for all of the tissue's.
    spacing
        Distance of neighbouring spots, in spot spacings of the tissue; the square root of a cell's area with ``cells``.
    lattice
        ``tissue`` for spots along the tissue's columns and rows; ``slide`` for spots along the axes of the slide, as in
        a measuring grid under a tissue placed at an angle; ``cells`` for irregular coordinates with gaps and without a
        lattice (:mod:`~spatialweave.simulate.cells`).
    offset
        Movement of the lattice along its own axes, in spot spacings.
    """

    name: str
    rotation: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    reflect: bool = False
    bend: float = 0.0
    cut: float = 0.0
    cut_angle: float | None = None
    thin: float = 1.0
    batch_sd: float = 0.0
    modalities: tuple[str, ...] | None = None
    spacing: float = 1.0
    lattice: str = "tissue"
    offset: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class SectionSeries:
    """Sections through one tissue, in the order of the stack.

    Attributes
    ----------
    outline
        ``whole`` for the full rectangle, ``lobed`` for a tissue with a rounded outline that no rotation or mirror image
        maps onto itself.
    """

    tissue: Tissue
    sections: tuple[SimulatedSection, ...]
    outline: str = "whole"


def simulate_series(spec: SectionSeries, seed: int) -> dict[str, dict[str, anndata.AnnData]]:
    """Simulate a series.

    Returns
    -------
    Section -> modality -> AnnData of its spots: raw counts in X (CSR, float32), obsm['spatial'] (the slide's units),
    obsm['spatial_true'] (tissue coordinates, in spot spacings; float64), obs['label']. The same spec and seed give the
    same result; a section does not depend on other sections, nor a modality on other modalities.

    Raises
    ------
    InputError
        For an invalid series (see :func:`check`).
    """
    check(spec)
    return {section.name: _measure(spec, section, seed) for section in spec.sections}


def slide_transform(tissue: Tissue, section: SimulatedSection) -> np.ndarray:
    """Return the 3 x 3 matrix (homogeneous) from tissue coordinates to the section's, without its bending."""
    turn = np.deg2rad(section.rotation)
    linear = section.scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if section.reflect:
        linear = linear @ np.diag([-1.0, 1.0])
    centre = _centre(tissue)
    matrix = np.eye(3)
    matrix[:2, :2] = linear
    matrix[:2, 2] = centre + np.array(section.shift) - linear @ centre
    return matrix


def between(tissue: Tissue, fixed: SimulatedSection, moving: SimulatedSection) -> np.ndarray:
    """Return the 3 x 3 matrix from `moving`'s coordinates to `fixed`'s, which an alignment should find."""
    return slide_transform(tissue, fixed) @ np.linalg.inv(slide_transform(tissue, moving))


def bending(tissue: Tissue, section: SimulatedSection, seed: int, true: np.ndarray) -> np.ndarray:
    """Return the displacement of the points `true` (points x 2) by the section's bending, in spot spacings."""
    random = tissues.generator(seed, f"{section.name} bending")
    weights = random.standard_normal((2, 3))
    weights /= np.abs(weights).sum(axis=1, keepdims=True)
    towards = random.uniform(0.0, 2 * np.pi)
    wave_x, wave_y = np.cos(2 * np.pi * (true + 0.5) / _size(tissue)).T
    waves = np.stack([wave_x, wave_y, wave_x * wave_y])
    # Both sums are at most 1, and so is the length of the vector.
    return section.bend * (weights @ waves).T * np.array([np.cos(towards), np.sin(towards)])


def spot_coordinates(spec: SectionSeries, section: SimulatedSection, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the barcodes and tissue coordinates (spots x 2) of the spots of a section."""
    centre = _centre(spec.tissue)
    if section.lattice == "cells":
        size = _size(spec.tissue)
        n_cells = round(float(np.prod(size)) / section.spacing**2)
        points = cell_coordinates(size, n_cells, tissues.generator(seed, f"{section.name} cells")) - 0.5
        kept = np.flatnonzero(_within(spec, points))
        kept = kept[_uncut(section, seed, points[kept] - centre)]
        return np.array([f"cell_{cell:06d}" for cell in kept]), points[kept]
    turn = np.eye(2)
    if section.lattice == "slide":
        turn = slide_transform(spec.tissue, section)[:2, :2] / section.scale
    # The lattice's first spot is half a spacing inside the tissue's border, as in a single simulated tissue.
    first = (section.spacing - 1.0) / 2 + np.array(section.offset)
    # The lattice covers the width and height of the tissue along the lattice's axes.
    half = np.abs(turn) @ _size(spec.tissue) / 2
    low = np.floor((centre - half - first) / section.spacing).astype(int)
    high = np.ceil((centre + half - first) / section.spacing).astype(int)
    steps = (np.arange(start, stop + 1) for start, stop in zip(low, high, strict=True))
    col, row = (axis.ravel() for axis in np.meshgrid(*steps))
    # Rows times an orthogonal matrix apply its transpose, which is its inverse, to every point.
    points = (first + section.spacing * np.column_stack([col, row]) - centre) @ turn + centre
    inside = np.flatnonzero(_within(spec, points))
    kept = inside[_uncut(section, seed, points[inside] - centre)]
    index = np.column_stack([col, row])[kept]
    barcodes = [f"spot_{row:04d}x{col:04d}" for col, row in index - index.min(axis=0, initial=0)]
    return np.array(barcodes), points[kept]


def _measure(spec: SectionSeries, section: SimulatedSection, seed: int) -> dict[str, anndata.AnnData]:
    """Return the AnnData of each modality of one section."""
    import anndata
    import pandas as pd

    barcodes, true = spot_coordinates(spec, section, seed)
    if len(true) < FEWEST_SPOTS:
        raise InputError(section.name, f"has {len(true)} spots", f"at least {FEWEST_SPOTS}", "cut less or add spots")
    matrix = slide_transform(spec.tissue, section)
    spatial = (true + bending(spec.tissue, section, seed, true)) @ matrix[:2, :2].T + matrix[:2, 2]
    domains, shares = tissues.domains_at(spec.tissue, true), tissues.domain_shares(spec.tissue, true)
    labels = np.array([f"domain_{domain + 1}" for domain in domains])
    random = tissues.generator(seed, f"{section.name} depth")
    depth = np.exp(spec.tissue.depth_sd * random.standard_normal(len(true)))
    names = tissues.ordered(spec.tissue.modalities)
    tissue = tissues.select_modalities(spec.tissue, [name for name in names if name in (section.modalities or names)])
    present = tissues.measured(tissue, len(true), seed, section.name)
    result = {}
    for name, model in tissue.modalities.items():
        kept = np.flatnonzero(present[name])
        result[name] = anndata.AnnData(
            X=_counts(tissue, section, name, seed, shares, depth)[kept],
            obs=pd.DataFrame({LABEL: labels[kept]}, index=barcodes[kept]),
            var=pd.DataFrame(index=tissues.feature_names(name, model.n_features)),
            obsm={"spatial": spatial[kept], TRUE_SPATIAL: true[kept]},
        )
    return result


def _counts(
    tissue: Tissue, section: SimulatedSection, name: str, seed: int, shares: np.ndarray, depth: np.ndarray
) -> sparse.csr_matrix:
    """Draw a section's counts of one modality with the tissue's rates and the section's batch factors and thinning."""
    model = tissue.modalities[name]
    base = tissues.base_rates(model, tissues.generator(seed, f"rates {name}"))
    batch = tissues.generator(seed, f"{section.name} batch {name}").standard_normal(model.n_features)
    random = tissues.generator(seed, f"{section.name} {name}")
    counts = tissues.draw_counts(tissue, name, shares, depth, base * np.exp(section.batch_sd * batch), random)
    if section.thin < 1.0:
        random = tissues.generator(seed, f"{section.name} thin {name}")
        counts.data = random.binomial(counts.data.astype(np.int64), section.thin).astype(np.float32)
        counts.eliminate_zeros()
    return counts


def _size(tissue: Tissue) -> np.ndarray:
    """Return the width and height of the tissue in spot spacings."""
    return np.array([tissue.cols, tissue.rows], dtype=np.float64)


def _centre(tissue: Tissue) -> np.ndarray:
    return (_size(tissue) - 1.0) / 2


def _within(spec: SectionSeries, points: np.ndarray) -> np.ndarray:
    """Return which points the tissue covers."""
    size = _size(spec.tissue)
    inside = np.all((points >= -0.5) & (points < size - 0.5), axis=1)
    if spec.outline == "lobed":
        x, y = (2 * (points - _centre(spec.tissue)) / size).T
        angle = np.arctan2(y, x)
        # Twofold and threefold lobes are out of phase: no rotation or mirror image maps the sum onto itself.
        edge = 0.74 + 0.12 * np.cos(2 * angle - 0.6) + 0.09 * np.cos(3 * angle + 0.9) + 0.05 * np.cos(angle)
        inside &= np.hypot(x, y) <= edge
    return inside


def _uncut(section: SimulatedSection, seed: int, from_centre: np.ndarray) -> np.ndarray:
    """Return which spots a straight cut leaves: all but the fraction that is farthest towards the cut edge."""
    if section.cut == 0.0 or len(from_centre) == 0:
        return np.ones(len(from_centre), dtype=bool)
    angle = section.cut_angle
    if angle is None:
        angle = tissues.generator(seed, f"{section.name} cut").uniform(0.0, 360.0)
    towards = np.array([np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))])
    # A whole row of the lattice may be on the line; rounding keeps all of it on one side.
    distance = np.round(from_centre @ towards, 9)
    return distance <= np.quantile(distance, 1.0 - section.cut)
