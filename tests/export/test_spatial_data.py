"""The SpatialData store of a dataset, read back by spatialdata."""

from __future__ import annotations

from pathlib import Path

import pytest
import spatialdata

from spatialweave.export.formats import export

from .conftest import BARCODES, SMART, WEAVE

pytestmark = pytest.mark.filterwarnings("ignore")


def test_every_section_has_a_coordinate_system_spots_and_a_table(integrated: Path, tmp_path: Path) -> None:
    export(integrated, ["zarr"], tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["integrated.zarr", "vitessce"]
    store = spatialdata.read_zarr(tmp_path / "out" / "integrated.zarr")
    assert sorted(store.coordinate_systems) == sorted(store.tables) == ["one", "two"]
    spots = store.shapes["two_spots"]
    assert spots.index.tolist() == BARCODES
    assert [(point.x, point.y) for point in spots.geometry] == [(8, 9), (10, 11), (12, 13), (14, 15)]
    # Spots are sqrt(8) apart.
    assert spots["radius"].tolist() == pytest.approx([2**0.5] * 4)
    joined, table = spatialdata.join_spatialelement_table(
        sdata=store, spatial_element_names="one_spots", table_name="one", how="inner"
    )
    assert joined["one_spots"].index.tolist() == table.obs["spot"].tolist() == BARCODES
    assert table.obs["smart_1"].tolist() == SMART[:4]
    assert store.tables["two"].obs["weave_1"].tolist() == WEAVE[4:]
    assert store.tables["one"].uns["weave_1_colors"].tolist() == ["#E69F00", "#0072B2"]


def test_spots_in_one_place_have_a_radius(integrated: Path, tmp_path: Path) -> None:
    import mudata

    data = mudata.read_h5mu(integrated)
    data.obsm["spatial"][:] = 3.0
    data.write(integrated)
    export(integrated, ["zarr"], tmp_path / "out")
    assert (spatialdata.read_zarr(tmp_path / "out" / "integrated.zarr").shapes["one_spots"]["radius"] == 1).all()
