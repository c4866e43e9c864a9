"""Simulated tissues with known domains.

Every feature has a base rate; a fraction of the features are markers, each raised in one domain. Counts are negative
binomial, optionally with extra zeros (ZINB), as in the simulation of the SMART paper (Du et al., Nat Commun 17:2876,
2026), which follows Townes and Engelhardt, Nat Methods 20:229 (2023). With the rate
``m = depth_of_spot * base_of_feature * exp(signal * strength_of_modality * [marker of the spot's domain])``

    count = 0 with probability p, else Poisson(m * g), g ~ Gamma(shape theta, mean 1)
    mean = (1 - p) m,  variance = (1 - p) (m + m^2 / theta) + p (1 - p) m^2

so `signal` is the natural logarithm of a marker's increase. Counts are drawn for a block of spots at a time and kept
sparse: time is linear in spots, and memory besides the result does not grow with them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from spatialweave.errors import InputError
from spatialweave.modalities import MODALITIES

if TYPE_CHECKING:
    import anndata
    from scipy import sparse

SPOTS_PER_BLOCK = 4096
LABEL = "label"
FEATURE_NAMES: dict[str, Callable[[int], str]] = {
    "rna": lambda i: f"Gene{i + 1:04d}",
    "adt": lambda i: f"Protein{i + 1:03d}",
    "atac": lambda i: f"chr1:{10_000 * (i + 1)}-{10_000 * (i + 1) + 500}",
}

# The four shapes of Griffiths and Ghahramani (J Mach Learn Res 12:1185, 2011), one per quadrant of a 6 x 6 image;
# 0 is the background.
SHAPES = np.array(
    [
        [0, 1, 0, 2, 2, 2],
        [1, 1, 1, 2, 0, 2],
        [0, 1, 0, 2, 2, 2],
        [3, 0, 0, 4, 4, 4],
        [3, 3, 0, 0, 4, 0],
        [3, 3, 3, 0, 4, 0],
    ]
)
BLOCKS = np.array([[0, 0, 1, 1, 2, 2], [0, 0, 1, 1, 2, 2], [3, 3, 1, 4, 4, 2], [3, 3, 0, 4, 4, 1], [2, 3, 0, 0, 4, 1]])

PATCHES = 2
"""Number of patches of each domain in the pattern ``regions``."""

STEP = np.array([0.7548776662466927, 0.5698402909980532])
"""Steps in x and y from the centre of one patch to that of the next, in widths and heights of the tissue. The centres
are spread evenly, but not on a grid (the R2 sequence, Roberts, 2018)."""


@dataclass(frozen=True)
class CountModel:
    """Model of the counts of one modality.

    Attributes
    ----------
    n_features
        Number of features.
    mean
        Base rate of a typical feature; the features' rates are log-normal about it with `feature_sd` (natural log).
    dispersion
        theta of the negative binomial; a smaller theta means more noise.
    zero_inflation
        Probability p of a zero in addition to those of the negative binomial.
    marker_fraction
        Fraction of the features that are raised in one domain, one domain after the other.
    strength
        Factor on the tissue's `signal` in this modality.
    blind_to
        A domain (0, 1, ...) without markers in this modality, which alone cannot detect it; None for none.
    """

    n_features: int
    mean: float
    dispersion: float
    zero_inflation: float = 0.0
    marker_fraction: float = 0.5
    strength: float = 1.0
    feature_sd: float = 0.5
    blind_to: int | None = None


@dataclass(frozen=True)
class Tissue:
    """Specification of a tissue to simulate: a grid of `rows` x `cols` spots in domains, and a model per modality.

    Attributes
    ----------
    pattern
        ``shapes`` (four shapes on a background), ``blocks`` (five domains in rectangles, some of them separate),
        ``regions`` (polygons of unequal size, two of each domain) or ``layers`` (bent bands).
    blend
        ``layers`` only: standard deviation in spots of the blur of expression across borders; labels stay sharp.
    n_domains
        Number of domains; ``shapes`` and ``blocks`` use the first 2-5 of theirs.
    signal
        Natural logarithm of a marker's increase in its domain; 0 = domains cannot be detected.
    depth_sd
        Standard deviation of the natural logarithm of the spots' depth.
    missing
        Fraction of the spots at which each modality is not measured. No spot loses all of its modalities.
    """

    rows: int
    cols: int
    pattern: str
    n_domains: int
    signal: float
    modalities: Mapping[str, CountModel]
    depth_sd: float = 0.2
    blend: float = 0.0
    missing: Mapping[str, float] = field(default_factory=dict)


def simulate(spec: Tissue, seed: int) -> dict[str, anndata.AnnData]:
    """Simulate a tissue.

    Returns
    -------
    Modality -> AnnData of the spots at which it was measured: raw counts in X (CSR, float32), obsm['spatial']
    (column, row), obs['label']. The same spec and seed give the same result; a modality's counts do not depend on other
    modalities or on missing spots.

    Raises
    ------
    InputError
        For an invalid tissue (see :func:`check`).
    """
    check(spec)
    row, col = np.divmod(np.arange(spec.rows * spec.cols), spec.cols)
    barcodes = np.array([f"spot_{r:04d}x{c:04d}" for r, c in zip(row, col, strict=True)])
    return simulate_spots(spec, seed, barcodes, np.column_stack([col, row]).astype(np.float64))


def simulate_spots(spec: Tissue, seed: int, barcodes: np.ndarray, positions: np.ndarray) -> dict[str, anndata.AnnData]:
    """Simulate the spots at `positions` (columns and rows, not necessarily whole) like :func:`simulate`."""
    import anndata
    import pandas as pd

    domains, shares = domains_at(spec, positions), domain_shares(spec, positions)
    labels = np.array([f"domain_{d + 1}" for d in domains])
    depth = np.exp(spec.depth_sd * generator(seed, "depth").standard_normal(len(domains)))
    present = measured(spec, len(domains), seed)
    result = {}
    for name in ordered(spec.modalities):
        random = generator(seed, name)
        base = base_rates(spec.modalities[name], random)
        counts = draw_counts(spec, name, shares, depth, base, random)
        kept = np.flatnonzero(present[name])
        result[name] = anndata.AnnData(
            X=counts[kept],
            obs=pd.DataFrame({LABEL: labels[kept]}, index=barcodes[kept]),
            var=pd.DataFrame(index=feature_names(name, spec.modalities[name].n_features)),
            obsm={"spatial": positions[kept]},
        )
    return result


def domains_at(spec: Tissue, positions: np.ndarray) -> np.ndarray:
    """Return the domain (0..n_domains-1) at any point of the tissue.

    Parameters
    ----------
    positions
        Points x 2: column and row, in spots and not necessarily whole. The tissue reaches from -0.5 to ``cols - 0.5``
        and ``rows - 0.5``, half a spot beyond the outermost spots; points outside have the domain of the border.
    """
    if spec.pattern == "layers":
        depth, edges = _layers(spec, positions)
        return np.searchsorted(edges, depth)
    within = (positions + 0.5) / (spec.cols, spec.rows)
    if spec.pattern == "regions":
        from scipy.spatial import KDTree

        centres = (0.5 + np.arange(PATCHES * spec.n_domains)[:, None] * STEP) % 1.0
        return KDTree(centres).query(within)[1] % spec.n_domains
    x, y = within.T
    image = {"shapes": SHAPES, "blocks": BLOCKS}[spec.pattern]
    n_rows, n_cols = image.shape
    domains = image[np.clip((y * n_rows).astype(int), 0, n_rows - 1), np.clip((x * n_cols).astype(int), 0, n_cols - 1)]
    return np.where(domains < spec.n_domains, domains, 0)


def domain_shares(spec: Tissue, positions: np.ndarray) -> np.ndarray:
    """Return the domains' fractions of the expression at points (points x domains): 1 for one domain unless blended."""
    if not spec.blend:
        return np.eye(spec.n_domains)[domains_at(spec, positions)]
    from scipy.special import ndtr

    depth, edges = _layers(spec, positions)
    below = ndtr((depth[:, None] - edges) / (spec.blend / spec.rows))
    bounded = np.column_stack([np.ones(len(depth)), below, np.zeros(len(depth))])
    return -np.diff(bounded, axis=1)


def _layers(spec: Tissue, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the depth of points in the layers, in heights of the tissue, and the depths of the layers' borders."""
    x, y = ((positions + 0.5) / (spec.cols, spec.rows)).T
    # Bands of unequal width, bent along the columns by up to 6% of the height.
    width = 1.0 + 0.5 * np.cos(2.0 * np.arange(spec.n_domains))
    return y + 0.06 * np.sin(4 * np.pi * x), np.cumsum(width)[:-1] / width.sum()


def base_rates(model: CountModel, random: np.random.Generator) -> np.ndarray:
    """Draw the base rate of every feature of a modality, log-normal about its mean."""
    return model.mean * np.exp(model.feature_sd * random.standard_normal(model.n_features))


def draw_counts(
    spec: Tissue, name: str, shares: np.ndarray, depth: np.ndarray, base: np.ndarray, random: np.random.Generator
) -> sparse.csr_matrix:
    """Draw the counts of one modality: spots x features, CSR, float32.

    Parameters
    ----------
    shares, depth
        Fraction of each domain (spots x domains, see :func:`domain_shares`) and depth of every spot.
    base
        Base rate of every feature.
    """
    from scipy import sparse

    model = spec.modalities[name]
    log_rise = spec.signal * model.strength * markers(model, spec.n_domains)
    blocks = []
    for start in range(0, len(shares), SPOTS_PER_BLOCK):
        spots = slice(start, start + SPOTS_PER_BLOCK)
        rate = depth[spots, None] * base * np.exp(shares[spots] @ log_rise)
        counts = random.poisson(rate * random.gamma(model.dispersion, 1.0 / model.dispersion, rate.shape))
        counts[random.random(rate.shape) < model.zero_inflation] = 0
        blocks.append(sparse.csr_matrix(counts.astype(np.float32)))
    return sparse.vstack(blocks, format="csr")


def markers(model: CountModel, n_domains: int) -> np.ndarray:
    """Return a 0/1 table, domains x features, of the features raised in each domain; the first features are markers."""
    seen = [domain for domain in range(n_domains) if domain != model.blind_to]
    table = np.zeros((n_domains, model.n_features))
    marker = np.arange(round(model.marker_fraction * model.n_features))
    table[np.array(seen)[marker % len(seen)], marker] = 1.0
    return table


def check(spec: Tissue) -> None:
    """Refuse an invalid tissue; the error names the option."""
    limits: list[tuple[str, float, bool, str]] = [
        ("rows", spec.rows, 6 <= spec.rows <= 100_000, "6 to 100000"),
        ("cols", spec.cols, 6 <= spec.cols <= 100_000, "6 to 100000"),
        ("signal", spec.signal, 0 <= spec.signal <= 10, "a number from 0 to 10"),
        ("blend", spec.blend, 0 <= spec.blend <= spec.rows, "a number from 0 to the number of rows"),
    ]
    most = {"shapes": 5, "blocks": 5, "regions": 50, "layers": 50}
    if spec.pattern not in most:
        raise InputError("pattern", f"'{spec.pattern}' is not known", "one of " + ", ".join(most))
    top = most[spec.pattern]
    limits.append(("n_domains", spec.n_domains, 2 <= spec.n_domains <= top, f"2 to {top} with pattern {spec.pattern}"))
    if spec.blend and spec.pattern != "layers":
        raise InputError("blend", f"given for the pattern '{spec.pattern}'", "0, or the pattern layers")
    for name, fraction in spec.missing.items():
        if name not in spec.modalities:
            raise InputError("missing", f"modality '{name}' is not simulated", "one of " + ", ".join(spec.modalities))
        limits.append((f"missing {name}", fraction, 0 <= fraction < 1, "a fraction from 0 up to, but not including, 1"))
    for where, value, fine, expected in limits:
        if not fine:
            raise InputError(where, f"{value} is out of range", expected)
    if not spec.modalities:
        raise InputError("modalities", "none given", "at least one of " + ", ".join(FEATURE_NAMES))


def select_modalities(spec: Tissue, names: list[str]) -> Tissue:
    """Return the tissue with only the modalities `names`."""
    for name in names:
        if name not in spec.modalities:
            raise InputError("modalities", f"'{name}' is not in this preset", "some of " + ", ".join(spec.modalities))
    if len(set(names)) < len(names):
        raise InputError("modalities", f"'{','.join(names)}' names one twice", "each modality once")
    return replace(spec, modalities={name: spec.modalities[name] for name in names})


def measured(spec: Tissue, n_spots: int, seed: int, section: str = "") -> dict[str, np.ndarray]:
    """Return a mask, for each modality, of the section's spots at which it was measured."""
    names = ordered(spec.modalities)
    present = {}
    for name in names:
        order = generator(seed, f"{section} missing {name}".lstrip()).permutation(n_spots)
        present[name] = order >= round(spec.missing.get(name, 0.0) * n_spots)
    lost = ~np.any(list(present.values()), axis=0)
    # A spot without any modality keeps the modality that is missing least often.
    best = min(names, key=lambda name: spec.missing.get(name, 0.0))
    present[best] |= lost
    return present


def ordered(modalities: Mapping[str, CountModel]) -> list[str]:
    """Return the names of modalities in the order of :data:`MODALITIES`."""
    return [name for name in MODALITIES if name in modalities]


def generator(seed: int, purpose: str) -> np.random.Generator:
    """Return a separate random stream for each purpose, so that one choice does not shift the numbers of another."""
    return np.random.default_rng([seed, *purpose.encode()])


def feature_names(modality: str, n_features: int) -> list[str]:
    """Return names of a modality's features in the usual style of that modality."""
    return [FEATURE_NAMES[modality](i) for i in range(n_features)]
