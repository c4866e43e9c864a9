"""What machines deliver goes through the whole pipeline: six formats, as two datasets of one run."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pandas as pd

from ..io.readers import machines
from .conftest import TO_DOMAINS, Pipeline

SIDE = 12
GENES = [f"Gene{i}" for i in range(24)]
PROTEINS = ["CD3", "CD4", "CD8", "CD20"]
LATTICE = np.array([(x, y) for y in range(SIDE) for x in range(SIDE)])
LEFT = LATTICE[:, 0] < SIDE / 2
NAMES = [f"c{i:03d}-1" for i in range(SIDE * SIDE)]


def counts(seed: int, n: int) -> np.ndarray:
    """Features that are high either in the left or in the right half."""
    high = LEFT[:, None] == (np.arange(n) % 2 == 0)
    return np.random.default_rng(seed).poisson(np.where(high, 8, 1))


def scattered(step: float) -> np.ndarray:
    """Cells near the lattice."""
    return step * (LATTICE + np.random.default_rng(1).uniform(-0.4, 0.4, LATTICE.shape)) + step


def write_all(folder: Path) -> str:
    """Write all folders and files; the samplesheet's rows."""
    rna = counts(0, 24)
    features = [(name, "Gene Expression") for name in GENES] + [(name, "Protein Expression") for name in PROTEINS]
    values = np.hstack([rna, counts(1, 4) * 1.5, np.full((len(NAMES), 1), 3)])
    machines.xenium(folder / "xenium", NAMES, [*features, ("BLANK_1", "Blank Codeword")], values, scattered(12.0))
    table = pd.DataFrame(rna, columns=GENES)
    fov = 1 + (~LEFT).astype(int)
    number = np.zeros(len(NAMES), dtype=int)
    for field in (1, 2):
        number[fov == field] = np.arange(1, (fov == field).sum() + 1)
    machines.cosmx(folder / "cosmx", fov, number, table.assign(NegPrb1=1), scattered(90.0))
    machines.merscope(folder / "merscope", NAMES, table.assign(**{"Blank-1": 1}), scattered(10.0))
    records = pd.DataFrame(
        [
            (gene, 50 * x + 7, 50 * y + 9, rna[i, gene])
            for gene in range(24)
            for i, (x, y) in enumerate(LATTICE)
            if rna[i, gene]
        ],
        columns=["gene", "x", "y", "count"],
    )
    machines.gef(folder / "S.tissue.gef", GENES, records)
    masses, heights = np.linspace(150, 800, 20), counts(2, 20) * 10.0
    pixels = [(int(x) + 1, int(y) + 1) for x, y in LATTICE]
    machines.imzml(folder / "msi", pixels, lambda i: (masses, heights[i]), mode="processed")
    draw = np.random.default_rng(3)
    tiles = np.concatenate([np.repeat([[i, tile]], n, axis=0) for (i, tile), n in np.ndenumerate(counts(4, 30)) if n])
    starts = 5000 * tiles[:, 1] + draw.integers(0, 4000, len(tiles))
    # The fragments are of the pixels of the masses, which tell where these are.
    names = ["{}_{}".format(*pixel) for pixel in pixels]
    listed = [("chr1", int(start), int(start) + 300, names[i]) for i, start in zip(tiles[:, 0], starts, strict=True)]
    text = machines.fragments_text(sorted(listed))
    (folder / "fragments.tsv.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "genome.bed").write_text("".join(f"chr1\t{5000 * i}\t{5000 * i + 4900}\n" for i in range(30)))
    return (
        "dataset,section,multi,metabolite,atac,bin,peaks,platform,n_domains\n"
        "genes,xenium,xenium,,,,,cells,2\ngenes,cosmx,cosmx,,,,,cells,2\ngenes,merscope,merscope,,,,,cells,2\n"
        "genes,stereo,S.tissue.gef,,,50,,cells,2\npixels,msi,,msi/S.imzML,fragments.tsv.gz,,genome.bed,,2\n"
    )


# One dataset has one platform, which is named here; proteins of Xenium are intensities all the same.
UNDERSTOOD = {
    ("genes", "xenium"): ("rna counts 24, adt intensities 4", "cells"),
    ("genes", "cosmx"): ("rna counts 24", "cells"),
    ("genes", "merscope"): ("rna counts 24", "cells"),
    ("genes", "stereo"): ("rna counts 24", "cells"),
    ("pixels", "msi"): ("atac counts 30, metabolite intensities 20", "maldi"),
}


def test_six_machines_in_one_run(pipeline: Pipeline) -> None:
    sheet = pipeline.folder / "machines.csv"
    sheet.write_text(write_all(pipeline.folder))
    options = ("--methods", "smart", "--method_options", "smart.epochs=5", "--control", "false", *TO_DOMAINS)
    run = pipeline.run("--input", str(sheet), *options)
    assert run.code == 0, run.text
    for (dataset, section), (measured, platform) in UNDERSTOOD.items():
        table = pd.read_csv(run.results / dataset / "qc" / f"{section}.ingest.csv", keep_default_na=False)
        features = table[table["item"] == "features"]
        said = [f"{row.modality} {row.source.split()[0]} {row.value}" for row in features.itertuples()]
        assert ", ".join(said) == measured
        assert list(table.loc[table["item"] == "platform", "value"]) == [platform]
    # The halves of the tissue come out, of cells under the names that their machine gives them.
    halves = {("xenium", name): left for name, left in zip(NAMES, LEFT, strict=True)}
    halves |= {("msi", "{}_{}".format(*(LATTICE[i] + 1))): left for i, left in enumerate(LEFT)}
    for dataset, n_spots in (("genes", 4 * SIDE * SIDE), ("pixels", SIDE * SIDE)):
        domains = pd.read_csv(run.results / dataset / "domains" / "smart" / "seed1.csv")
        assert len(domains) == n_spots
        known = [halves.get((row.section, row.barcode)) for row in domains.itertuples()]
        pairs = [(left, domain == 1) for left, domain in zip(known, domains["domain"], strict=True) if left is not None]
        assert len(pairs) == SIDE * SIDE
        agree = np.mean([left == first for left, first in pairs])
        assert max(agree, 1 - agree) > 0.9, dataset
