"""Simulated Visium libraries: what our reader and scanpy read back, where the image is, and refusals."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scanpy
from PIL import Image

from spatialweave.errors import InputError
from spatialweave.io.choices import Choices
from spatialweave.io.readers import space_ranger
from spatialweave.simulate import PRESETS, domains_at, histology, write_visium

SPEC = PRESETS["test"]


@pytest.fixture(scope="module")
def outs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("visium")
    write_visium(SPEC, 5, folder, "small")
    return folder / "small_outs"


def test_the_reader_of_space_ranger_takes_counts_places_and_image(outs: Path) -> None:
    (read,) = space_ranger.read(outs, Choices())
    assert read.platform == "visium" and read.coordinates is not None and read.image is not None
    image = read.image("section1")
    assert image is not None and image.inside(read.coordinates.values).all()
    # 65 micrometres where neighbours are 100 apart.
    places = read.coordinates.values
    gaps = np.sqrt(((places[:, None] - places[None]) ** 2).sum(axis=2))
    nearest = np.sort(gaps, axis=1)[:, 1]
    assert image.spot_diameter == pytest.approx(0.65 * np.median(nearest), rel=0.01)
    # Six neighbours as far away as the nearest: a hexagonal lattice.
    assert ((gaps > 0) & (gaps < 1.2 * np.median(nearest))).sum(axis=1).max() == 6


def test_scanpy_reads_the_same_counts_and_labels_are_of_its_spots(outs: Path) -> None:
    data = scanpy.read_10x_h5(outs / "filtered_feature_bc_matrix.h5", gex_only=False)
    counts = data.var["feature_types"].value_counts().to_dict()
    assert counts == {"Gene Expression": 200, "Antibody Capture": 30, "Peaks": 150}
    labels = pd.read_csv(outs.parent / "small_labels.csv", index_col="barcode")["label"]
    assert list(labels.index) == list(data.obs_names)
    # A strong signal: the genes that mark a domain are higher there than elsewhere.
    rna = data[:, data.var["feature_types"] == "Gene Expression"].to_df()
    for domain in range(SPEC.n_domains):
        marked, inside = rna.iloc[:, domain : 100 : SPEC.n_domains].mean(axis=1), labels == f"domain_{domain + 1}"
        assert marked[inside].mean() > 3 * marked[~inside].mean()


def test_spots_without_tissue_are_listed_and_lie_on_glass(outs: Path) -> None:
    positions = pd.read_csv(outs / "spatial" / "tissue_positions.csv")
    assert len(positions) == SPEC.rows * SPEC.cols and set(positions["in_tissue"]) == {0, 1}
    pixels = np.asarray(Image.open(outs / "spatial" / "tissue_hires_image.png")).astype(float)
    factors = space_ranger.library_image.factors_beside(outs / "spatial" / "tissue_hires_image.png")
    assert factors is not None
    scale = factors["tissue_hires_scalef"]
    x, y = (positions[[f"pxl_{axis}_in_fullres" for axis in ("col", "row")]].to_numpy().T * scale).astype(int)
    # Stain takes away green; at the border of the tissue either may be found.
    green = pixels[y, x, 1]
    assert np.median(green[positions["in_tissue"] == 0]) > 235
    assert np.median(green[positions["in_tissue"] == 1]) < 200
    small = Image.open(outs / "spatial" / "tissue_lowres_image.png")
    assert max(small.size) <= 600
    assert factors["tissue_lowres_scalef"] / scale == pytest.approx(small.width / pixels.shape[1], rel=0.01)


def test_domains_differ_in_stain() -> None:
    image = np.asarray(histology.draw(SPEC, 1, 12.0)).astype(float)
    down, right = np.mgrid[: image.shape[0], : image.shape[1]]
    places = np.column_stack([
        right.ravel() / 12 - histology.MARGIN, (down.ravel() / 12 - histology.MARGIN) / histology.ROW_HEIGHT,
    ])  # fmt: skip
    inside = histology.outline(SPEC, places)
    means = pd.DataFrame(image.reshape(-1, 3)[inside]).groupby(domains_at(SPEC, places)[inside]).mean().to_numpy()
    gaps = np.abs(means[:, None] - means[None]).max(axis=2)
    assert gaps[np.triu_indices(SPEC.n_domains, 1)].min() > 5


def test_same_seed_gives_equal_bytes_and_another_seed_does_not(tmp_path: Path) -> None:
    digests = []
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_visium(SPEC, seed, tmp_path / folder, "small")
        files = sorted(path for path in (tmp_path / folder).rglob("*") if path.is_file())
        digests.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files})
    assert digests[0] == digests[1]
    changed = {name for name in digests[0] if digests[0][name] != digests[2][name]}
    assert changed == {"filtered_feature_bc_matrix.h5", "tissue_hires_image.png", "tissue_lowres_image.png"}


def test_a_large_slide_has_an_image_no_larger_than_space_rangers(tmp_path: Path) -> None:
    spec = replace(SPEC, rows=110, cols=90, modalities={"adt": SPEC.modalities["adt"]})
    write_visium(spec, 0, tmp_path, "large")
    assert max(Image.open(tmp_path / "large_outs" / "spatial" / "tissue_hires_image.png").size) <= 2000


def test_a_modality_that_is_missing_at_spots_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="all modalities"):
        write_visium(replace(SPEC, missing={"rna": 0.1}), 0, tmp_path, "small")
    assert list(tmp_path.iterdir()) == []
