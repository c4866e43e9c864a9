"""Accuracy of pre-matching on simulated sections of spots: residual in spots, over angles, seeds and settings.

python benchmarks/prematching.py [--cases base,cross] [--seeds 3] > prematching.csv
"""

from __future__ import annotations

import csv
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "bin"))

from spatialweave import simulate  # noqa: E402
from spatialweave.alignment import transforms  # noqa: E402
from spatialweave.alignment.prematch import SectionFeatures, prematch  # noqa: E402
from spatialweave.alignment.prematch_settings import PrematchSettings  # noqa: E402

ANGLES = (0, 45, 90, 135, 180, 270)
PATTERNS = {"shapes": (36, 5), "blocks": (36, 5), "layers": (60, 7)}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    # name -> how the moving section is cut, settings, its modality
    "base": ({}, {}, "rna"),
    "cross": ({}, {}, "adt"),
    "fine": ({"spacing": 0.7}, {}, "rna"),
    "scale": ({"scale": 2.0}, {"scale": True}, "rna"),
    "reflection": ({"reflect": True}, {"reflection": True}, "rna"),
    "batch": ({"batch_sd": 0.5}, {}, "rna"),
}


def latents(*counts: Any) -> list[np.ndarray]:
    """Return 30 principal components of the sections' joined, normalised, logarithmic and scaled counts."""
    from scipy import sparse

    table = sparse.vstack(counts).toarray().astype(np.float64)
    depth = table.sum(axis=1, keepdims=True)
    table = np.log1p(table * (np.median(depth) / np.maximum(depth, 1.0)))
    table = (table - table.mean(axis=0)) / np.maximum(table.std(axis=0), 1e-6)
    table = np.clip(table, -10, 10)
    vectors = np.linalg.eigh(table.T @ table)[1][:, ::-1][:, :30]
    return np.split((table @ vectors).astype(np.float32), np.cumsum([part.shape[0] for part in counts])[:-1])


def residual(pattern: str, case: str, degrees: float, seed: int) -> tuple[float, float | None, bool]:
    """Return the mean residual in spots, the score and whether the result is settled."""
    rows, n_domains = PATTERNS[pattern]
    cut, settings, modality = CASES[case]
    kept = {name: replace(one, n_features=min(one.n_features, 400))
            for name, one in simulate.PRESETS["demo"].modalities.items() if name in ("rna", modality)}  # fmt: skip
    tissue = replace(simulate.SERIES["pair"].tissue, rows=rows, cols=rows, pattern=pattern, n_domains=n_domains,
                     modalities=kept, signal=0.7)  # fmt: skip
    shift = tuple(np.random.default_rng(seed + 100).uniform(-50, 50, 2))
    fixed = simulate.SimulatedSection("section1", modalities=("rna",))
    cut = {"cut": 0.15, "thin": 0.7, "cut_angle": 90.0 * (seed % 4)} | cut
    moving = simulate.SimulatedSection(
        "section2", rotation=degrees, shift=shift, lattice="slide", modalities=(modality,), **cut
    )
    sections = simulate.simulate_series(simulate.SectionSeries(tissue, (fixed, moving)), seed=seed)
    a, b = sections["section1"]["rna"], sections["section2"][modality]
    values = latents(a.X, b.X) if modality == "rna" else [*latents(a.X), *latents(b.X)]
    first = SectionFeatures(np.asarray(a.obsm["spatial"]), {"rna": (values[0], True)})
    second = SectionFeatures(np.asarray(b.obsm["spatial"]), {modality: (values[1], True)})
    found = prematch(first, second, PrematchSettings(**settings))
    truth = transforms.apply(simulate.between(tissue, fixed, moving), second.points)
    off = np.linalg.norm(transforms.apply(found.matrix, second.points) - truth, axis=1)
    return float(off.mean()), found.score, bool(found.record["settled"])


@click.command()
@click.option("--cases", default=",".join(CASES), help="Which of " + ", ".join(CASES))
@click.option("--seeds", default=3, help="Seeds 0 to this, exclusive")
def main(cases: str, seeds: int) -> None:
    """Write one line per pair of sections to standard output."""
    warnings.simplefilter("ignore")
    table = csv.writer(sys.stdout)
    table.writerow(["case", "pattern", "degrees", "seed", "residual", "score", "settled", "cpu_seconds"])
    for case in cases.split(","):
        for pattern in PATTERNS:
            for degrees in ANGLES:
                for seed in range(seeds):
                    start = time.process_time()
                    off, score, settled = residual(pattern, case, degrees, seed)
                    spent = time.process_time() - start
                    table.writerow([case, pattern, degrees, seed, f"{off:.3f}", f"{score:.3f}", settled,
                                    f"{spent:.1f}"])  # fmt: skip
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
