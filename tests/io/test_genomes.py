"""Genomes of a sample of two species are told apart; hashtags are no proteins."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning

from .inputs import grid, h5ad, read

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

SPOTS = [f"b{i}" for i in range(20)]
MIXED = ["GRCh38_GAPDH", "GRCh38_MT-ND1", "mm10___Gapdh", "mm10___mt-Nd1", "EGFP"]


def two_genomes(folder: Path, by: str) -> Path:
    path = h5ad(folder / "mixed.h5ad", SPOTS, {}, {"spatial": grid(4, 5)}, features=MIXED)
    if by == "column":
        data = anndata.read_h5ad(path)
        data.var = pd.DataFrame({"genome": ["GRCh38", "GRCh38", "mm10", "mm10", ""]}, index=["A", "B", "C", "D", "E"])
        data.write_h5ad(path)
    return path


@pytest.mark.parametrize("by", ["names", "column"])
def test_one_genome_is_selected(tmp_path: Path, by: str) -> None:
    path = two_genomes(tmp_path, by)
    with pytest.warns(InputWarning, match=r"several genomes \(GRCh38: 2, mm10: 2\), which are used together"):
        everything = read({"rna": path}).mod["rna"]
    assert everything.n_vars == 5
    with pytest.warns(InputWarning, match="2 features of other genomes than mm10 are left out"):
        mouse = read({"rna": path}, genome="mm10").mod["rna"]
    assert mouse.var_names.tolist() == (["Gapdh", "mt-Nd1", "EGFP"] if by == "names" else ["C", "D", "E"])
    np.testing.assert_array_equal(mouse.X.toarray(), everything.X.toarray()[:, 2:])


def test_genomes_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no features of the genome 'mm39'; expected one of GRCh38, mm10"):
        read({"rna": two_genomes(tmp_path, "names")}, genome="mm39")
    plain = h5ad(tmp_path / "plain.h5ad", SPOTS, {}, {"spatial": grid(4, 5)})
    with pytest.raises(InputError, match=r"names no genome; .*leave the column genome empty"):
        read({"rna": plain}, genome="mm10")


def test_a_genome_is_selected_in_the_file_that_names_it(tmp_path: Path) -> None:
    proteins = h5ad(tmp_path / "adt.h5ad", SPOTS, features=["CD3", "CD8"], seed=1)
    result = read({"rna": two_genomes(tmp_path, "names"), "adt": proteins}, genome="GRCh38")
    assert result.mod["rna"].var_names.tolist() == ["GAPDH", "MT-ND1", "EGFP"]
    assert result.mod["adt"].var_names.tolist() == ["CD3", "CD8"]


def test_files_of_one_genome_stay_beside_a_file_of_two(tmp_path: Path) -> None:
    """Peaks are often named by another assembly than genes."""
    peaks = h5ad(tmp_path / "atac.h5ad", SPOTS, features=["hg38_chr1:1-9", "hg38_chr2:3-8"], seed=1)
    mixed = two_genomes(tmp_path, "names")
    result = read({"rna": mixed, "atac": peaks}, genome="mm10")
    assert result.mod["rna"].var_names.tolist() == ["Gapdh", "mt-Nd1", "EGFP"]
    assert result.mod["atac"].n_vars == 2
    # Of a file of several modalities, one can be of the other genome alone.
    features = ["GRCh38_A", "mm10_A", "GRCh38_chr1:1-9"]
    both = h5ad(tmp_path / "multi.h5ad", SPOTS, {}, {"spatial": grid(4, 5)}, features=features)
    data = anndata.read_h5ad(both)
    data.var["feature_types"] = ["Gene Expression", "Gene Expression", "Peaks"]
    data.write_h5ad(both)
    assert list(read({}, multi=both, genome="mm10").mod) == ["rna"]
    assert list(read({}, multi=both, genome="GRCh38").mod) == ["rna", "atac"]


def test_a_genome_of_which_no_file_has_features(tmp_path: Path) -> None:
    human = h5ad(tmp_path / "h.h5ad", SPOTS, {}, {"spatial": grid(4, 5)}, features=["GRCh38_A", "GRCh38_B"])
    with pytest.raises(InputError, match="has features of GRCh38 alone; expected features of mm10"):
        read({"rna": human}, genome="mm10")


@pytest.mark.parametrize("name", ["Hashtag_1", "HTO-3", "anti-human Hashtag 2", "CMO301", "HTO"])
def test_hashtags_are_no_proteins(tmp_path: Path, tissue, write_tenx_h5: Callable, name: str) -> None:
    proteins = ["CD3E", "CD8A", name, "HTOR"]
    features = [("G1", "Gene Expression"), *((protein, "Antibody Capture") for protein in proteins)]
    path = write_tenx_h5(tmp_path / "m.h5", tissue.spots, features, np.hstack([tissue.rna[:, :1], tissue.adt[:, :4]]))
    xy = tmp_path / "xy.csv"
    pd.DataFrame(tissue.coordinates, index=tissue.spots, columns=["x", "y"]).to_csv(xy, index_label="barcode")
    with pytest.warns(InputWarning, match=f"'{name}' are hashtags, which label samples, and are left out"):
        result = read({}, multi=path, spatial=xy)
    assert result.mod["adt"].var_names.tolist() == ["CD3E", "CD8A", "HTOR"]
    np.testing.assert_array_equal(result.mod["adt"].X.toarray(), tissue.adt[:, [0, 1, 3]])


def test_antibodies_that_are_all_hashtags_are_no_modality(tmp_path: Path, tissue, write_tenx_h5: Callable) -> None:
    features = [("G1", "Gene Expression"), ("HTO_1", "Antibody Capture"), ("HTO_2", "Antibody Capture")]
    path = write_tenx_h5(tmp_path / "m.h5", tissue.spots, features, np.hstack([tissue.rna[:, :1], tissue.adt[:, :2]]))
    xy = tmp_path / "xy.csv"
    pd.DataFrame(tissue.coordinates, index=tissue.spots, columns=["x", "y"]).to_csv(xy, index_label="barcode")
    assert list(read({}, multi=path, spatial=xy).mod) == ["rna"]
    with pytest.raises(InputError, match="has no feature of adt: 'HTO_1', 'HTO_2' are hashtags"):
        read({"adt": path}, spatial=xy)
