"""Folders of arrays: bins and cells of Visium HD, Slide-seq, DBiT-seq; and SpatialData stores of several sections."""

from __future__ import annotations

import gzip
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import anndata
import geopandas
import numpy as np
import pandas as pd
import pytest
import spatialdata
from PIL import Image
from scipy import sparse
from shapely.geometry import Point, box

from spatialweave.errors import InputError
from spatialweave.io.notices import InputWarning
from spatialweave.io.section import SectionInput, understand_section

from .reading import section

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


def genes(tissue) -> list[tuple[str, str]]:
    return [(gene, "Gene Expression") for gene in tissue.genes]


def bins(width: int) -> list[str]:
    return [f"s_{width:03d}um_{i // 5:05d}_{i % 5:05d}-1" for i in range(20)]


@pytest.fixture
def hd(tissue, tmp_path: Path, write_tenx_h5: Callable) -> Path:
    """The outs of Visium HD; counts of bins of 16 micrometres are ten times those of 8, and cells 100 times."""
    outs = tmp_path / "outs"
    for width, factor in ((8, 1), (16, 10)):
        folder = outs / "binned_outputs" / f"square_{width:03d}um"
        (folder / "spatial").mkdir(parents=True)
        write_tenx_h5(folder / "filtered_feature_bc_matrix.h5", bins(width), genes(tissue), tissue.rna * factor)
        pd.DataFrame(
            {
                "barcode": bins(width),
                "in_tissue": 1,
                "array_row": np.arange(20) // 5,
                "array_col": np.arange(20) % 5,
                "pxl_row_in_fullres": tissue.coordinates[:, 1],
                "pxl_col_in_fullres": tissue.coordinates[:, 0],
            }
        ).to_parquet(folder / "spatial" / "tissue_positions.parquet")
    cells = outs / "segmented_outputs"
    cells.mkdir()
    names = [f"cellid_{i + 1:09d}-1" for i in range(20)]
    write_tenx_h5(cells / "filtered_feature_cell_matrix.h5", names, genes(tissue), tissue.rna * 100)
    outlines = [
        {
            "type": "Feature",
            "geometry": json.loads(geopandas.GeoSeries([box(x - 2, y - 1, x + 2, y + 1)]).to_json())["features"][0][
                "geometry"
            ],
            "properties": {"cell_id": i + 1},
        }
        for i, (x, y) in enumerate(tissue.coordinates)
    ]
    text = json.dumps({"type": "FeatureCollection", "features": outlines[::-1]})
    (cells / "cell_segmentations.geojson").write_text(text)
    return outs


def test_bins_of_visium_hd(tissue, hd: Path) -> None:
    with pytest.warns(
        InputWarning, match=r"bins of 8 micrometres are read \(set the column bin for others: 8, 16, cell\)"
    ):
        result, understood = understand_section(SectionInput("d", "s", {"rna": hd}))
        data = result.in_memory()
    np.testing.assert_array_equal(data.mod["rna"][bins(8)].X.toarray(), tissue.rna)
    np.testing.assert_array_equal(data.mod["rna"][bins(8)].obsm["spatial"], tissue.coordinates)
    assert "platform visium_hd" in understood.line()
    data = section({"rna": hd}, bins={"": "16"})
    np.testing.assert_array_equal(data.mod["rna"][bins(16)].X.toarray(), tissue.rna * 10)


@pytest.mark.parametrize("inner", ["", "segmented_outputs"])
def test_cells_of_visium_hd(tissue, hd: Path, inner: str) -> None:
    data = section({"rna": hd / inner}, bins={} if inner else {"": "cell"})
    part = data.mod["rna"][[f"cellid_{i + 1:09d}-1" for i in range(20)]]
    np.testing.assert_array_equal(part.X.toarray(), tissue.rna * 100)
    np.testing.assert_allclose(part.obsm["spatial"], tissue.coordinates)
    assert data.uns["spatialweave"]["coordinate_unit"] == "pixel"


@pytest.mark.parametrize(
    ("remove", "chosen", "message"),
    [
        (None, "2", "binned_outputs: has no bins of 2 micrometres; expected one of 8, 16, cell as bin"),
        ("segmented_outputs", "cell", "has no cells .no folder segmented_outputs.; expected one of 8, 16 as bin"),
        ("segmented_outputs/cell_segmentations.geojson", "cell", "has no cell_segmentations.geojson"),
    ],
)
def test_bins_that_are_not_there(hd: Path, remove: str | None, chosen: str, message: str) -> None:
    if remove:
        (hd / remove).rename(hd.parent / "away")
    with pytest.raises(InputError, match=message):
        section({"rna": hd}, bins={"": chosen} if chosen else {})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "cell_segmentations.geojson: is not a readable GeoJSON file of outlines"),
        (b"\0\1", "cell_segmentations.geojson: is not a readable GeoJSON file of outlines"),
        (
            b'{"type":"FeatureCollection","features":[{"type":"Feature","properties":{"cell_id":1},'
            b'"geometry":{"type":"Polygon","coordinates":[[[0,0],[1,0],[1,1],[0,0]]]}}]}',
            "19 cells of the matrix are not in it",
        ),
    ],
)
def test_damaged_outlines(hd: Path, content: bytes, message: str) -> None:
    (hd / "segmented_outputs" / "cell_segmentations.geojson").write_bytes(content)
    with pytest.raises(InputError, match=message):
        section({"rna": hd}, bins={"": "cell"})


@pytest.mark.parametrize(
    "names", [("digital_expression.txt.gz", "bead_locations.csv"), ("MappedDGEForR.csv", "BeadLocationsForR.csv")]
)
def test_slide_seq(tissue, tmp_path: Path, names: tuple[str, str]) -> None:
    """Genes in rows; one bead of the matrix has no location."""
    folder = tmp_path / "Puck_200115_08"
    folder.mkdir()
    table = tissue.table("rna").T.rename_axis("GENE")
    text = table.to_csv(sep="," if names[0].endswith(".csv") else "\t").encode()
    (folder / f"Puck_200115_08.{names[0]}").write_bytes(gzip.compress(text) if names[0].endswith(".gz") else text)
    beads = pd.DataFrame(
        {"barcodes": tissue.spots, "xcoord": tissue.coordinates[:, 0], "ycoord": tissue.coordinates[:, 1]}
    )
    beads.iloc[1:].iloc[::-1].to_csv(folder / f"Puck_200115_08_{names[1]}", index=False)
    with pytest.warns(InputWarning, match=r"1 of 20 beads are not in .*, left out"):
        data = section({"rna": folder})
    with pytest.warns(InputWarning, match="left out"):
        assert list(section(multi=folder).mod) == ["rna"]
    part = data.mod["rna"][tissue.spots[1:]]
    np.testing.assert_array_equal(part.X.toarray(), tissue.rna[1:])
    np.testing.assert_array_equal(part.obsm["spatial"], tissue.coordinates[1:])
    (folder / f"Puck_200115_08_{names[1]}").write_text("barcodes,xcoord,ycoord\nA,1,2\n")
    with pytest.raises(InputError, match=r"its beads \(first: 'A'\) are not those of the matrix \(first: 'SPOT00-1'\)"):
        section({"rna": folder})
    (folder / f"Puck_200115_08_{names[1]}").unlink()
    with pytest.raises(InputError, match=r"Puck_200115_08: has no bead_locations.csv"):
        section({"rna": folder})


@pytest.mark.parametrize("turned", [False, True])
def test_names_of_dbit_are_coordinates(tissue, tmp_path: Path, turned: bool) -> None:
    names = [f"{int(x / 10) + 1}x{int(y / 10) + 1}" for x, y in tissue.coordinates]
    table = tissue.table("rna").set_axis(names).rename_axis("X")
    (table.T if turned else table).to_csv(tmp_path / "GSM4096261_10t.tsv.gz", sep="\t")
    result, understood = understand_section(SectionInput("d", "s", {"rna": tmp_path / "GSM4096261_10t.tsv.gz"}))
    data = result.in_memory()
    np.testing.assert_array_equal(data.mod["rna"][names].X.toarray(), tissue.rna)
    np.testing.assert_array_equal(data.mod["rna"][names].obsm["spatial"], tissue.coordinates / 10 + 1)
    assert "names of the spots" in understood.line()
    assert "platform dbit" in understood.line()


REGIONS = np.repeat(["left.part", "right"], 10)


def store(tissue, path: Path, tables: dict[str, slice], spatial: np.ndarray | None = None) -> Path:
    """A SpatialData store with two regions of ten spots, and tables of these spots, with obsm['spatial'] if given."""
    shapes, made = {}, {}
    for region in ("left.part", "right"):
        at = np.flatnonzero(region == REGIONS)
        points = [Point(*tissue.coordinates[i]) for i in at]
        shapes[region] = spatialdata.models.ShapesModel.parse(
            geopandas.GeoDataFrame({"geometry": points, "radius": 2.0}, index=at)
        )
    for name, rows in tables.items():
        data = anndata.AnnData(
            sparse.csr_matrix(tissue.rna[rows].astype(np.float32)),
            obs=pd.DataFrame(index=tissue.spots[rows]),
            var=pd.DataFrame(index=tissue.genes),
        )
        data.obs["tissue"] = pd.Categorical(REGIONS[rows])
        data.obs["instance"] = np.arange(20)[rows]
        if spatial is not None:
            data.obsm["spatial"] = spatial[rows]
        regions = list(pd.unique(REGIONS[rows]))
        made[name] = spatialdata.models.TableModel.parse(
            data, region=regions, region_key="tissue", instance_key="instance"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        spatialdata.SpatialData(shapes=shapes, tables=made).write(path)
    return path


def test_regions_of_one_table_are_sections(tissue, tmp_path: Path) -> None:
    path = store(tissue, tmp_path / "s.zarr", {"table": slice(None)})
    with pytest.raises(
        InputError, match=r"annotates 2 regions \(left.part, right\); .*section_column tissue, and the name of"
    ):
        section({"rna": path})
    for name, rows in (("left.part", slice(10)), ("right", slice(10, 20))):
        part = section({"rna": path}, name=name, section_column="tissue").mod["rna"]
        assert list(part.obs_names) == tissue.spots[rows]
        np.testing.assert_array_equal(part.X.toarray(), tissue.rna[rows])
        np.testing.assert_array_equal(part.obsm["spatial"], tissue.coordinates[rows])
    with pytest.raises(InputError, match=r"no spot is of section 'middle'; expected one of left.part, right"):
        section({"rna": path}, name="middle", section_column="tissue")


def test_regions_that_lie_over_each_other_in_obsm_are_sections(tissue, tmp_path: Path) -> None:
    """A table that has coordinates itself, in the image of each region; and one whose regions are apart there."""
    path = store(
        tissue, tmp_path / "over.zarr", {"table": slice(None)}, spatial=np.tile(tissue.coordinates[:10], (2, 1))
    )
    with pytest.raises(
        InputError, match=r"column 'tissue': holds 2 sections \(left.part, right\).*lie over each other"
    ):
        section({"rna": path})
    part = section({"rna": path}, name="right", section_column="tissue").mod["rna"]
    assert list(part.obs_names) == tissue.spots[10:]
    np.testing.assert_array_equal(part.obsm["spatial"], tissue.coordinates[:10])
    path = store(tissue, tmp_path / "apart.zarr", {"table": slice(None)}, spatial=tissue.coordinates)
    with pytest.warns(InputWarning, match=r"holds 2 sections side by side \(left.part, right\), used as one"):
        assert section({"rna": path}).n_obs == 20


def test_regions_are_one_section_where_the_row_says_so(tissue, tmp_path: Path) -> None:
    path = store(tissue, tmp_path / "s.zarr", {"table": slice(None)})
    np.testing.assert_array_equal(section({"rna": path}, section_column="none").obsm["spatial"], tissue.coordinates)


def test_tables_of_regions_are_sections(tissue, tmp_path: Path) -> None:
    path = store(tissue, tmp_path / "s.zarr", {"one": slice(10), "two": slice(10, 20)})
    for name in ("left.part", "one"):
        part = section({"rna": path}, name=name).mod["rna"]
        np.testing.assert_array_equal(part.X.toarray(), tissue.rna[:10])
        np.testing.assert_array_equal(part.obsm["spatial"], tissue.coordinates[:10])
    with pytest.raises(
        InputError, match=r"'one' of left.part; 'two' of right\), and the section is 'three'.*one row per table"
    ):
        section({"rna": path}, name="three")


@pytest.mark.parametrize("names", [("table_rna", "table_protein"), ("rna_table", "protein-table")])
def test_tables_may_be_called_tables(tissue, tmp_path: Path, names: tuple[str, str]) -> None:
    path = store(tissue, tmp_path / "s.zarr", {names[0]: slice(10), names[1]: slice(1, 10)})
    data = section(multi=path)
    assert {name: part.n_obs for name, part in data.mod.items()} == {"rna": 10, "adt": 9}
    assert section({"adt": path}).n_obs == 9


def test_tables_whose_names_say_nothing_are_refused_with_the_names_to_give(tissue, tmp_path: Path) -> None:
    path = store(tissue, tmp_path / "s.zarr", {"cells": slice(10), "more": slice(1, 10)})
    with pytest.raises(InputError, match=r"holds no rna .*; to fix this, call its table 'rna' in the file"):
        section({"rna": path})


def test_tables_of_bins(tissue, tmp_path: Path) -> None:
    path = store(tissue, tmp_path / "s.zarr", {"square_008um": slice(10), "square_016um": slice(5)})
    with pytest.warns(
        InputWarning, match=r"the table 'square_008um' is read \(set the column bin for other bins: 8, 16\)"
    ):
        assert section({"rna": path}).n_obs == 10
    assert section({"rna": path}, bins={"": "16"}).n_obs == 5
    with pytest.raises(InputError, match="has no table of bins of 2 micrometres; expected one of 8, 16"):
        section({"rna": path}, bins={"": "2"})


def test_the_image_of_the_cells_of_visium_hd_and_its_unit(tissue, hd: Path) -> None:
    spatial = hd / "segmented_outputs" / "spatial"
    spatial.mkdir()
    Image.new("RGB", (50, 40), (214, 140, 190)).save(spatial / "tissue_hires_image.png")
    factors = {"tissue_hires_scalef": 0.5, "microns_per_pixel": 0.27, "spot_diameter_fullres": 30.0}
    (spatial / "scalefactors_json.json").write_text(json.dumps(factors))
    data = section({"rna": hd}, bins={"": "cell"})
    assert data.uns["image"]["scale"] == 0.5
    assert data.uns["spatialweave"]["micrometres"] == 0.27


def dbit(tissue, folder: Path, names: list[str], listed: str) -> Path:
    folder.mkdir()
    tissue.table("rna").set_axis(names).to_csv(folder / "GSM1_0628cL.tsv.gz", sep="\t", index_label="X")
    (folder / "position.txt").write_text(listed)
    return folder


def test_a_folder_of_dbit_seq(tissue, tmp_path: Path) -> None:
    """position.txt is one line: a comma, then the pixels in the tissue."""
    names = [f"{1 + i % 5}x{1 + i // 5}" for i in range(20)]
    folder = dbit(tissue, tmp_path / "d", names, "," + ",".join(names[3:15]))
    (folder / "README.txt").write_text("The matrix has a row per pixel\n")
    with pytest.warns(InputWarning, match="8 of 20 pixels are outside the tissue, left out"):
        data = section({"rna": folder})
    assert data.obs_names.tolist() == names[3:15]
    np.testing.assert_array_equal(data.mod["rna"].X.toarray(), tissue.rna[3:15])
    np.testing.assert_array_equal(data.obsm["spatial"], [[1 + i % 5, 1 + i // 5] for i in range(3, 15)])
    assert data.uns["spatialweave"]["platform"] == "dbit"


def test_damaged_folders_of_dbit_seq(tissue, tmp_path: Path) -> None:
    names = [f"{1 + i % 5}x{1 + i // 5}" for i in range(20)]
    with pytest.raises(InputError, match=r"position.txt: lists no pixel of the matrix .first: '1x1'"):
        section({"rna": dbit(tissue, tmp_path / "other", names, ",90x90")})
    with pytest.raises(InputError, match=r"its spots .first: 'SPOT00-1'. have no names like 12x7"):
        section({"rna": dbit(tissue, tmp_path / "names", tissue.spots, ",1x1")})
    several = dbit(tissue, tmp_path / "several", names, ",1x1")
    (several / "second.csv").write_text("a,b\n")
    with pytest.raises(InputError, match=r"holds several tables .GSM1_0628cL.tsv.gz, second.csv.; expected one matrix"):
        section({"rna": several})
