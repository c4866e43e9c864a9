"""How well pre-matching aligns sections.

Simulated sections of spots: residual in spots, over angles, seeds and settings:

    python benchmarks/prematching.py [--cases base,cross] [--seeds 3] > prematching.csv

Sections of cells that lie registered, or were moved, and real pairs as they come: fraction of moving spots whose
nearest fixed spot has the same label, as they lie and once registered:

    python benchmarks/prematching.py --cases cells,real [--seeds 5] [--data <folder of the real tissues>] > cells.csv
"""

from __future__ import annotations

import csv
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
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
    """30 principal components of the sections' joined, normalised, logarithmic and scaled counts."""
    from scipy import sparse

    table = sparse.vstack(counts).toarray().astype(np.float64)
    depth = table.sum(axis=1, keepdims=True)
    table = np.log1p(table * (np.median(depth) / np.maximum(depth, 1.0)))
    table = (table - table.mean(axis=0)) / np.maximum(table.std(axis=0), 1e-6)
    table = np.clip(table, -10, 10)
    vectors = np.linalg.eigh(table.T @ table)[1][:, ::-1][:, :30]
    return np.split((table @ vectors).astype(np.float32), np.cumsum([part.shape[0] for part in counts])[:-1])


def residual(pattern: str, case: str, degrees: float, seed: int) -> tuple[float, float | None, bool]:
    """Mean residual in spots, score and whether the result is settled."""
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


MOVES: dict[str, dict[str, Any]] = {
    # How the second section of cells lies.
    "registered": {},
    "registered, bent": {"bend": 1.0},
    "25 degrees": {"rotation": 25.0, "shift": (6.0, -9.0)},
    "180 degrees": {"rotation": 180.0},
    "3 across": {"shift": (0.0, 3.0)},
}
REAL = {
    "DLPFC 151507, 151508": ("visium", "domain", "dlpfc_visium/{}_rna.h5ad", ("151507", "151508")),
    **{
        f"breast cancer {one}, {one + 1}": ("square", None, "stahl_breast_paste/slice{}_rna.h5ad", (one, one + 1))
        for one in (1, 2, 3)
    },
}
AGREEMENT = ("case", "pair", "seed", "raw", "registered", "error", "method", "degrees", "settled", "confidence",
             "cpu_seconds")  # fmt: skip


def cells(seed: int) -> Iterator[tuple[Any, ...]]:
    """The simulated pair of cells, in every way that the second section lies; the error is in cell spacings."""
    spec = simulate.SERIES["cells_pair"]
    first, second = spec.sections
    for name, move in MOVES.items():
        moved = replace(second, **move)
        parts = [one["rna"] for one in simulate.simulate_series(replace(spec, sections=(first, moved)), seed).values()]
        values = latents(*(one.X for one in parts))
        sections = [
            SectionFeatures(np.asarray(one.obsm["spatial"]), {"rna": (value, True)})
            for one, value in zip(parts, values, strict=True)
        ]
        labels = [one.obs[simulate.LABEL].to_numpy() for one in parts]
        truth = simulate.between(spec.tissue, first, moved)
        yield ("cells", name, seed, *registered(sections, labels, truth))


def real(data: Path) -> Iterator[tuple[Any, ...]]:
    """Real pairs as they come, prepared by the pipeline's stages."""
    from sections import prepared

    from spatialweave.alignment.register import section_features

    for name, (platform, labelled, file, pair) in REAL.items():
        with tempfile.TemporaryDirectory() as folder:
            files = {f"s{one}": {"rna": data / file.format(one)} for one in pair}
            dataset = prepared(files, platform, labelled, Path(folder))
            names, rows = dataset.section_pairs()[0], dataset.section_rows()
            sections = [section_features(dataset, one) for one in names]
            known = dataset.obs["label"].astype(str).to_numpy() if labelled else None
            labels = None if known is None else [known[rows[one]] for one in names]
            yield ("real", name, 0, *registered(sections, labels, None))


def registered(
    sections: Sequence[SectionFeatures], labels: Sequence[np.ndarray] | None, truth: np.ndarray | None
) -> tuple[Any, ...]:
    """Agreement of labels before and after, mean error, and what registration says of itself."""
    fixed, moving = sections
    start = time.process_time()
    found = prematch(fixed, moving, PrematchSettings())
    spent = time.process_time() - start
    agreed: list[Any] = ["", ""]
    if labels is not None:
        agreed = [f"{agreement(sections, labels, matrix):.3f}" for matrix in (np.eye(3), found.matrix)]
    error = ""
    if truth is not None:
        off = transforms.apply(found.matrix, moving.points) - transforms.apply(truth, moving.points)
        error = f"{np.linalg.norm(off, axis=1).mean():.3f}"
    degrees = np.degrees(transforms.decompose(found.matrix)[0])
    record = found.record
    told = (found.method, f"{degrees:.1f}", record["settled"], f"{record['confidence']:.3f}")
    return (*agreed, error, *told, f"{spent:.1f}")


def agreement(sections: Sequence[SectionFeatures], labels: Sequence[np.ndarray], matrix: np.ndarray) -> float:
    """Fraction of labelled moving spots whose nearest labelled fixed spot has the same label."""
    from scipy.spatial import cKDTree

    (fixed, moving), known = sections, [one != "" for one in labels]
    placed = transforms.apply(matrix, moving.points[known[1]])
    _, nearest = cKDTree(fixed.points[known[0]]).query(placed)
    return float((labels[0][known[0]][nearest] == labels[1][known[1]]).mean())


@click.command()
@click.option("--cases", default=",".join(CASES), help="Which of " + ", ".join(CASES) + "; or cells, real")
@click.option("--seeds", default=3, help="Seeds 0 to this, exclusive")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the real tissues, for `real`.")
def main(cases: str, seeds: int, data: Path | None) -> None:
    """Write one line per pair of sections to standard output."""
    warnings.simplefilter("ignore")
    table = csv.writer(sys.stdout)
    if set(cases.split(",")) <= {"cells", "real"}:
        table.writerow(AGREEMENT)
        if "cells" in cases:
            for seed in range(seeds):
                table.writerows(cells(seed))
        if "real" in cases:
            if data is None:
                raise click.UsageError("the case 'real' needs --data")
            table.writerows(real(data))
        return
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
