"""Columns of facts, and negative controls, are told from the features of a table."""

from __future__ import annotations

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest

from spatialweave.io.column_names import LABEL_NAMES, facts_among
from spatialweave.io.notices import InputWarning

from .inputs import grid, read

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")

XY = grid(4, 5) + np.array([100.0, 7.0])
GENES = pd.DataFrame({"A": np.arange(20) + 1, "B": np.arange(20)[::-1] + 3})
STAINS = pd.DataFrame({"CD3": np.arange(20) + 0.5, "CD8": np.arange(20) * 1.5 + 0.25})


FACTS = [
    "UMAP_1",
    "tSNE_2",
    "PC_1",
    "S.Score",
    "G2M.Score",
    "doublet_score",
    "DAPI_raw",
    "PolyT_high_pass",
    "Mean.PanCK",
    "Max.DAPI",
    "Width",
    "Height",
    "Area.um2",
    "AspectRatio",
    "cluster_id",
    "ClusterID",
    "transcripts",
    "spot_id",
    "umi_count",
    "nUMI",
    "n_counts",
    "log1p_total_counts",
    "leiden_0.5",
    "Index",
    "RNA_snn_res.0.8",
    "x_tile:x_tile",
    "size:size",
    "neighborhood10",
    *LABEL_NAMES,
    "spatial_domain",
    "cell_type_id",
    "Spatial.cluster",
    "layer_guess",
    "subsets_Mito_percent",
    "pct_mt",
    "mito_frac",
    "sizeFactor",
    "sum_umi",
    "cell_count",
    "__no_feature",
    "N_multimapping",
    "gene_symbol",
    "chr",
    "X_pca_1",
    "latent_0",
    "age",
    "Sex",
    "time_point",
    "distance",
]
FEATURES = [
    "PC",
    "PCSK1",
    "HEIGHTS",
    "SCORE1",
    "MEAN1",
    "RAW1",
    "UMAD1",
    "MAX",
    "TSNAX",
    "CLUSTER1",
    "SPOT14",
    "CORO1A",
    "TILED",
    "FOVEA",
    "IMAGEL",
    "DONSON",
    "CHIPR",
    "SLIT2",
    "SECTM1",
    "PATIENT1",
    "TRANSCRIPTX",
    "AREG",
    "NUDT1",
    "WIDR",
    "IDX1",
    "SAMPL",
    "INDEXR",
    "LEIDENX",
    "BATCHF",
    "TMA",
    "CHIP",
    "DOMAINA",
    "SUMF1",
    "SUMO2",
    "CELLTYPER",
    "RUNX1",
    "CHRM1",
    "MTRR",
    "SYMPK",
    "PCTP",
    "PC1",
    "LATENTR1",
    "AGER",
    "SEXM",
    "gt",
]


def test_facts_are_told_from_genes() -> None:
    assert [FACTS[i] for i in facts_among(FACTS)] == FACTS
    assert facts_among(FEATURES) == []
    assert facts_among(["PC3", "A", "PC1", "PC12", "PC2", "PCSK2"]) == [0, 2, 3, 4]
    assert facts_among(["PC1", "PC2", "PC3"], "metabolite") == []


QUPATH = {
    "Image": "a.tif",
    "Object ID": [f"c{i}" for i in range(20)], "Centroid X µm": XY[:, 0], "Centroid Y µm": XY[:, 1],
    "Detection probability": 0.5, "Nucleus: Area µm^2": 3.5, "Nucleus: Length µm": 2.5, "Nucleus/Cell area ratio": 0.3,
    "Nucleus: CD3: Mean": 7.5, "Cell: CD3: Mean": STAINS["CD3"], "Cell: CD3: Std.Dev.": 1.5,
    "Cell: CD8: Mean": STAINS["CD8"],
}  # fmt: skip
HALO = {
    "Image Location": "a.tif", "Analysis Region": "L1", "Object Id": range(20), "XMin": XY[:, 0], "XMax": XY[:, 0],
    "YMin": XY[:, 1], "YMax": XY[:, 1], "CD3 Positive Classification": 1, "CD3 % Nucleus Completeness": 2.5,
    "CD3 Cell Intensity": STAINS["CD3"], "CD3 Nucleus Intensity": 9.5, "CD8 Nucleus Intensity": STAINS["CD8"],
    "Nucleus Roundness": 0.5,
}  # fmt: skip
INFORM = {
    "Path": "C:/x", "Cell ID": range(1, 21),
    "Total Cells": "", "Cell X Position": XY[:, 0], "Cell Y Position": XY[:, 1],
    "Nucleus CD3 (Opal 520) Min (Counts)": 1.5, "Nucleus CD3 (Opal 520) Mean (Counts)": STAINS["CD3"],
    "Entire Cell CD8 (Opal 570) Mean (Counts)": STAINS["CD8"], "Nucleus CD8 (Opal 570) Mean (Counts)": 4.5,
    "Confidence": "98.5%",
}  # fmt: skip
AKOYA = {
    "cell_id:cell_id": range(20), "region:region": 1, "x:x": XY[:, 0], "y:y": XY[:, 1], "z:z": 3, "tsne_x:tsne_x": 0.5,
    "homogeneity:homogeneity": 0.5, "cyc001_ch001:CD3": STAINS["CD3"], "cyc001_ch002:CD8": STAINS["CD8"],
}  # fmt: skip

QUPATH_1 = {
    "Image": "a.tif", "Name": "PathCellObject", "Class": "", "Centroid X µm": XY[:, 0], "Centroid Y µm": XY[:, 1],
    "Nucleus: CD3 mean": 7.5, "Nucleus: CD3 std dev": 0.5, "Cell: CD3 mean": STAINS["CD3"], "Cell: CD3 max": 99.5,
    "Cell: CD8 mean": STAINS["CD8"],
}  # fmt: skip
CELLPROFILER = {
    "ImageNumber": 1, "ObjectNumber": range(1, 21), "Metadata_Site": 1, "AreaShape_Area": 9,
    "Intensity_MaxIntensity_CD3": 9, "Intensity_MeanIntensity_CD3": STAINS["CD3"],
    "Intensity_MeanIntensity_CD8": STAINS["CD8"], "Children_Nuclei_Count": 1,
    "Location_Center_X": XY[:, 0], "Location_Center_Y": XY[:, 1], "Number_Object_Number": range(1, 21),
    "Texture_Contrast_CD3": 2.5, "Neighbors_NumberOfNeighbors_3": 2,
}  # fmt: skip
HISTOCAT = {
    "ImageId": 1, "CellId": range(1, 21), "Cell_CD3": STAINS["CD3"], "Cell_CD8": STAINS["CD8"], "EulerNumber": 1,
    "Percent_Touching": 0.5, "Number_Neighbors": 3, "X_position": XY[:, 0], "Y_position": XY[:, 1],
}  # fmt: skip
ARK = {
    "cell_size": 20.5, "CD3": STAINS["CD3"], "CD8": STAINS["CD8"], "label": range(1, 21), "centroid-0": XY[:, 1],
    "centroid-1": XY[:, 0], "major_minor_axis_ratio": 1.5, "perim_square_over_area": 1.5, "convex_hull_resid": 0.5,
    "centroid_dif": 0.5, "num_concavities": 0, "nc_ratio": 0.5, "fov": "fov1", "cell_meta_cluster": "T",
}  # fmt: skip
EXPORTS = {
    "QuPath": QUPATH, "QuPath 0.1": QUPATH_1, "HALO": HALO, "inForm": INFORM, "Akoya": AKOYA,
    "CellProfiler": CELLPROFILER, "histoCAT": HISTOCAT, "ark": ARK,
}  # fmt: skip


@pytest.mark.parametrize("export", EXPORTS.values(), ids=EXPORTS)
def test_only_mean_intensities_are_features_of_tables_of_cells(tmp_path: Path, export: dict) -> None:
    """The mean of the whole cell stands for that of its parts, if there is one."""
    pd.DataFrame(export).to_csv(tmp_path / "cells.csv", index=False)
    with pytest.warns(InputWarning, match="are coordinates or facts about spots, not features, and are left out"):
        result = read({"adt": tmp_path / "cells.csv"}, platform="codex")
    features = result.mod["adt"].var_names.tolist()
    assert len(features) == 2 and "CD3" in features[0] and "CD8" in features[1]
    np.testing.assert_array_equal(result.mod["adt"].X.toarray(), STAINS.to_numpy())
    np.testing.assert_array_equal(result.obsm["spatial"], XY)


def test_a_column_of_facts_that_repeat_is_no_column_of_names(tmp_path: Path) -> None:
    table = GENES.reset_index(drop=True).assign(x=XY[:, 0], y=XY[:, 1])
    table.insert(0, "Image", ["a"] * 10 + ["b"] * 10)
    table.to_csv(tmp_path / "cells.csv", index=False)
    with pytest.warns(InputWarning, match="its first column 'Image' holds 'a' for several spots.*numbered from 0"):
        rna = read({"rna": tmp_path / "cells.csv"}).mod["rna"]
    assert rna.obs_names.tolist() == [str(i) for i in range(20)]


CONTROLS = [
    *(
        "NegPrb1",
        "Negative02",
        "SystemControl3",
        "FalseCode12",
        "Blank-12",
        "Blank.7",
        "BLANK_0069",
        "antisense_PROKR2",
    ),
    *("NegControlProbe_00042", "NegControlProbe-00042", "UnassignedCodeword_0001", "Intergenic_Region_12"),
]


@pytest.mark.parametrize("kind", ["csv", "h5ad"])
def test_negative_controls_among_genes_are_left_out(tmp_path: Path, kind: str) -> None:
    """Files of squidpy and tables of one instrument's matrix do not give the types of features."""
    names = ["A", "NEGR1", *CONTROLS, "BLNK"]
    path = tmp_path / f"m.{kind}"
    data = anndata.AnnData(np.ones((20, len(names))), pd.DataFrame(index=[f"AC{i}" for i in range(20)]))
    data.var_names = names
    data.obsm["spatial"] = XY
    if kind == "h5ad":
        data.write_h5ad(path)
    else:
        data.to_df().assign(x=XY[:, 0], y=XY[:, 1]).to_csv(path)
    with pytest.warns(
        InputWarning, match="'NegPrb1', .* and 6 more are negative controls, not genes, and are left out"
    ):
        result = read({"rna": path})
    assert result.mod["rna"].var_names.tolist() == ["A", "NEGR1", "BLNK"]
