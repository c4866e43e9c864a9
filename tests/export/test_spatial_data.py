"""The SpatialData store of a dataset, read back by spatialdata."""

from __future__ import annotations

import json
from pathlib import Path

import mudata
import pytest
import spatialdata

from spatialweave.export.formats import export
from spatialweave.io.contract import write
from spatialweave.io.notices import InputWarning

from .conftest import BARCODES, SMART, WEAVE, content

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
    data = mudata.read_h5mu(integrated)
    data.obsm["spatial"][:] = 3.0
    data.write(integrated)
    export(integrated, ["zarr"], tmp_path / "out")
    assert (spatialdata.read_zarr(tmp_path / "out" / "integrated.zarr").shapes["one_spots"]["radius"] == 1).all()


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [("X", "X_spots", "X_spots_"), ("X", "x", "x_"), ("X_image", "X", "X_"), ("X", "__x", "section__x")],
)
def test_a_section_whose_name_the_store_cannot_have_gets_another(
    tmp_path: Path, first: str, second: str, name: str
) -> None:
    data = content()
    data.obs["section"] = [first] * 4 + [second] * 4
    data.uns["images"] = {second: data.uns["images"]["one"]}
    write(data, tmp_path / "i.h5mu")
    with pytest.warns(InputWarning, match=f"section '{second}' is called '{name}'"):
        export(tmp_path / "i.h5mu", ["zarr"], tmp_path)
    store = spatialdata.read_zarr(tmp_path / "integrated.zarr")
    assert sorted(store.tables) == sorted([first, name]) and list(store.images) == [f"{name}_image"]
    joined, table = spatialdata.join_spatialelement_table(
        sdata=store, spatial_element_names=f"{name}_spots", table_name=name, how="inner"
    )
    assert joined[f"{name}_spots"].geometry.x.tolist() == [8, 10, 12, 14]
    assert table.obs["section"].tolist() == [second] * 4
    assert sorted(store.coordinate_systems) == sorted([first, second])
    spots, image = json.loads((tmp_path / "vitessce" / f"{second}.json").read_text())["datasets"][0]["files"]
    assert spots["url"].endswith(f"integrated.zarr/tables/{name}")
    assert image["options"] == {"path": f"images/{name}_image", "coordinateSystem": second}
