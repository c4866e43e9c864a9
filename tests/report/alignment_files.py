"""The alignment files of a made-up dataset."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spatialweave.io.result_tables import (
    ALIGNMENT,
    COORDINATES,
    PAIRS,
    TRANSFORMS,
)

from .recipe import Recipe


def write_alignment(folder: Path, recipe: Recipe, aligned: list[np.ndarray], truth: list[np.ndarray]) -> None:
    """Write the aligned coordinates of all sections, and pairs in which spot i belongs to spot i of the next section.

    Every fourth pair is not accepted; of method smart the first six lead to spots of another region.
    """
    barcodes = [f"{recipe.prefix}spot{index}" for index in range(len(aligned[0]))]
    table = [(name, barcode, *xy) for name, own in zip(recipe.sections, aligned, strict=True)
             for barcode, xy in zip(barcodes, own, strict=True)]  # fmt: skip
    COORDINATES.write(folder / "coordinates.csv", COORDINATES.frame(table))
    rows = [
        (name, f"{recipe.prefix}icp" if k else "", 0.9 if k else None, True, 1.0 if k else None,
         *(-30.0 * k, 1.0, False, 5.0 * k, 0.0), *(1.0, 0.0, 5.0 * k), *(0.0, 1.0, 0.0))
        for k, name in enumerate(recipe.sections)
    ]  # fmt: skip
    TRANSFORMS.write(folder / "transforms.csv", TRANSFORMS.frame(rows))
    for method in recipe.methods:
        for seed in recipe.seeds:
            quality = []
            for k, (a, b) in enumerate(zip(recipe.sections[:-1], recipe.sections[1:], strict=True)):
                partner = np.arange(len(barcodes))
                if method == "smart":
                    partner[:6] = np.flatnonzero(truth[k + 1] == recipe.n_domains - 1)[:6]
                spots = zip(barcodes, aligned[k], partner, aligned[k + 1][partner], strict=True)
                pairs = [
                    (a, barcode, *xy, b, barcodes[other], *other_xy, 0.5, 0.75, index % 4 > 0, 0.25)
                    for index, (barcode, xy, other, other_xy) in enumerate(spots)
                ]
                PAIRS.write(folder / f"{method}.seed{seed}.{k}--{k + 1}.pairs.csv", PAIRS.frame(pairs))
                values = {"matched_smaller": 0.75, "label_agreement": 0.9 - seed / 10 - 0.1 * (method == "smart")}
                values |= {"nearest_label_agreement": 0.25, f"{recipe.prefix}new metric": 7.5}
                quality += [(recipe.dataset, method, seed, a, b, metric, value) for metric, value in values.items()]
            ALIGNMENT.write(folder / f"{method}.seed{seed}.alignment.csv", ALIGNMENT.frame(quality))


def turned(coordinates: np.ndarray, k: int) -> np.ndarray:
    """The coordinates of section k as a scanner might have given them: turned by 30 degrees each, and apart."""
    angle = np.deg2rad(30 * k)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(coordinates @ matrix.T + 40 * k)
