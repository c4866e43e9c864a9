"""Every format, written independently of the readers, comes back with its counts and places."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import anndata
import geopandas
import mudata
import numpy as np
import pandas as pd
import pytest
import spatialdata
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse
from shapely.geometry import Point

from spatialweave.errors import InputError
from spatialweave.io import contract
from spatialweave.io.notices import InputWarning
from spatialweave.io.readers import read
from spatialweave.io.section import SectionInput, read_section

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


def section(files: dict[str, Path] | None = None, **more: object) -> mudata.MuData:
    return read_section(SectionInput("d", "s", files or {}, **more))  # type: ignore[arg-type]


def adata(tissue, modality: str = "rna", kind: type = sparse.csr_matrix, **more: object) -> anndata.AnnData:
    frame = tissue.frame(modality)
    return anndata.AnnData(
        kind(frame.to_numpy().astype(np.float32)),
        obs=pd.DataFrame(index=frame.index),
        var=pd.DataFrame(index=frame.columns),
        obsm={"spatial": tissue.xy},
        **more,
    )


@pytest.mark.parametrize("kind", [sparse.csr_matrix, sparse.csc_matrix, np.asarray])
@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_anndata(tissue, tmp_path: Path, holds, kind: type, suffix: str) -> None:
    path = tmp_path / f"rna{suffix}"
    data = adata(tissue, kind=kind)
    data.write_h5ad(path) if suffix == ".h5ad" else data.write_zarr(path)
    result = section({"rna": path})
    holds(result, tissue, "rna")
    assert result.uns["spatialweave"]["layout"] == "square"


def test_dense_matrix_is_read_in_blocks(tissue, tmp_path: Path, holds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("spatialweave.io.readers.store.BLOCK_VALUES", 15)
    adata(tissue, kind=np.asarray).write_h5ad(tmp_path / "rna.h5ad")
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


def test_h5mu_with_shared_coordinates_labels_and_unequal_spots(tissue, tmp_path: Path, holds) -> None:
    rna, adt = adata(tissue)[:15].copy(), adata(tissue, "adt")[5:].copy()
    del rna.obsm["spatial"], adt.obsm["spatial"]
    data = mudata.MuData({"RNA": rna, "prot": adt, "hto": adt.copy()})
    place = pd.DataFrame(tissue.xy, index=tissue.spots).loc[data.obs_names].to_numpy()
    data.obsm["spatial"] = place
    data.obs["region"] = [f"r{name[4]}" for name in data.obs_names]
    data.write(tmp_path / "all.h5mu")
    with pytest.warns(InputWarning, match="'hto' is none of"):
        result = section(multi=tmp_path / "all.h5mu", labels="region")
    holds(result, tissue, "rna", tissue.spots[:15])
    holds(result, tissue, "adt", tissue.spots[5:])
    assert set(result.mod) == {"rna", "adt"}
    assert dict(zip(result.obs_names, result.obs["label"], strict=True)) == {s: f"r{s[4]}" for s in tissue.spots}
    contract.write(result, tmp_path / "out.h5mu")
    back = contract.read_h5mu(tmp_path / "out.h5mu", "section")
    present = {name: set(back.obs_names[np.ravel(back.obsm[name])]) for name in ("rna", "adt")}
    assert present == {"rna": set(tissue.spots[:15]), "adt": set(tissue.spots[5:])}
    holds(back, tissue, "adt", tissue.spots[5:])


def mixed(tissue) -> tuple[list[tuple[str, str]], np.ndarray]:
    features = [(name, "Gene Expression") for name in tissue.genes]
    features += [(name, "Antibody Capture") for name in tissue.proteins]
    return features, np.hstack([tissue.rna, tissue.adt])


def test_tenx_h5_is_split_by_feature_type(tissue, tmp_path: Path, holds, write_tenx_h5, spatial_csv: Path) -> None:
    path = write_tenx_h5(tmp_path / "multi.h5", tissue.spots, *mixed(tissue))
    result = section(multi=path, spatial=spatial_csv)
    holds(result, tissue, "rna")
    holds(result, tissue, "adt")
    assert result.mod["rna"].var["gene_ids"].tolist() == [f"ID_{name}" for name in tissue.genes]
    with pytest.warns(InputWarning, match=r"types Gene Expression are left out \(5 features\)"):
        only = section({"adt": path}, spatial=spatial_csv)
    assert list(only.mod) == ["adt"]
    holds(only, tissue, "adt")


def test_peaks_are_atac_or_histone_as_asked(tissue, tmp_path: Path, write_tenx_h5, spatial_csv: Path) -> None:
    features = [(name, "Peaks") for name in tissue.genes]
    path = write_tenx_h5(tmp_path / "peaks.h5", tissue.spots, features, tissue.rna)
    assert list(section(multi=path, spatial=spatial_csv).mod) == ["atac"]
    assert list(section({"histone": path}, spatial=spatial_csv).mod) == ["histone"]
    with pytest.raises(InputError, match="features are of the types 'Peaks'"):
        section({"rna": path}, spatial=spatial_csv)


@pytest.mark.parametrize("gz", [True, False])
@pytest.mark.parametrize("version", [2, 3])
def test_tenx_folder(tissue, tmp_path, holds, write_tenx_folder, spatial_csv, version: int, gz: bool) -> None:
    if version == 2:
        features, counts = [(name, "") for name in tissue.genes], tissue.rna
    else:
        features, counts = mixed(tissue)
    path = write_tenx_folder(tmp_path / "matrix", tissue.spots, features, counts, version, gz)
    result = section({"rna": path}, spatial=spatial_csv)
    holds(result, tissue, "rna")
    if version == 3:
        holds(section(multi=path, spatial=spatial_csv), tissue, "adt")


def positions(tissue, folder: Path, layout: str, outside: int) -> None:
    """Write tissue positions; the first `outside` spots are not in the tissue."""
    (folder / "spatial").mkdir(parents=True)
    table = pd.DataFrame(
        {
            "barcode": tissue.spots,
            "in_tissue": [0 if i < outside else 1 for i in range(20)],
            "array_row": range(20),
            "array_col": range(20),
            "pxl_row_in_fullres": tissue.xy[:, 1].astype(int),
            "pxl_col_in_fullres": tissue.xy[:, 0].astype(int),
        }
    ).iloc[::-1]
    if layout == "parquet":
        table.to_parquet(folder / "spatial" / "tissue_positions.parquet")
    elif layout == "header":
        table.to_csv(folder / "spatial" / "tissue_positions.csv", index=False)
    else:
        table.to_csv(folder / "spatial" / "tissue_positions_list.csv", index=False, header=False)


@pytest.mark.parametrize(("layout", "platform"), [("header", "visium"), ("list", "visium"), ("parquet", "visium_hd")])
def test_space_ranger_outs(tissue, tmp_path, holds, write_tenx_h5, write_tenx_folder, layout, platform) -> None:
    outs = tmp_path / "outs"
    positions(tissue, outs, layout, outside=3)
    if layout == "list":
        write_tenx_folder(outs / "filtered_feature_bc_matrix", tissue.spots, *mixed(tissue), 3, True)
    else:
        write_tenx_h5(outs / "filtered_feature_bc_matrix.h5", tissue.spots, *mixed(tissue))
    with pytest.warns(InputWarning, match="3 of 20 spots are outside the tissue"):
        result = section(multi=outs)
    holds(result, tissue, "rna", tissue.spots[3:])
    holds(result, tissue, "adt", tissue.spots[3:])
    facts = result.uns["spatialweave"]
    assert (facts["platform"], facts["coordinate_unit"]) == (platform, "pixel")
    assert section(multi=outs, platform="cells").uns["spatialweave"]["platform"] == "cells"


@pytest.mark.parametrize("layout", ["header", "list"])
def test_tissue_positions_serve_as_coordinates(tissue, tmp_path, holds, layout: str) -> None:
    positions(tissue, tmp_path, layout, outside=0)
    name = "tissue_positions.csv" if layout == "header" else "tissue_positions_list.csv"
    tissue.frame("rna").to_csv(tmp_path / "rna.csv")
    holds(section({"rna": tmp_path / "rna.csv"}, spatial=tmp_path / "spatial" / name), tissue, "rna")


@pytest.mark.parametrize("name", ["rna.csv", "rna.tsv", "rna.csv.gz", "rna.tsv.gz", "RNA.CSV"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_text_matrix(tissue, tmp_path: Path, holds, spatial_csv: Path, name: str, ending: str, encoding: str) -> None:
    separator = "\t" if "tsv" in name else ","
    tissue.frame("rna").to_csv(
        tmp_path / name, sep=separator, lineterminator=ending, encoding=encoding, index_label="barcode"
    )
    holds(section({"rna": tmp_path / name}, spatial=spatial_csv), tissue, "rna")


def test_text_matrix_in_blocks_with_blank_lines_and_quotes(tissue, tmp_path, holds, spatial_csv, monkeypatch) -> None:
    monkeypatch.setattr("spatialweave.io.readers.table.BLOCK_CELLS", 18)
    text = tissue.frame("rna").to_csv(quoting=1).replace("\n", "\n\n")
    (tmp_path / "rna.csv").write_text("\n" + text)
    holds(section({"rna": tmp_path / "rna.csv"}, spatial=spatial_csv), tissue, "rna")


def test_barcodes_that_look_like_numbers_or_missing_values_stay_text(tmp_path: Path) -> None:
    names = ["001", "1e3", "NA", "null", "1.0", "nan"]
    (tmp_path / "rna.csv").write_text("id,A\n" + "".join(f"{name},{i + 1}\n" for i, name in enumerate(names)))
    (tmp_path / "xy.csv").write_text(
        "id,A\n".replace("id,A", "barcode,x,y") + "".join(f"{n},{i},1\n" for i, n in enumerate(names))
    )
    result = section({"rna": tmp_path / "rna.csv"}, spatial=tmp_path / "xy.csv")
    assert result.obs_names.tolist() == names
    assert result.mod["rna"].X.toarray().ravel().tolist() == [1, 2, 3, 4, 5, 6]


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
        frame = pd.DataFrame({"x": tissue.xy[order, 0], "y": tissue.xy[order, 1]}, index=np.arange(20) + 100)
        elements["points"] = {"spots": spatialdata.models.PointsModel.parse(frame)}
    else:
        shapes = geopandas.GeoDataFrame(
            {"geometry": [Point(*tissue.xy[i]) for i in order], "radius": 2.0}, index=np.arange(20) + 100
        )
        elements["shapes"] = {"spots": spatialdata.models.ShapesModel.parse(shapes)}
    store = spatialdata.SpatialData(**elements, tables={"rna": table})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store.write(tmp_path / "s.zarr")
    holds(section(multi=tmp_path / "s.zarr"), tissue, "rna")


def test_anndata_before_version_0_7(tissue, tmp_path: Path, holds) -> None:
    """The old layout: obs and var as structured arrays, X dense without attributes."""
    import h5py

    with h5py.File(tmp_path / "old.h5ad", "w") as file:
        file["X"] = tissue.rna.astype(np.float32)
        file["obs"] = np.array([(s.encode(), 1) for s in tissue.spots], dtype=[("index", "S20"), ("n", "i4")])
        file["var"] = np.array([(g.encode(), 1) for g in tissue.genes], dtype=[("index", "S20"), ("n", "i4")])
        file.create_group("obsm")["spatial"] = tissue.xy
    holds(section({"rna": tmp_path / "old.h5ad"}), tissue, "rna")


def test_frames_become_plain(tissue, tmp_path: Path) -> None:
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


def test_repeated_feature_names_are_numbered(tissue, tmp_path: Path, spatial_csv: Path) -> None:
    frame = tissue.frame("rna")
    frame.columns = ["A", "B", "A", "C", "A"]
    frame.to_csv(tmp_path / "rna.csv")
    with pytest.warns(InputWarning, match="2 repeated feature names"):
        result = section({"rna": tmp_path / "rna.csv"}, spatial=spatial_csv)
    assert result.mod["rna"].var_names.tolist() == ["A", "B", "A-1", "C", "A-2"]
    np.testing.assert_array_equal(result.mod["rna"].X.toarray(), tissue.rna)


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


matrices = st.lists(st.lists(st.integers(0, 100_000), min_size=3, max_size=3).filter(any), min_size=2, max_size=8).map(
    np.array
)
names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=matrices, data=st.data())
def test_any_text_matrix_comes_back(tmp_path: Path, counts: np.ndarray, data: st.DataObject) -> None:
    spots = data.draw(st.lists(names, min_size=len(counts), max_size=len(counts), unique=True))
    features = data.draw(st.lists(names, min_size=3, max_size=3, unique=True))
    path = tmp_path / "m.csv"
    pd.DataFrame(counts, index=spots, columns=features).to_csv(path, encoding="utf-8", index_label="barcode")
    (measurement,) = read(path)
    matrix, table = measurement.slots["matrix"]()
    np.testing.assert_array_equal(matrix.toarray(), counts)
    assert measurement.obs.index.tolist() == spots
    assert table.index.tolist() == features


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=matrices, version=st.sampled_from([2, 3]), gz=st.booleans())
def test_any_tenx_matrix_comes_back(tmp_path: Path, write_tenx_folder, write_tenx_h5, counts, version, gz) -> None:
    spots = [f"b{i}" for i in range(len(counts))]
    features = [(f"g{i}", "Gene Expression") for i in range(3)]
    shutil.rmtree(tmp_path / "folder", ignore_errors=True)
    for path in (
        write_tenx_folder(tmp_path / "folder", spots, features, counts, version, gz),
        write_tenx_h5(tmp_path / "m.h5", spots, features, counts),
    ):
        (measurement,) = read(path)
        matrix, table = measurement.slots["matrix"]()
        np.testing.assert_array_equal(matrix.toarray(), counts)
        assert table.index.tolist() == [name for name, _ in features]
        assert measurement.obs.index.tolist() == spots
