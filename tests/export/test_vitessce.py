"""The configurations for Vitessce: all that they name must be in the store beside them.

Looked at in Vitessce 4.0.8 by hand; its Python package takes them, too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

from spatialweave.export.formats import export

from .conftest import COLOURS

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def folder(integrated: Path, tmp_path: Path) -> Path:
    export(integrated, ["zarr"], tmp_path / "out")
    return tmp_path / "out"


def config(folder: Path, section: str) -> dict[str, Any]:
    return dict(json.loads((folder / "vitessce" / f"{section}.json").read_text()))


@pytest.mark.parametrize(("section", "n_files"), [("one", 2), ("two", 1)])
def test_what_the_files_name_is_in_the_store(folder: Path, section: str, n_files: int) -> None:
    (dataset,) = config(folder, section)["datasets"]
    assert len(dataset["files"]) == n_files
    for file in dataset["files"]:
        assert file["url"].startswith("http://localhost:8000/integrated.zarr")
        place = file["url"].removeprefix("http://localhost:8000/")
        options = file["options"]
        named = [options] if "path" in options else [one for value in options.values() for one in as_list(value)]
        assert named
        for entry in named:
            assert zarr.open(folder / place, mode="r")[entry["path"]] is not None


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def test_every_scope_of_a_view_has_a_value(folder: Path) -> None:
    content = config(folder, "one")
    space = content["coordinationSpace"]
    assert {view["component"] for view in content["layout"]} == {
        "spatialBeta", "scatterplot", "layerControllerBeta", "obsSets", "featureList"
    }  # fmt: skip
    for view in content["layout"]:
        for kind, scopes in view["coordinationScopes"].items():
            assert all(scope in space[kind] for scope in as_list(scopes)), (view["component"], kind)
    for layer, kinds in space["metaCoordinationScopesBy"]["A"].items():
        assert "A" in space[layer]
        assert all(scope in space[kind] for kind, scopes in kinds.items() for scope in scopes.values())


def test_views_fill_twelve_columns_and_do_not_overlap(folder: Path) -> None:
    taken = np.zeros((12, 12), dtype=int)
    for view in config(folder, "one")["layout"]:
        taken[view["y"] : view["y"] + view["h"], view["x"] : view["x"] + view["w"]] += 1
    assert (taken == 1).all()


def test_the_consensus_comes_first_in_its_colours(folder: Path) -> None:
    content = config(folder, "two")
    space = content["coordinationSpace"]
    assert space["obsSetSelection"]["A"] == [["weave_1", "1"], ["weave_1", "2"]]
    colours = {tuple(entry["path"]): entry["color"] for entry in space["obsSetColor"]["A"]}
    assert colours[("weave_1", "1")] == [0xE6, 0x9F, 0x00] and COLOURS["weave_1"][0] == "#E69F00"
    assert colours[("smart_1", "1")] == [0x00, 0x72, 0xB2]
    assert ("smart_1", "10") not in colours
    # Half of the distance of spots, which is the square root of 8.
    assert space["spatialSpotRadius"]["A"] == pytest.approx(2**0.5)
    assert "imageLayer" not in space
