"""Files of 10x Genomics, written independently of the readers, come back with their counts and coordinates."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.count_matrix import in_memory
from spatialweave.io.notices import InputWarning
from spatialweave.io.readers import read
from spatialweave.io.stored_counts import as_counts

from .reading import matrices, section

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


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


def test_features_that_are_no_texts_are_refused(tissue, tmp_path: Path, write_tenx_h5, spatial_csv: Path) -> None:
    path = write_tenx_h5(tmp_path / "multi.h5", tissue.spots, *mixed(tissue))
    with h5py.File(path, "r+") as file:
        features = file["matrix/features"]
        n_features = len(features["id"])
        del features["id"]
        features["id"] = np.zeros(n_features, dtype=[("a", "i4"), ("b", "f8")])
    with pytest.raises(InputError, match="is not a readable matrix in matrix"):
        section(multi=path, spatial=spatial_csv)


def test_peaks_are_atac_or_histone_by_the_option(tissue, tmp_path: Path, write_tenx_h5, spatial_csv: Path) -> None:
    features = [(name, "Peaks") for name in tissue.genes]
    path = write_tenx_h5(tmp_path / "peaks.h5", tissue.spots, features, tissue.rna)
    assert list(section(multi=path, spatial=spatial_csv).mod) == ["atac"]
    assert list(section({"histone": path}, spatial=spatial_csv).mod) == ["histone"]
    with pytest.raises(InputError, match="features are of the types 'Peaks'"):
        section({"rna": path}, spatial=spatial_csv)


def test_proteins_that_are_called_genes_are_refused_with_what_writes_their_type(
    tissue, tmp_path: Path, write_tenx_h5, spatial_csv: Path
) -> None:
    features = [(name, "Gene Expression") for name in tissue.proteins]
    path = write_tenx_h5(tmp_path / "proteins.h5", tissue.spots, features, tissue.adt)
    with pytest.raises(InputError, match=r"expected adt; to fix this, .* gene\.type = 'Antibody Capture'"):
        section({"adt": path}, spatial=spatial_csv)


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


@pytest.mark.parametrize("gz", [True, False])
def test_gzipped_matrices_are_told_by_their_bytes(
    tissue, tmp_path: Path, holds, write_tenx_folder, spatial_csv: Path, gz: bool
) -> None:
    """Browsers unpack downloads and leave the name, and servers send files zipped under names without .gz."""
    features = [(name, "Gene Expression") for name in tissue.genes]
    path = write_tenx_folder(tmp_path / "matrix", tissue.spots, features, tissue.rna, 3, gz)
    for file in list(path.iterdir()):
        file.rename(path / (file.name.removesuffix(".gz") if gz else f"{file.name}.gz"))
    holds(section({"rna": path}, spatial=spatial_csv), tissue, "rna")


WRITTEN_BY_R: dict[str, Callable[[int, list[str]], str]] = {
    "quoted": lambda _row, cells: "\t".join(f'"{cell}"' for cell in cells),
    "numbered": lambda row, cells: "\t".join([str(row), *cells]) + " ",
}
"""Lines of write.table(sep = "\t", col.names = FALSE), which quotes all text, or (quote = FALSE) numbers the rows."""


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("form", WRITTEN_BY_R)
def test_names_written_by_r(
    tissue, tmp_path: Path, holds, write_tenx_folder, spatial_csv: Path, version: int, form: str
) -> None:
    features = [(name, "Gene Expression") for name in tissue.genes]
    path = write_tenx_folder(tmp_path / "matrix", tissue.spots, features, tissue.rna, version, False)
    for name in ("barcodes.tsv", "genes.tsv" if version == 2 else "features.tsv"):
        rows = [line.split("\t") for line in (path / name).read_text().splitlines()]
        (path / name).write_text("".join(f"{WRITTEN_BY_R[form](i, row)}\n" for i, row in enumerate(rows, start=1)))
    holds(section({"rna": path}, spatial=spatial_csv), tissue, "rna")


@pytest.mark.parametrize(
    "lines",
    [
        [f"{i}\tP{i}\tAntibody Capture" for i in range(1, 6)],  # identifiers that are numbers
        [f"CD{i} total" for i in range(5)],
        [f"a,{i},x" if i else "a" for i in range(5)],
    ],
)
def test_names_that_look_like_other_formats_are_read(
    tissue, tmp_path: Path, write_tenx_folder, spatial_csv: Path, lines: list[str]
) -> None:
    path = write_tenx_folder(
        tmp_path / "m", tissue.spots, [(n, "Gene Expression") for n in tissue.genes], tissue.rna, 3, False
    )
    (path / "features.tsv").write_text("".join(f"{line}\n" for line in lines))
    names = [line.split("\t")[min(1, line.count("\t"))] for line in lines]
    assert section({"adt": path}, spatial=spatial_csv).mod["adt"].var_names.tolist() == names


@pytest.mark.parametrize(
    ("name", "header"), [("barcodes.tsv", "barcode"), ("features.tsv", "gene_id\tgene_name\ttype")]
)
def test_headers_are_named(
    tissue, tmp_path: Path, write_tenx_folder, spatial_csv: Path, name: str, header: str
) -> None:
    features = [(name, "Gene Expression") for name in tissue.genes]
    path = write_tenx_folder(tmp_path / "matrix", tissue.spots, features, tissue.rna, 3, False)
    (path / name).write_text(f"{header}\n{(path / name).read_text()}")
    first = header.split("\t")[0]
    with pytest.raises(InputError, match=f"remove the first line of the file that begins with '{first}'"):
        section({"rna": path}, spatial=spatial_csv)


def test_quotation_marks_in_some_names_stay(tissue, tmp_path: Path, write_tenx_folder, spatial_csv: Path) -> None:
    genes = ['"a"', "5'-end", 'b"', "c", "d"]
    features = [(name, "Gene Expression") for name in genes]
    path = write_tenx_folder(tmp_path / "matrix", tissue.spots, features, tissue.rna, 3, True)
    assert section({"rna": path}, spatial=spatial_csv).mod["rna"].var_names.tolist() == genes


@pytest.mark.parametrize("line", ['"{0}" "{1}" "{2}"', "{0},{1},{2}"])
def test_other_separators_than_tabs_are_refused(
    tissue, tmp_path: Path, write_tenx_folder, spatial_csv: Path, line: str
) -> None:
    features = [(name, "Gene_Expression") for name in tissue.genes]
    path = write_tenx_folder(tmp_path / "matrix", tissue.spots, features, tissue.rna, 3, False)
    lines = (path / "features.tsv").read_text().splitlines()
    (path / "features.tsv").write_text("".join(line.format(*one.split("\t")) + "\n" for one in lines))
    with pytest.raises(InputError, match=r"features.tsv, line 1: .* is one cell; expected cells separated by tabs"):
        section({"rna": path}, spatial=spatial_csv)


def positions(tissue, folder: Path, layout: str, outside: int) -> None:
    """Write tissue positions; the first `outside` spots are not in the tissue."""
    (folder / "spatial").mkdir(parents=True)
    table = pd.DataFrame(
        {
            "barcode": tissue.spots,
            "in_tissue": [0 if i < outside else 1 for i in range(20)],
            "array_row": range(20),
            "array_col": range(20),
            "pxl_row_in_fullres": tissue.coordinates[:, 1].astype(int),
            "pxl_col_in_fullres": tissue.coordinates[:, 0].astype(int),
        }
    ).iloc[::-1]
    if layout == "parquet":
        table.to_parquet(folder / "spatial" / "tissue_positions.parquet")
    elif layout == "header":
        table.to_csv(folder / "spatial" / "tissue_positions.csv", index=False)
    else:
        table.to_csv(folder / "spatial" / "tissue_positions_list.csv", index=False, header=False)


@pytest.mark.parametrize(("layout", "platform"), [("header", "square"), ("list", "square"), ("parquet", "visium_hd")])
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


@pytest.mark.parametrize("beside", ["spatial/tissue_positions_list.csv", "GSM1_tissue_positions_list.csv"])
def test_a_matrix_folder_that_holds_its_positions(tissue, tmp_path, holds, write_tenx_folder, beside: str) -> None:
    """The layout of downloads from GEO."""
    folder = write_tenx_folder(tmp_path / "GSM1", tissue.spots, *mixed(tissue), 3, True)
    positions(tissue, folder, "list", outside=3)
    (folder / "spatial" / "tissue_positions_list.csv").rename(folder / beside)
    with pytest.warns(InputWarning, match="3 of 20 spots are outside the tissue"):
        result = section(multi=folder)
    holds(result, tissue, "rna", tissue.spots[3:])
    holds(result, tissue, "adt", tissue.spots[3:])


@pytest.mark.parametrize("name", ["filtered_feature_bc_matrix", "filtered_feature_bc_matrix.h5"])
def test_a_matrix_without_the_outs_folder_around_it(
    tissue, tmp_path: Path, write_tenx_h5, write_tenx_folder, name: str
) -> None:
    outs = tmp_path / "outs"
    positions(tissue, outs, "header", outside=0)
    if name.endswith(".h5"):
        write_tenx_h5(outs / name, tissue.spots, *mixed(tissue))
    else:
        write_tenx_folder(outs / name, tissue.spots, *mixed(tissue), 3, True)
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / name).symlink_to(outs / name)
    for path in (outs / name, tmp_path / "task" / name):
        with pytest.raises(
            InputError, match=rf"no coordinates .* give the folder {outs}, which holds tissue positions"
        ):
            section(multi=path)


@pytest.mark.parametrize("name", ["aggr_tissue_positions.csv", "GSM1_aggr_tissue_positions_list.csv"])
def test_positions_of_aggr_are_refused(tissue, tmp_path: Path, write_tenx_h5: Callable, name: str) -> None:
    positions(tissue, tmp_path, "header", outside=0)
    (tmp_path / "spatial" / "tissue_positions.csv").rename(tmp_path / name)
    write_tenx_h5(tmp_path / "filtered_feature_bc_matrix.h5", tissue.spots, *mixed(tissue))
    with pytest.raises(InputError, match=f"{name}: holds the positions of several sections.*outs folder of each"):
        section(multi=tmp_path)


def test_barcodes_of_two_wells_are_not_put_at_one_place(tissue, tmp_path: Path, write_tenx_h5: Callable) -> None:
    positions(tissue, tmp_path, "header", outside=0)
    path = tmp_path / "spatial" / "tissue_positions.csv"
    path.write_text(path.read_text().replace("-1,", ","))
    spots = [name if i % 2 else name.replace("-1", "-2") for i, name in enumerate(tissue.spots)]
    matrix = tmp_path / "filtered_feature_bc_matrix.h5"
    features, counts = mixed(tissue)
    write_tenx_h5(matrix, spots, features, counts)
    assert section(multi=tmp_path).n_obs == 20
    write_tenx_h5(matrix, [*spots, "SPOT07-2"], features, np.vstack([counts, counts[:1]]))
    with pytest.raises(InputError, match=r"'SPOT07-1' and 'SPOT07-2', but only '.*' has coordinates that match both"):
        section(multi=tmp_path)


@pytest.mark.parametrize("layout", ["header", "list"])
def test_tissue_positions_serve_as_coordinates(tissue, tmp_path, holds, layout: str) -> None:
    positions(tissue, tmp_path, layout, outside=0)
    name = "tissue_positions.csv" if layout == "header" else "tissue_positions_list.csv"
    tissue.table("rna").to_csv(tmp_path / "rna.csv")
    holds(section({"rna": tmp_path / "rna.csv"}, spatial=tmp_path / "spatial" / name), tissue, "rna")


def test_flags_of_tissue_positions_in_words(tissue, tmp_path, holds, write_tenx_h5) -> None:
    """As pandas and R write them."""
    positions(tissue, tmp_path, "header", outside=3)
    path = tmp_path / "spatial" / "tissue_positions.csv"
    pd.read_csv(path).astype({"in_tissue": bool}).to_csv(path, index=False)
    features = [(name, "Gene Expression") for name in tissue.genes]
    write_tenx_h5(tmp_path / "filtered_feature_bc_matrix.h5", tissue.spots, features, tissue.rna)
    with pytest.warns(InputWarning, match="3 of 20 spots are outside the tissue"):
        holds(section({"rna": tmp_path}), tissue, "rna", tissue.spots[3:])


def test_positions_that_are_still_packed_are_named(tissue, tmp_path, write_tenx_h5) -> None:
    features = [(name, "Gene Expression") for name in tissue.genes]
    write_tenx_h5(tmp_path / "filtered_feature_bc_matrix.h5", tissue.spots, features, tissue.rna)
    (tmp_path / "GSM1_spatial.tar.gz").write_bytes(b"x")
    with pytest.raises(
        InputError, match=r"no spatial/tissue_positions file\).*to fix this, unpack GSM1_spatial.tar.gz"
    ):
        section({"rna": tmp_path})


def test_a_matrix_with_the_barcodes_in_its_rows(tissue, tmp_path, holds, write_tenx_folder, spatial_csv) -> None:
    """As kb-python and alevin write it."""
    features = [(name, "Gene Expression") for name in tissue.genes]
    path = write_tenx_folder(tmp_path / "m", tissue.spots, features, tissue.rna, 3, False)
    scipy.io.mmwrite(path / "matrix.mtx", sparse.coo_matrix(tissue.rna))
    with pytest.warns(InputWarning, match="its 20 rows are the barcodes and its 5 columns the features"):
        holds(section({"rna": path}, spatial=spatial_csv), tissue, "rna")


def test_reads_divided_among_genes_are_no_counts(tissue, tmp_path, write_tenx_folder, spatial_csv) -> None:
    """STARsolo names their type as no other program does (UniqueAndMult-EM.mtx)."""
    features = [(name, "Gene Expression") for name in tissue.genes]
    path = write_tenx_folder(tmp_path / "m", tissue.spots, features, tissue.rna, 3, False)
    matrix = path / "matrix.mtx"
    scipy.io.mmwrite(matrix, sparse.coo_matrix(tissue.rna.T / 3), field="real")
    matrix.write_text(matrix.read_text().replace("real", "float", 1))
    with pytest.raises(InputError, match=r"matrix\.mtx, line 1: values are of the type float, as STARsolo"):
        section({"rna": path}, spatial=spatial_csv)


def test_a_matrix_for_each_of_two_genomes_is_refused(tissue, tmp_path, write_tenx_h5, spatial_csv) -> None:
    features = [(name, "Gene Expression") for name in tissue.genes]
    path = write_tenx_h5(tmp_path / "m.h5", tissue.spots, features, tissue.rna)
    with h5py.File(path, "r+") as file:
        file.move("matrix", "hg19")
        file.copy("hg19", "mm10")
    with pytest.raises(InputError, match=r"a matrix for each of the genomes hg19, mm10.*a file of one genome"):
        section({"rna": path}, spatial=spatial_csv)


def test_a_gene_without_a_symbol_has_its_identifier(tissue, tmp_path, write_tenx_folder, spatial_csv) -> None:
    features = [(name, "Gene Expression") for name in ["", *tissue.genes[1:]]]
    path = write_tenx_folder(tmp_path / "m", tissue.spots, features, tissue.rna, 3, False)
    lines = (path / "features.tsv").read_text().splitlines()
    (path / "features.tsv").write_text("\n".join(["ENSG1\t\tGene Expression", *lines[1:]]))
    result = section({"rna": path}, spatial=spatial_csv)
    assert result.mod["rna"].var_names.tolist() == ["ENSG1", *tissue.genes[1:]]


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
        np.testing.assert_array_equal(in_memory(as_counts(matrix)).toarray(), counts)
        assert table.index.tolist() == [name for name, _ in features]
        assert measurement.obs.index.tolist() == spots
