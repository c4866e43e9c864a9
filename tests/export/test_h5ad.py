"""The .h5ad of each section, read back by scanpy and drawn by squidpy and scanpy."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import scanpy
import squidpy
from matplotlib.colors import to_hex
from scipy import sparse

from spatialweave.export.formats import export
from spatialweave.io import count_matrix
from spatialweave.io.contract import write
from spatialweave.io.section import SectionInput, read_section

from .conftest import ADT, BARCODES, RNA, SMART, content

matplotlib.use("Agg")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(params=[1, 4_000_000], ids=["spot by spot", "at once"])
def section(
    integrated: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> scanpy.AnnData:
    monkeypatch.setattr(count_matrix, "BLOCK_ENTRIES", request.param)
    export(integrated, ["h5ad"], tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out" / "integrated").iterdir()) == ["one.h5ad", "two.h5ad"]
    return scanpy.read_h5ad(tmp_path / "out" / "integrated" / "one.h5ad")


def test_counts_of_all_modalities_are_side_by_side(section: scanpy.AnnData) -> None:
    assert section.var_names.tolist() == ["CD3", "ACTB", "5'X", "adt:CD3", "IgG"]
    assert section.var["modality"].tolist() == ["rna"] * 3 + ["adt"] * 2
    assert section.var["feature_types"].tolist() == ["Gene Expression"] * 3 + ["Antibody Capture"] * 2
    assert section.var["gene_ids"].tolist() == ["ENSG1", "ENSG2", "ENSG3", "CD3", "IgG"]
    proteins = [ADT.get(f"one:{barcode}", [0, 0]) for barcode in BARCODES]
    for matrix in (section.X, section.layers["counts"]):
        assert sparse.issparse(matrix)
        assert matrix.toarray().tolist() == np.hstack([RNA[:4], proteins]).tolist()
    # Empty counts are told from spots that were not measured.
    assert section.obs["in_adt"].tolist() == [True, False, True, False] and section.obs["in_rna"].all()


def test_a_section_without_a_modality_says_so(tmp_path: Path) -> None:
    data = content()
    data.mod["adt"] = data.mod["adt"][["one:AAA-1", "one:GGG-1"]].copy()
    write(data, tmp_path / "integrated.h5mu")
    export(tmp_path / "integrated.h5mu", ["h5ad"], tmp_path / "out")
    two = scanpy.read_h5ad(tmp_path / "out" / "integrated" / "two.h5ad")
    assert not two.obs["in_adt"].any() and two.obs["in_rna"].all()
    assert set(two.var["modality"]) == {"rna"}


def test_spots_have_their_own_values(section: scanpy.AnnData, tmp_path: Path) -> None:
    other = scanpy.read_h5ad(tmp_path / "out" / "integrated" / "two.h5ad")
    assert other.obsm["spatial_aligned"][:, 0].tolist() == [108, 110, 112, 114]
    assert section.obs_names.tolist() == section.obs["barcode"].tolist() == BARCODES
    assert section.obs["smart_1"].tolist() == SMART[:4]
    assert section.obs["weave_1_confidence"].tolist() == [0, 1 / 8, 2 / 8, 3 / 8]
    assert "smart_1_confidence" not in section.obs
    assert section.obs["smart_1_pseudotime"].tolist() == [k / 7 for k in range(4)]
    assert section.obs["label"].astype(object).where(section.obs["label"].notna(), None).tolist() == [
        "cortex", None, "hilum", "hilum"
    ]  # fmt: skip
    assert section.obsm["spatial"].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]]
    # In cellxgene y goes up.
    assert section.obsm["X_spatial"].tolist() == [[0, -1], [2, -3], [4, -5], [6, -7]]
    assert section.obsm["X_smart_1"][:, 0].tolist() == [0, 3, 6, 9]
    assert section.obsm["X_umap_smart_1"][[0, 2, 3]].tolist() == [[0, 1], [4, 5], [6, 7]]
    assert np.isnan(section.obsm["X_umap_smart_1"][1]).all()
    distances = section.obsp["spatial_distances"].toarray()
    assert distances[np.nonzero(distances)].tolist() == [1, 2, 3]
    assert section.uns["parameters"] == '{"seeds": 1}' and section.uns["versions"] == '{"python": "3"}'


def test_a_domain_has_the_same_colour_in_every_section(section: scanpy.AnnData, tmp_path: Path) -> None:
    other = scanpy.read_h5ad(tmp_path / "out" / "integrated" / "two.h5ad")
    assert dict(zip(section.obs["smart_1"].cat.categories, section.uns["smart_1_colors"], strict=True)) == {
        "1": "#0072B2", "2": "#E69F00", "10": "#009E73"
    }  # fmt: skip
    # Section two has one of the three domains.
    assert dict(zip(other.obs["smart_1"].cat.categories, other.uns["smart_1_colors"], strict=True)) == {"1": "#0072B2"}


def test_squidpy_and_scanpy_draw_it_as_it_is(section: scanpy.AnnData, tmp_path: Path) -> None:
    from matplotlib import pyplot

    axes = squidpy.pl.spatial_scatter(section, color="weave_1", shape=None, return_ax=True)
    drawn = [to_hex(colour).upper() for colour in axes.collections[0].get_facecolors()]
    assert drawn == ["#0072B2", "#0072B2", "#E69F00", "#E69F00"]
    axes.figure.savefig(tmp_path / "squidpy.png")
    scanpy.pl.embedding(section, "spatial", color=["smart_1", "label", "IgG"], show=False)
    pyplot.savefig(tmp_path / "scanpy.png")
    pyplot.close("all")
    assert (tmp_path / "squidpy.png").stat().st_size > 1000 and (tmp_path / "scanpy.png").stat().st_size > 1000


def test_squidpy_and_scanpy_find_the_graph(section: scanpy.AnnData) -> None:
    # The path AAA - CCC - GGG - TTT; domains 2, 2, 1, 1.
    squidpy.gr.interaction_matrix(section, "weave_1")
    assert section.uns["weave_1_interactions"].tolist() == [[2, 1], [1, 2]]
    scanpy.tl.leiden(section, neighbors_key="spatial_neighbors", flavor="igraph", n_iterations=2, directed=False)
    assert section.obs["leiden"].notna().all()


def test_cellxgene_finds_what_it_shows(section: scanpy.AnnData) -> None:
    """Its rules: unique names, and embeddings under X_* with two dimensions or more and no infinite value."""
    assert section.obs_names.is_unique and section.var_names.is_unique
    shown = {key: section.obsm[key] for key in section.obsm if key.startswith("X_")}
    assert sorted(shown) == ["X_smart_1", "X_spatial", "X_umap_smart_1"]
    assert all(values.shape[1] >= 2 and not np.isinf(values).any() for values in shown.values())


def test_it_can_be_given_to_the_pipeline_again(section: scanpy.AnnData, tmp_path: Path) -> None:
    again = read_section(SectionInput("d", "one", multi=tmp_path / "out" / "integrated" / "one.h5ad"))
    assert again["rna"].X.toarray().tolist() == RNA[:4].tolist()
    assert again["adt"].X.toarray().tolist() == [[7, 0], [0, 0], [0, 9], [0, 0]]
    assert again.obsm["spatial"].tolist() == section.obsm["spatial"].tolist()
    other = read_section(SectionInput("d", "two", multi=tmp_path / "out" / "integrated" / "two.h5ad"))
    assert other["rna"].X.toarray().tolist() == RNA[4:].tolist() and "image" not in other.uns


def test_names_and_identifiers_of_features_are_complete(tmp_path: Path) -> None:
    """A gene is called as a renamed protein would be, and two have no identifier."""
    data = content()
    data.mod["rna"].var = pd.DataFrame({"gene_ids": ["ENSG1", "", np.nan]}, index=["CD3", "ACTB", "adt:CD3"])
    write(data, tmp_path / "i.h5mu")
    export(tmp_path / "i.h5mu", ["h5ad"], tmp_path)
    section = scanpy.read_h5ad(tmp_path / "integrated" / "one.h5ad")
    assert section.var_names.tolist() == ["CD3", "ACTB", "adt:CD3", "adt:adt:CD3", "IgG"]
    assert section.var["gene_ids"].tolist() == ["ENSG1", "ACTB", "adt:CD3", "CD3", "IgG"]


def test_columns_without_a_value_in_the_section_are_left_out(tmp_path: Path) -> None:
    data = content()
    data.obs["meta_donor"] = ["P1", "", "P1", "P1"] + [""] * 4
    data.obs["meta_age"] = [np.nan] * 4 + [61.0, 61.0, np.nan, 61.0]
    data.obs.loc[data.obs["section"] == "two", "label"] = np.nan
    write(data, tmp_path / "i.h5mu")
    export(tmp_path / "i.h5mu", ["h5ad"], tmp_path)
    one, two = (scanpy.read_h5ad(tmp_path / "integrated" / f"{name}.h5ad") for name in ("one", "two"))
    assert one.obs["meta_donor"].cat.categories.tolist() == ["P1"]
    assert one.obs["meta_donor"].isna().tolist() == [False, True, False, False]
    assert two.obs["meta_age"].isna().tolist() == [False, False, True, False]
    assert "meta_age" not in one.obs and "label" in one.obs
    assert not {"meta_donor", "label"} & set(two.obs) and "label_colors" not in two.uns
