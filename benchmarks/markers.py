#!/usr/bin/env python3
"""Calibration of the p values of markers, and recall of known markers and names, on simulated tissues.

All tables use the domains of the control. The first has p values if no feature depends on position: from all spots,
from a split of the counts (thinning: domains from one half of the counts of every spot, tests on the other) and from a
split of the spots, also for real tissues with permuted spots. The others have precision and recall of markers, and
names by the true panel and by wrong ones. With --image the quantile-quantile plot of docs/characterise.md is drawn.

    python benchmarks/markers.py --image docs/images/null_p_values.png --data <folder of the real tissues>
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
import tissues

from spatialweave import simulate
from spatialweave.characterise.features import FeatureValues, feature_values, transformed
from spatialweave.characterise.markers import MarkerTests, marker_tests
from spatialweave.characterise.naming import name_domains
from spatialweave.characterise.panel import PanelMarker
from spatialweave.characterise.split import SplitSpots, split_spots
from spatialweave.domains.initial_partitions import kmeans_partition
from spatialweave.domains.matching import match_classes, overlap_table
from spatialweave.graphs.matrices import symmetrise
from spatialweave.graphs.smoothing import CONTROL_ROUNDS, smoothed
from spatialweave.graphs.spatial import knn
from spatialweave.io.dataset import Dataset, Modality, read_dataset
from spatialweave.io.section_file import read_section_file
from spatialweave.preprocess.pca import principal_components
from spatialweave.simulate.tissue import CountModel, Tissue, markers

if TYPE_CHECKING:
    import anndata
    from scipy import sparse

DEMO = simulate.select_modalities(simulate.PRESETS["demo"], ["rna", "adt"])
POISSON = CountModel(400, mean=2.0, dispersion=1e6, marker_fraction=0.0)
NULLS: dict[str, tuple[Tissue, bool]] = {
    # name -> tissue, whether its spots are permuted
    "demo, spots permuted": (DEMO, True),
    "demo without signal": (replace(DEMO, signal=0.0), False),
    "Poisson counts, one depth": (replace(DEMO, signal=0.0, depth_sd=0.0, modalities={"rna": POISSON}), False),
}
SMOOTH = ((3, 8, 30), (3, 2, 100), (5, 2, 100))
"""Domains, rounds of averaging and features of noise whose domains are found again: the hardest case of split spots."""

SCHEMES = ("all spots", "counts split", "spots split")
TISSUES = ("demo", "regions", "layers", "blocks")
REAL = ("DLPFC 151507", "DBiT embryo")


@dataclass
class Ready:
    """Tissue as CHARACTERISE sees it, with the known domain of every spot (from 0)."""

    dataset: Dataset
    tables: list[FeatureValues]
    truth: np.ndarray

    def control(self, n_domains: int, rounds: int = CONTROL_ROUNDS) -> np.ndarray:
        """Return the domains of the control, or of a control that averages more often."""
        graph = symmetrise(knn(self.dataset.coordinates, np.full(self.dataset.n_spots, "one"), 8))
        return kmeans_partition(smoothed(self.dataset.modalities, graph, rounds).astype(float), n_domains, 0)

    def tests(self, codes: np.ndarray, n_domains: int, split: SplitSpots) -> list[MarkerTests]:
        """Return the tests of every modality."""
        rows = self.dataset.section_rows()
        return [marker_tests(table, rows, codes, n_domains, split)[0] for table in self.tables]


def ready(parts: Mapping[str, anndata.AnnData], counts: Mapping[str, sparse.csr_matrix]) -> Ready:
    """Return a simulated tissue with these counts; the latents are 20 principal components per modality."""
    import pandas as pd

    first = next(iter(parts.values()))
    everywhere = np.ones(first.n_obs, dtype=bool)
    tables, modalities = [], []
    for name, part in parts.items():
        values, back = transformed(name, counts[name], {})
        tables.append(FeatureValues(name, list(part.var_names), values.tocsc(), everywhere, back))
        scores = principal_components(values, 20, 0).scores.astype(np.float32)
        modalities.append(Modality(name, scores, everywhere))
    obs = pd.DataFrame({"barcode": first.obs_names, "section": "one"}, index=first.obs_names)
    truth = np.unique(first.obs["label"].astype(str), return_inverse=True)[1]
    return Ready(Dataset("toy", obs, first.obsm["spatial"], modalities, layout="square"), tables, truth)


def thinned(
    counts: Mapping[str, sparse.csr_matrix], rng: np.random.Generator
) -> tuple[dict[str, sparse.csr_matrix], dict[str, sparse.csr_matrix]]:
    """Split counts in two halves: each count falls into either with probability one half."""
    halves: tuple[dict[str, sparse.csr_matrix], dict[str, sparse.csr_matrix]] = {}, {}
    for name, matrix in counts.items():
        drawn = rng.binomial(matrix.data.astype(np.int64), 0.5).astype(np.float32)
        for half, data in zip(halves, (drawn, matrix.data - drawn), strict=True):
            half[name] = matrix.copy()
            half[name].data = data
            half[name].eliminate_zeros()
    return halves


def null_p_values(spec: Tissue, permuted: bool, seed: int) -> dict[str, np.ndarray]:
    """Return the p values of all features in all domains, by scheme."""
    parts = simulate.simulate(spec, seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(spec.rows * spec.cols) if permuted else np.arange(spec.rows * spec.cols)
    counts = {name: part.X.tocsr()[order] for name, part in parts.items()}
    whole = ready(parts, counts)
    codes = whole.control(5)
    # Domains of noise are not found again; their p values are examined anyway.
    split = replace(split_spots(whole.dataset, codes, 5, seed), found_again=np.ones(5))
    found = whole.tests(codes, 5, split)
    a, b = thinned(counts, rng)
    of_half = ready(parts, a).control(5)
    other = ready(parts, b).tests(of_half, 5, split)
    return {
        "all spots": np.concatenate([one.p.ravel() for one in found]),
        "counts split": np.concatenate([one.p.ravel() for one in other]),
        "spots split": np.concatenate([one.p_split.ravel() for one in found]),
    }


def found_again_p_values(n_domains: int, rounds: int, n_features: int, seed: int) -> dict[str, np.ndarray]:
    """Return the split p values of noise: of all domains, of those found again, and of other noise in these domains."""
    modality = replace(POISSON, n_features=n_features)
    spec = replace(DEMO, rows=30, cols=30, signal=0.0, depth_sd=0.0, modalities={"rna": modality})
    parts, others = (simulate.simulate(spec, number) for number in (seed, 1_000_000 + seed))
    whole, other = (ready(one, {"rna": one["rna"].X.tocsr()}) for one in (parts, others))
    codes = whole.control(n_domains, rounds)
    split = split_spots(whole.dataset, codes, n_domains, seed)
    everywhere = replace(split, found_again=np.ones(n_domains))
    (found,), (reported,), (independent,) = (
        tissue.tests(codes, n_domains, used)
        for tissue, used in ((whole, everywhere), (whole, split), (other, everywhere))
    )
    return {
        "spots split, all": found.p_split.ravel(),
        "spots split, found again": reported.p_split.ravel(),
        "the same domains, other noise": independent.p_split.ravel(),
    }


def real_null_p_values(name: str, data: Path, folder: Path, seed: int) -> dict[str, np.ndarray]:
    """Return the p values of a real tissue with permuted spots, for features in 50 spots or more; no count split."""
    latents, _ = tissues.prepare(name, "smart", "spatial", data, folder)
    dataset = read_dataset(latents)
    order = np.random.default_rng(seed).permutation(dataset.n_spots)
    modalities = [Modality(m.name, m.latent[order], m.present[order]) for m in dataset.modalities]
    tables = []
    section = read_section_file(folder / f"{name}.section.h5mu")
    for table in feature_values(section.data, section.counts, dataset.obs):
        kept = np.flatnonzero((table.values > 0).sum(axis=0) >= 50)
        values = table.values[order][:, kept]
        tables.append(replace(table, values=values, names=[table.names[k] for k in kept], present=table.present[order]))
    whole = Ready(replace(dataset, modalities=modalities), tables, np.zeros(dataset.n_spots, dtype=np.int64))
    codes = whole.control(7)
    split = replace(split_spots(whole.dataset, codes, 7, seed), found_again=np.ones(7))
    found = whole.tests(codes, 7, split)
    return {
        "all spots": np.concatenate([one.p.ravel() for one in found]),
        "spots split": np.concatenate([one.p_split.ravel() for one in found]),
    }


def nulls(seeds: int, data: Path | None) -> dict[str, dict[str, np.ndarray]]:
    """Print the table of the null, and return the p values by tissue and scheme."""
    click.echo("| nothing depends on the place | p values | below 0.05 | below 0.001 | distance from uniform |")
    click.echo("|---" * 5 + "|")
    pooled = {}
    for name, (spec, permuted) in NULLS.items():
        pooled[name] = null_rows(name, [null_p_values(spec, permuted, seed) for seed in range(1, seeds + 1)])
    for n_domains, rounds, n_features in SMOOTH:
        runs = [found_again_p_values(n_domains, rounds, n_features, seed) for seed in range(1, 20 * seeds + 1)]
        null_rows(f"noise, {n_domains} domains, {rounds} rounds, {n_features} features", runs)
    if data is None:
        return pooled
    with tempfile.TemporaryDirectory() as folder:
        for name in REAL:
            runs = [real_null_p_values(name, data, Path(folder), seed) for seed in range(1, seeds + 1)]
            null_rows(f"{name}, spots permuted", runs)
    return pooled


def null_rows(name: str, runs: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Print a row per scheme, and return the p values of all runs together."""
    from scipy.stats import kstest

    joined = {scheme: np.concatenate([run[scheme] for run in runs]) for scheme in runs[0]}
    # Without domains that are too small to be tested.
    found = {scheme: p[np.isfinite(p)] for scheme, p in joined.items()}
    for scheme, p in found.items():
        distance = kstest(p, "uniform").statistic
        click.echo(f"| {name} | {scheme} | {(p < 0.05).mean():.3f} | {(p < 0.001).mean():.4f} | {distance:.3f} |")
    return found


def known_markers(seeds: int) -> None:
    """Print precision and recall of the markers of the control's domains, at an adjusted p of 0.05."""
    click.echo("| tissue | modality | found again | precision | recall | precision, all spots | recall, all spots |")
    click.echo("|---" * 7 + "|")
    for tissue in TISSUES:
        spec = simulate.select_modalities(simulate.PRESETS[tissue], ["rna", "adt"])
        sums: dict[str, np.ndarray] = {}
        again = []
        for seed in range(1, seeds + 1):
            parts = simulate.simulate(spec, seed)
            whole = ready(parts, {name: part.X.tocsr() for name, part in parts.items()})
            n = spec.n_domains
            codes = whole.control(n)
            # The control's domains get the numbers of the matching known ones; the rest take the free numbers.
            matched = match_classes(overlap_table(whole.truth, n, codes, n))
            matched[matched < 0] = np.setdiff1d(np.arange(n), matched)
            codes = matched[codes]
            split = split_spots(whole.dataset, codes, n, seed)
            again.append(split.found_again)
            for one in whole.tests(codes, n, split):
                known = markers(spec.modalities[one.modality], n) > 0
                naive = (one.found.scores > 0) & (one.p_adjusted <= 0.05)
                counts = [len(np.flatnonzero(x)) for found in (one.is_marker, naive) for x in (found & known, found)]
                sums[one.modality] = sums.get(one.modality, 0) + np.array([*counts, known.sum()])
        for modality, (right, found, right_all, found_all, known_all) in sums.items():
            cells = [right / found, right / known_all, right_all / found_all, right_all / known_all]
            text = " | ".join(f"{cell:.2f}" for cell in cells)
            click.echo(f"| {tissue} | {modality} | {np.mean(again):.2f} | {text} |")


def names(seeds: int) -> None:
    """Print how many of the control's domains are named, by the true panel and by wrong ones."""
    click.echo("| markers per name | true panel: right | wrong | markers of nothing | markers of all domains mixed |")
    click.echo("|---" * 5 + "|")
    table = markers(DEMO.modalities["rna"], 5)
    for size in (3, 5, 10):
        counts = np.zeros(4, dtype=int)
        for seed in range(1, seeds + 1):
            parts = simulate.simulate(DEMO, seed)
            whole = ready(parts, {name: part.X.tocsr() for name, part in parts.items()})
            codes = whole.control(5)
            tests = whole.tests(codes, 5, split_spots(whole.dataset, codes, 5, seed))
            matched = match_classes(overlap_table(whole.truth, 5, codes, 5))
            rng = np.random.default_rng(seed)
            own = {d: rng.choice(np.flatnonzero(table[d]), size, replace=False) for d in range(5)}
            nothing = {d: rng.choice(np.flatnonzero(~table.any(axis=0)), size, replace=False) for d in range(5)}
            mixed = {d: [rng.choice(np.flatnonzero(table[(d + k) % 5])) for k in range(size)] for d in range(5)}
            for column, features in ((0, own), (2, nothing), (3, mixed)):
                panel = {
                    f"name {domain}": [PanelMarker(f"Gene{feature + 1:04d}", "rna", 1) for feature in rows]
                    for domain, rows in features.items()
                }
                given = {one.domain: one.name for one in name_domains(panel, tests) if one.named}
                right = sum(name == f"name {matched[domain - 1]}" for domain, name in given.items())
                counts[column] += right if column == 0 else len(given)
                counts[1] += len(given) - right if column == 0 else 0
        of = 5 * seeds
        click.echo(f"| {size} | " + " | ".join(f"{count} of {of}" for count in counts) + " |")


def draw(pooled: dict[str, dict[str, np.ndarray]], image: Path) -> None:
    """Draw quantiles of the p values against those of a uniform distribution."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(pooled), figsize=(3.6 * len(pooled), 3.7), sharey=True, layout="constrained")
    colours = dict(zip(SCHEMES, ("#D55E00", "#E69F00", "#0072B2"), strict=True))
    for axis, (name, by_scheme) in zip(axes, pooled.items(), strict=True):
        for scheme, p in by_scheme.items():
            expected = -np.log10((np.arange(len(p)) + 0.5) / len(p))
            observed = -np.log10(np.maximum(np.sort(p), 1e-300))
            shown = np.unique(np.geomspace(1, len(p), 400).astype(int) - 1)
            axis.plot(expected[shown], observed[shown], color=colours[scheme], label=scheme, linewidth=2)
        axis.plot([0, 4.5], [0, 4.5], color="#55606e", linestyle="--", linewidth=1)
        axis.set(title=name, xlabel="expected, −log10 p", xlim=(0, 4.6), ylim=(0, 10))
        axis.title.set_fontsize(10)
    axes[0].set_ylabel("observed, −log10 p")
    axes[0].legend(frameon=False, loc="upper left")
    image.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(image, dpi=110)


@click.command(context_settings={"show_default": True})
@click.option("--seeds", default=5, help="Tissues of each kind.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the real tissues; without it, simulated only.")
@click.option("--image", type=click.Path(path_type=Path), help="Where to draw the quantiles of the p values (.png).")
def main(seeds: int, image: Path | None, data: Path | None) -> None:
    """Print the tables."""
    pooled = nulls(seeds, data)
    if image is not None:
        draw(pooled, image)
    click.echo("")
    known_markers(seeds)
    click.echo("")
    names(seeds)


if __name__ == "__main__":
    main()
