"""Files as the machines and downloads name them: positions, prefixed 10x files, identifiers, names of assays."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning
from spatialweave.modalities import modality_of

from .reading import section

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


def positions(tissue, header: bool) -> bytes:
    """Space Ranger's tissue positions; the spots are listed backwards."""
    rows = [
        f"{spot},1,{i // 5},{i % 5},{tissue.coordinates[i, 1]:g},{tissue.coordinates[i, 0]:g}\n"
        for i, spot in enumerate(tissue.spots)
    ]
    first = "barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres\n" if header else ""
    return (first + "".join(reversed(rows))).encode()


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize(
    "name", ["GSM7_S1_tissue_positions_list.csv", "S1.tissue_positions.csv.gz", "spots.csv.gz", "spots.tsv"]
)
def test_positions_are_told_by_their_content(tissue, tmp_path: Path, holds: Callable, header: bool, name: str) -> None:
    text = positions(tissue, header)
    if name.endswith(".tsv"):
        text = b"# version 1\n" + text.replace(b",", b"\t")
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    tissue.table("rna").to_csv(tmp_path / "rna.csv")
    holds(section({"rna": tmp_path / "rna.csv"}, spatial=tmp_path / name), tissue, "rna")


@pytest.mark.parametrize("matrix", ["filtered_feature_bc_matrix", "raw_feature_bc_matrix"])
@pytest.mark.parametrize("prefix", ["", "V1_Section_1_", "GSM1_"])
@pytest.mark.parametrize("folder", ["spatial", "."])
def test_outs_as_downloads_have_them(
    tissue, tmp_path: Path, holds: Callable, write_tenx_h5: Callable, matrix: str, prefix: str, folder: str
) -> None:
    outs = tmp_path / "outs"
    (outs / folder).mkdir(parents=True)
    (outs / folder / f"{prefix}tissue_positions_list.csv.gz").write_bytes(gzip.compress(positions(tissue, False)))
    write_tenx_h5(
        outs / f"{prefix}{matrix}.h5", tissue.spots, [(g, "Gene Expression") for g in tissue.genes], tissue.rna
    )
    holds(section({"rna": outs}), tissue, "rna")


def test_two_samples_in_one_folder_are_refused(tissue, tmp_path: Path, write_tenx_h5: Callable) -> None:
    for sample in ("S1", "S2"):
        (tmp_path / f"{sample}_tissue_positions_list.csv").write_bytes(positions(tissue, False))
        path = tmp_path / f"{sample}_filtered_feature_bc_matrix.h5"
        write_tenx_h5(path, tissue.spots, [(g, "Gene Expression") for g in tissue.genes], tissue.rna)
    with pytest.raises(InputError, match=r"several files of tissue positions \(S1_.*make a folder for each"):
        section({"rna": tmp_path})


def test_several_matrices_beside_one_table_of_positions_are_refused(tissue, tmp_path, write_tenx_h5) -> None:
    (tmp_path / "tissue_positions_list.csv").write_bytes(positions(tissue, False))
    for sample in ("S1", "S2"):
        path = tmp_path / f"{sample}_filtered_feature_bc_matrix.h5"
        write_tenx_h5(path, tissue.spots, [(g, "Gene Expression") for g in tissue.genes], tissue.rna)
    with pytest.raises(InputError, match=r"several matrices \(S1_.*make a folder for each"):
        section({"rna": tmp_path})


def test_the_filtered_matrix_and_the_newest_positions_go_first(tissue, tmp_path, holds, write_tenx_h5) -> None:
    """The list of old is often made by hand beside Visium HD's parquet, for programs that know no other."""
    genes = [(g, "Gene Expression") for g in tissue.genes]
    write_tenx_h5(tmp_path / "raw_feature_bc_matrix.h5", tissue.spots, genes, tissue.rna + 1)
    write_tenx_h5(tmp_path / "filtered_feature_bc_matrix.h5", tissue.spots, genes, tissue.rna)
    (tmp_path / "spatial").mkdir()
    (tmp_path / "spatial" / "tissue_positions.csv").write_bytes(positions(tissue, True))
    (tmp_path / "spatial" / "tissue_positions_list.csv").write_bytes(b"x,1,0,0,1,1\n")
    holds(section({"rna": tmp_path}), tissue, "rna")


def test_two_prefixes_in_a_matrix_folder_are_not_mixed(tissue, tmp_path, write_tenx_folder, spatial_csv: Path) -> None:
    features = [(name, "Gene Expression") for name in tissue.genes]
    folder = write_tenx_folder(tmp_path / "matrix", tissue.spots, features, tissue.rna, 3, True)
    for file in list(folder.iterdir()):
        for sample in ("S1_", "S2_"):
            (folder / f"{sample}{file.name}").write_bytes(file.read_bytes())
        file.unlink()
    with pytest.raises(InputError):
        section({"rna": folder}, spatial=spatial_csv)


def test_masses_as_names_of_features_are_no_fragments(tissue, tmp_path: Path, spatial_csv: Path) -> None:
    values = pd.DataFrame(tissue.rna[:, :3].toarray() if sparse.issparse(tissue.rna) else tissue.rna[:, :3])
    values.columns, values.index = ["301", "309", "TIC"], pd.Index(tissue.spots, name="spot")
    values.to_csv(tmp_path / "msi.csv")
    result = section({"metabolite": tmp_path / "msi.csv"}, spatial=spatial_csv)
    assert list(result.mod["metabolite"].var_names) == ["301", "309", "TIC"]


def test_a_table_with_two_indices_is_read_by_its_columns(tissue, tmp_path: Path, holds: Callable) -> None:
    table = pd.DataFrame({"x": tissue.coordinates[:, 0], "y": tissue.coordinates[:, 1]})
    table.index = pd.MultiIndex.from_arrays([["1"] * len(table), tissue.spots], names=[None, "barcode"])
    table.to_parquet(tmp_path / "cells.parquet")
    tissue.table("rna").to_csv(tmp_path / "rna.csv")
    holds(section({"rna": tmp_path / "rna.csv"}, spatial=tmp_path / "cells.parquet"), tissue, "rna")


def test_a_matrix_folder_with_prefixed_files(tissue, tmp_path, holds, write_tenx_folder, spatial_csv: Path) -> None:
    features = [(name, "Gene Expression") for name in tissue.genes]
    folder = write_tenx_folder(tmp_path / "matrix", tissue.spots, features, tissue.rna, 3, True)
    for file in list(folder.iterdir()):
        file.rename(folder / f"GSM1_A1_{file.name}")
    holds(section({"rna": folder}, spatial=spatial_csv), tissue, "rna")


@pytest.mark.parametrize(
    ("column", "values"), [("EntityID", str), ("cell_id", str.encode), ("Barcode", str), ("cell", str), (None, str)]
)
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_identifiers_of_the_platforms_own_tables(
    tissue, tmp_path: Path, holds: Callable, column: str | None, values: Callable, kind: str
) -> None:
    table = pd.DataFrame({"center_x": tissue.coordinates[:, 0], "center_y": tissue.coordinates[:, 1]})
    names = [values(spot) for spot in tissue.spots] if kind == "parquet" else tissue.spots
    if column is None:
        table.index = pd.Index(names)
    else:
        table.insert(1, column, names)
    path = tmp_path / f"cells.{kind}"
    if kind == "parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, index=column is None)
    tissue.table("rna").to_csv(tmp_path / "rna.csv")
    holds(section({"rna": tmp_path / "rna.csv"}, spatial=path), tissue, "rna")


NAMES = {
    "rna": ["Spatial", "Spatial.008um", "Spatial.016um", "RNA", "SCT", "Gene Expression", "Xenium"],
    "adt": ["Protein", "ADT", "Antibody Capture", "Akoya"],
    "atac": ["peaks", "ATAC", "GeneActivity", "PeakMatrix"],
}


@pytest.mark.parametrize(("name", "modality"), [(name, m) for m, names in NAMES.items() for name in names])
def test_names_of_assays(name: str, modality: str) -> None:
    assert modality_of(name) == modality


def test_what_is_no_assay() -> None:
    assert [modality_of(name) for name in ("square_008um", "table", "008um", "CRISPR Guide Capture")] == [None] * 4


def part(tissue, counts: np.ndarray, coordinates: bool = False) -> anndata.AnnData:
    data = anndata.AnnData(
        sparse.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame(index=tissue.spots),
        var=pd.DataFrame(index=tissue.genes),
    )
    if coordinates:
        data.obsm["spatial"] = tissue.coordinates
    return data


def test_assays_of_seurat_in_one_file(tissue, tmp_path: Path, holds: Callable) -> None:
    """The corrected assay is left out where the original is there, and used where it is alone."""
    spatial = part(tissue, tissue.rna, coordinates=True)
    mudata.MuData({"Spatial": spatial, "SCT": part(tissue, tissue.rna + 1)}).write(tmp_path / "both.h5mu")
    with pytest.warns(InputWarning, match="modality 'SCT' is computed from another rna"):
        holds(section(multi=tmp_path / "both.h5mu"), tissue, "rna")
    mudata.MuData({"SCT": spatial}).write(tmp_path / "one.h5mu")
    holds(section(multi=tmp_path / "one.h5mu"), tissue, "rna")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("S.rds", "x", "is an object of R"),
        ("S.xlsx", "x", "is a spreadsheet; .*save it as CSV"),
    ],
)
def test_what_is_no_matrix_is_told_for_what_it_is(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(gzip.compress(content.encode()) if name.endswith(".gz") else content.encode())
    with pytest.raises(InputError, match=message):
        section({"atac": path})


def test_folders_that_are_told_for_what_they_are(tissue, tmp_path: Path, write_tenx_folder) -> None:
    genes = [(gene, "Gene Expression") for gene in tissue.genes]
    both = tmp_path / "both"
    both.mkdir()
    for sample in ("GSM1_a_", "GSM2_b_"):
        for file in list(write_tenx_folder(tmp_path / sample, tissue.spots, genes, tissue.rna, 3, True).iterdir()):
            file.rename(both / f"{sample}{file.name}")
    with pytest.raises(InputError, match=r"holds several matrices \(GSM1_a_matrix.mtx.gz, GSM2_b_matrix.mtx.gz\)"):
        section({"rna": both})
    curio = tmp_path / "curio"
    curio.mkdir()
    (curio / "S_MoleculesPerMatchedBead.mtx").write_text("%%MatrixMarket matrix coordinate integer general\n0 0 0\n")
    with pytest.raises(InputError, match=r"is a folder of Curio Seeker; .*_anndata.h5ad"):
        section({"rna": curio})
    by_r = write_tenx_folder(tmp_path / "by_r", tissue.spots, genes, tissue.rna, 3, False)
    (by_r / "matrix.mtx").rename(by_r / "counts.mtx")
    with pytest.raises(InputError, match=r"holds counts.mtx, but no matrix.mtx; .*call counts.mtx matrix.mtx, and the"):
        section({"rna": by_r})


def test_tissue_positions_in_a_txt(tissue, tmp_path: Path, holds: Callable, write_tenx_h5: Callable) -> None:
    """As the dorsolateral prefrontal cortex of spatialLIBD is stored."""
    (tmp_path / "outs" / "spatial").mkdir(parents=True)
    genes = [(gene, "Gene Expression") for gene in tissue.genes]
    write_tenx_h5(tmp_path / "outs" / "151673_filtered_feature_bc_matrix.h5", tissue.spots, genes, tissue.rna)
    (tmp_path / "outs" / "spatial" / "tissue_positions_list.txt").write_bytes(positions(tissue, header=False))
    holds(section({"rna": tmp_path / "outs"}), tissue, "rna")
