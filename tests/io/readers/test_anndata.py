"""AnnData and SpatialData files come back with their counts and coordinates."""

from __future__ import annotations

import warnings
from pathlib import Path

import anndata
import geopandas
import h5py
import mudata
import numpy as np
import pandas as pd
import pytest
import spatialdata
from scipy import sparse
from shapely.geometry import Point

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning
from spatialweave.io.readers import read

from .reading import adata, section

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_anndata(tissue, tmp_path: Path, holds, kind: type, suffix: str) -> None:
    path = tmp_path / f"rna{suffix}"
    data = adata(tissue, kind=kind)
    data.write_h5ad(path) if suffix == ".h5ad" else data.write_zarr(path)
    result = section({"rna": path})
    holds(result, tissue, "rna")
    assert result.uns["spatialweave"]["layout"] == "square"


@pytest.mark.parametrize("column", ["feature_types", "feature_type", "Type", "modality"])
def test_features_are_told_apart_by_their_types(tissue, tmp_path: Path, holds, column: str) -> None:
    both = anndata.concat([adata(tissue), adata(tissue, "adt")], axis=1, merge="first")
    both.var[column] = ["Gene Expression"] * 5 + ["Antibody Capture"] * 5
    both.write_h5ad(tmp_path / "both.h5ad")
    with pytest.warns(InputWarning, match=r"of the types Antibody Capture are left out \(5 features\)"):
        holds(section({"rna": tmp_path / "both.h5ad"}), tissue, "rna")
    result = section(multi=tmp_path / "both.h5ad")
    for modality in ("rna", "adt"):
        holds(result, tissue, modality)


def test_features_of_raw_have_the_types_of_var(tissue, tmp_path: Path, holds) -> None:
    """scanpy keeps a var of its own in raw, where other programs write no types."""
    both = anndata.concat([adata(tissue), adata(tissue, "adt")], axis=1, merge="first")
    raw = both.copy()
    both.var["feature_types"] = ["Gene Expression"] * 5 + ["Antibody Capture"] * 5
    both.raw = raw
    both.X = both.X.multiply(0.37).tocsr()
    both.write_h5ad(tmp_path / "both.h5ad")
    result = section(multi=tmp_path / "both.h5ad")
    for modality in ("rna", "adt"):
        holds(result, tissue, modality)


def test_a_type_that_is_no_modality_says_nothing(tissue, tmp_path: Path, holds) -> None:
    data = adata(tissue)
    data.var["Type"] = ["protein_coding", "lncRNA", "protein_coding", "rna", "protein_coding"]
    data.write_h5ad(tmp_path / "rna.h5ad")
    holds(section({"rna": tmp_path / "rna.h5ad"}), tissue, "rna")


def test_counts_come_from_layer_then_raw_then_x(tissue, tmp_path: Path, holds) -> None:
    data = adata(tissue)
    data.X = data.X.multiply(0.37).tocsr()
    data.layers["counts"] = sparse.csr_matrix(tissue.rna.astype(np.float64))
    data.raw = data.copy()
    data.write_h5ad(tmp_path / "layer.h5ad")
    holds(section({"rna": tmp_path / "layer.h5ad"}), tissue, "rna")
    raw = adata(tissue)
    raw.raw = raw.copy()
    raw = raw[:, :3].copy()
    raw.X = raw.X.multiply(0.5).tocsr()
    raw.write_h5ad(tmp_path / "raw.h5ad")
    holds(section({"rna": tmp_path / "raw.h5ad"}), tissue, "rna")


def test_a_counts_layer_that_is_not_counts_is_passed_over_with_a_warning(tissue, tmp_path: Path, holds) -> None:
    data = adata(tissue)
    data.layers["counts"] = data.X.multiply(0.5).tocsr()
    data.write_h5ad(tmp_path / "rna.h5ad")
    with pytest.warns(InputWarning, match=r"taken from X, since layers\['counts'\]: value .* is not a whole number"):
        holds(section({"rna": tmp_path / "rna.h5ad"}), tissue, "rna")


def test_metabolites_may_be_fractions_and_others_not(tissue, tmp_path: Path) -> None:
    data = adata(tissue)
    data.X = data.X.multiply(0.25).tocsr()
    data.write_h5ad(tmp_path / "m.h5ad")
    result = section({"metabolite": tmp_path / "m.h5ad"})
    np.testing.assert_array_equal(result.mod["metabolite"].X.toarray(), tissue.rna * 0.25)
    with pytest.raises(InputError, match="not a whole number"):
        section({"rna": tmp_path / "m.h5ad"})


def test_features_that_are_only_counted_have_the_names_of_a_column(tissue, tmp_path: Path, holds) -> None:
    data = adata(tissue)
    data.var["gene_symbols"] = data.var_names
    data.var_names = [str(i) for i in range(5)]
    data.write_h5ad(tmp_path / "a.h5ad")
    with pytest.warns(InputWarning, match="named by the column 'gene_symbols', and not by the numbers"):
        holds(section({"rna": tmp_path / "a.h5ad"}), tissue, "rna")
    data.var_names = ["281", "303", "304", "885", "900"]
    data.write_h5ad(tmp_path / "masses.h5ad")
    result = section({"metabolite": tmp_path / "masses.h5ad"})
    assert result.mod["metabolite"].var_names.tolist() == data.var_names.tolist()


@pytest.mark.parametrize("element", ["shapes", "points", "own"])
def test_spatialdata(tissue, tmp_path: Path, holds, element: str) -> None:
    data = adata(tissue)
    if element != "own":
        del data.obsm["spatial"]
    order = np.arange(20)[::-1]
    data.obs["region"] = pd.Categorical(["spots"] * 20)
    data.obs["instance"] = order + 100
    table = spatialdata.models.TableModel.parse(data, region="spots", region_key="region", instance_key="instance")
    # Spot i is instance 119 - i: the join has to go by the key, not by position.
    elements = {}
    if element == "points":
        frame = pd.DataFrame(
            {"x": tissue.coordinates[order, 0], "y": tissue.coordinates[order, 1]}, index=np.arange(20) + 100
        )
        elements["points"] = {"spots": spatialdata.models.PointsModel.parse(frame)}
    else:
        shapes = geopandas.GeoDataFrame(
            {"geometry": [Point(*tissue.coordinates[i]) for i in order], "radius": 2.0}, index=np.arange(20) + 100
        )
        elements["shapes"] = {"spots": spatialdata.models.ShapesModel.parse(shapes)}
    store = spatialdata.SpatialData(**elements, tables={"rna": table})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store.write(tmp_path / "s.zarr")
    holds(section(multi=tmp_path / "s.zarr"), tissue, "rna")


def test_anndata_before_version_0_7(tissue, tmp_path: Path, holds) -> None:
    """The old layout: obs and var as structured arrays, X dense without attributes."""
    with h5py.File(tmp_path / "old.h5ad", "w") as file:
        file["X"] = tissue.rna.astype(np.float32)
        file["obs"] = np.array([(s.encode(), 1) for s in tissue.spots], dtype=[("index", "S20"), ("n", "i4")])
        file["var"] = np.array([(g.encode(), 1) for g in tissue.genes], dtype=[("index", "S20"), ("n", "i4")])
        file.create_group("obsm")["spatial"] = tissue.coordinates
    holds(section({"rna": tmp_path / "old.h5ad"}), tissue, "rna")


def with_codes(path: Path, tissue) -> Path:
    """The old layout with categories: codes in obs and var, their names in uns; three spots have no region."""
    region, counted = np.repeat([-1, 0, 1], (3, 8, 9)), np.repeat([-1, 0, 7], (3, 8, 9))
    kind = [1, 1, 1, 1, 0]
    with h5py.File(path, "w") as file:
        file["X"] = tissue.rna.astype(np.float32)
        rows = [(s.encode(), r, 0, c) for s, r, c in zip(tissue.spots, region, counted, strict=True)]
        file["obs"] = np.array(rows, [("index", "S20"), ("region", "i1"), ("slide", "i1"), ("counted", "i4")])
        rows = [(g.encode(), k, 0) for g, k in zip(tissue.genes, kind, strict=True)]
        file["var"] = np.array(rows, [("index", "S20"), ("feature_types", "i1"), ("counted", "i1")])
        file.create_group("obsm")["spatial"] = tissue.coordinates
        file["uns/region_categories"] = np.array(["Cortex", "White matter"], dtype="S")
        file["uns/slide_categories"] = "one"
        file["uns/feature_types_categories"] = np.array(["Antibody Capture", "Gene Expression"], dtype="S")
        # Of var: the codes of the column of obs do not fit.
        file["uns/counted_categories"] = np.array(["yes"], dtype="S")
    return path


def test_categories_of_anndata_before_version_0_7(tissue, tmp_path: Path) -> None:
    path = with_codes(tmp_path / "old.h5ad", tissue)
    data = section({"rna": path}, labels="region")
    expected = dict(zip(tissue.spots, [""] * 3 + ["Cortex"] * 8 + ["White matter"] * 9, strict=True))
    assert dict(data.obs["label"]) == expected
    obs, var = data.mod["rna"].obs, data.mod["rna"].var
    assert dict(obs["region"]) == expected
    assert set(obs["slide"]) == {"one"}
    assert dict(obs["counted"]) == dict(zip(tissue.spots, [-1] * 3 + [0] * 8 + [7] * 9, strict=True))
    assert dict(var["feature_types"]) == dict.fromkeys(tissue.genes[:4], "Gene Expression")
    assert set(var["counted"]) == {"yes"}
    whole = anndata.read_h5ad(path)
    assert ["" if pd.isna(name) else name for name in whole.obs["region"]] == list(expected.values())


def test_a_section_is_named_by_a_category_of_anndata_before_version_0_7(tissue, tmp_path: Path) -> None:
    path = with_codes(tmp_path / "old.h5ad", tissue)
    data = section({"rna": path}, "White_matter", section_column="region")
    assert data.obs_names.tolist() == tissue.spots[11:]


def test_data_frames_become_plain(tissue, tmp_path: Path) -> None:
    data = adata(tissue)
    data.obs["cat"] = pd.Categorical(["a", None] * 10)
    data.obs["nullable"] = pd.array([1, None] * 10, dtype="Int64")
    data.obs["flag"] = [True, False] * 10
    data.obs["maybe"] = pd.array([True, None] * 10, dtype="boolean")
    data.write_h5ad(tmp_path / "rna.h5ad")
    obs = section({"rna": tmp_path / "rna.h5ad"}).mod["rna"].obs
    assert obs["cat"].tolist() == ["a", ""] * 10
    assert obs["cat"].dtype == object
    np.testing.assert_array_equal(obs["nullable"], [1.0, np.nan] * 10)
    assert obs["flag"].dtype == bool
    np.testing.assert_array_equal(obs["maybe"].astype(float), [1.0, np.nan] * 10)


def filtered(path: Path, dataset: str, number: int) -> None:
    """Store a dataset as if by a filter that is not installed here, as files made with hdf5plugin have it."""
    with h5py.File(path, "r+") as file:
        old = file[dataset]
        kind, space = old.id.get_type(), old.id.get_space()
        made = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        made.set_chunk(old.shape)
        made.set_filter(number, h5py.h5z.FLAG_OPTIONAL)
        attributes = dict(old.attrs)
        del old, file[dataset]
        h5py.h5d.create(file.id, dataset.encode(), kind, space, made).write_direct_chunk(
            (0,) * space.get_simple_extent_ndims(), b"compressed"
        )
        file[dataset].attrs.update(attributes)


@pytest.mark.parametrize(
    ("dataset", "number", "name"),
    [
        ("obs/_index", 32015, "zstd"),
        ("obsm/spatial", 32001, "blosc"),
        ("X/indptr", 32004, "lz4"),
        ("X/data", 32026, "blosc2"),
        ("X", 32015, "zstd"),
        ("var/_index", 4711, "unnamed"),
    ],
)
def test_a_filter_of_hdf5_that_is_not_here_is_named(
    tissue, tmp_path: Path, dataset: str, number: int, name: str
) -> None:
    path = tmp_path / "rna.h5ad"
    adata(tissue, kind=np.asarray if dataset == "X" else sparse.csr_matrix).write_h5ad(path)
    filtered(path, dataset, number)
    expected = rf"rna.h5ad, {dataset}: is compressed by HDF5 filter {number} \({name}\), which is not installed; "
    with pytest.raises(
        InputError, match=expected + ".*hdf5plugin is installed, and write it again with compression='gzi"
    ):
        section({"rna": path})


def test_a_filter_that_is_not_needed_may_be_absent(tissue, tmp_path: Path, holds) -> None:
    data = adata(tissue)
    data.layers["scaled"] = data.X.multiply(0.5).tocsr()
    data.write_h5ad(tmp_path / "rna.h5ad")
    filtered(tmp_path / "rna.h5ad", "layers/scaled/data", 32015)
    holds(section({"rna": tmp_path / "rna.h5ad"}), tissue, "rna")


def test_a_filter_of_an_h5mu_that_is_not_here_is_named(tissue, tmp_path: Path) -> None:
    mudata.MuData({"rna": adata(tissue)}).write(tmp_path / "all.h5mu")
    filtered(tmp_path / "all.h5mu", "mod/rna/X/data", 32015)
    with pytest.raises(InputError, match=r"all.h5mu, mod/rna/X/data: is compressed by HDF5 filter 32015 \(zstd\)"):
        section(multi=tmp_path / "all.h5mu")


def test_pickled_zarr_is_refused_unread(tissue, tmp_path: Path) -> None:
    path = tmp_path / "rna.zarr"
    adata(tissue).write_zarr(path)
    file = path / "obsm" / "spatial" / ".zarray"
    file.write_text(file.read_text().replace('"filters": null', '"filters": [{"id": "pickle"}]'))
    with pytest.raises(InputError, match="pickled objects"):
        read(path)


def test_sparse_input_is_never_dense(tmp_path: Path) -> None:
    """100,000 spots x 50,000 features would take 20 GB as a dense matrix."""
    import tracemalloc

    n = 100_000
    rng = np.random.default_rng(0)
    matrix = sparse.csr_matrix(
        (np.ones(3 * n, np.float32), (np.repeat(np.arange(n), 3), rng.integers(0, 50_000, 3 * n))), shape=(n, 50_000)
    )
    data = anndata.AnnData(matrix, obsm={"spatial": rng.random((n, 2))})
    data.obs_names = [f"b{i}" for i in range(n)]
    data.write_h5ad(tmp_path / "big.h5ad")
    del data
    tracemalloc.start()
    result = section({"rna": tmp_path / "big.h5ad"})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.mod["rna"].X.sum() == matrix.sum()
    assert peak < 300e6


def test_index_arrays_beyond_32_bit_are_kept(tissue, tmp_path: Path, holds) -> None:
    data = adata(tissue)
    data.X.indptr = data.X.indptr.astype(np.int64)
    data.X.indices = data.X.indices.astype(np.int64)
    data.write_h5ad(tmp_path / "rna.h5ad")
    holds(section({"rna": tmp_path / "rna.h5ad"}), tissue, "rna")


@pytest.mark.parametrize("name", ["dbitseq_mouse_embryo"])
def test_real_paired_tissue(shared_data: Path, name: str) -> None:
    folder = shared_data / name
    files = {"rna": folder / "rna.h5ad", "adt": folder / "protein.h5ad"}
    result = section(files, labels="domain", platform="dbit")
    assert result.shape[0] == 936
    for modality, path in files.items():
        source = anndata.read_h5ad(path)
        got = result.mod[modality][source.obs_names]
        assert (got.X != source.X).nnz == 0
        assert got.var_names.tolist() == source.var_names.tolist()
        np.testing.assert_array_equal(got.obsm["spatial"], source.obsm["spatial"])
    label = result.obs["label"].loc[source.obs_names]
    assert label.tolist() == ["" if pd.isna(v) else str(v) for v in source.obs["domain"]]
    assert label[label != ""].nunique() == 13


def test_real_visium_tissue_keeps_unlabelled_spots(shared_data: Path) -> None:
    path = shared_data / "dlpfc_visium" / "151507_rna.h5ad"
    source = anndata.read_h5ad(path)
    result = section({"rna": path}, labels="domain")
    assert result.uns["spatialweave"]["layout"] == "hexagonal"
    assert (result.obs["label"] == "").sum() == source.obs["domain"].isna().sum()
    assert result.mod["rna"].X.sum() == source.X.sum()
    np.testing.assert_array_equal(result[source.obs_names].obsm["spatial"], source.obsm["spatial"])


@pytest.mark.parametrize("places", ["obsm", "obs"])
def test_raw_and_obsm_of_anndata_before_version_0_7(tissue, tmp_path: Path, holds, places: str) -> None:
    """Elements of raw beside X, sparse matrices in h5sparse's encoding, and obsm as an array of records."""
    names = [("index", "S20")]
    with h5py.File(tmp_path / "old.h5ad", "w") as file:
        counts = sparse.csr_matrix(tissue.rna.astype(np.float32))
        for name, values in (("raw.X", counts.data), ("X", np.log1p(counts.data))):
            group = file.create_group(name)
            group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", counts.shape
            group["data"], group["indices"], group["indptr"] = values, counts.indices, counts.indptr
        file["raw.var"] = file["var"] = np.array([(gene.encode(),) for gene in tissue.genes], dtype=names)
        at = [("x", "f8"), ("y", "f8")]
        rows = [(spot.encode(), *xy) for spot, xy in zip(tissue.spots, tissue.coordinates, strict=True)]
        if places == "obs":
            file["obs"] = np.array(rows, dtype=names + at)
        else:
            file["obs"] = np.array([row[:1] for row in rows], dtype=names)
            file["obsm"] = np.array([(xy,) for xy in tissue.coordinates], dtype=[("spatial", "f8", (2,))])
    holds(section({"rna": tmp_path / "old.h5ad"}), tissue, "rna")
    with h5py.File(tmp_path / "old.h5ad", "r+") as file:
        del file["raw.X"]
    with pytest.raises(InputError, match=r"row \d+ \('SPOT\d\d-1'\), column 'Gene\d'"):
        section({"rna": tmp_path / "old.h5ad"})
