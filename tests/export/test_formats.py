"""Which formats are written, and integrated files that cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import mudata
import numpy as np
import pytest

from spatialweave.errors import InputError
from spatialweave.export.formats import FORMATS, export, formats
from spatialweave.io.contract import write

from .conftest import content

pytestmark = pytest.mark.filterwarnings("ignore")


def test_formats_are_named_in_a_list() -> None:
    assert formats("h5ad, seurat,h5ad") == ["h5ad", "seurat"]
    with pytest.raises(InputError, match="'rds' is not known; expected some of h5ad, loupe, seurat, zarr"):
        formats("h5ad,rds")


def test_a_dataset_without_runs_and_labels_is_written_all_the_same(tmp_path: Path) -> None:
    data = content()
    data.obs = data.obs.drop(columns=["label", "smart_1", "weave_1"])
    data.uns["runs"] = "[]"
    write(data, tmp_path / "i.h5mu")
    export(tmp_path / "i.h5mu", list(FORMATS), tmp_path / "out")
    names = ["integrated", "integrated.zarr", "seurat", "vitessce"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    views = json.loads((tmp_path / "out" / "vitessce" / "one.json").read_text())["layout"]
    assert [view["component"] for view in views] == ["spatialBeta", "layerControllerBeta", "obsSets", "featureList"]


def double_barcode(data: mudata.MuData) -> None:
    data.obs["barcode"] = ["AAA-1"] * 8


def numbered_domains(data: mudata.MuData) -> None:
    data.obs["smart_1"] = range(8)


def few_colours(data: mudata.MuData) -> None:
    data.uns["weave_1_colors"] = np.array(["#000000"], dtype=object)


def named_colours(data: mudata.MuData) -> None:
    data.uns["weave_1_colors"] = np.array(["red", "#000000"], dtype=object)


def no_list_of_runs(data: mudata.MuData) -> None:
    data.uns["runs"] = '[{"method": "smart"}]'


def path_as_section(data: mudata.MuData) -> None:
    data.obs["section"] = data.obs["section"].replace("two", "../../elsewhere")


def path_as_method(data: mudata.MuData) -> None:
    data.uns["runs"] = '[{"method": "../smart", "seed": 1}]'


def negative_counts(data: mudata.MuData) -> None:
    data.mod["rna"].X.data[0] = -1


def negative_edge(data: mudata.MuData) -> None:
    data.obsp["spatial_distances"].data[0] = -1


def parameters_of_another_kind(data: mudata.MuData) -> None:
    data.uns["parameters"] = "seeds: 1"


def another_kind(data: mudata.MuData) -> None:
    data.uns["spatialweave"]["kind"] = "latents"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (double_barcode, "barcode 'AAA-1' occurs twice in section 'one'"),
        (numbered_domains, "obs['smart_1']: is not categorical"),
        (few_colours, "uns['weave_1_colors']: is not a list of one colour per class; expected 2 colours"),
        (
            named_colours,
            "uns['weave_1_colors']: is not a list of one colour per class; expected 2 colours like #0072B2",
        ),
        (no_list_of_runs, "uns['runs']: is not a list of runs"),
        (path_as_section, "'../../elsewhere' cannot be in the name of a file"),
        (path_as_method, "'../smart' cannot be in the name of a file"),
        (negative_counts, "raw counts"),
        (negative_edge, "holds an edge that is negative"),
        (parameters_of_another_kind, "uns['parameters'] of the integrated file: is not JSON"),
        (another_kind, "is of kind latents"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(
    damage: Callable[[mudata.MuData], None], message: str, tmp_path: Path
) -> None:
    data = content()
    damage(data)
    write(data, tmp_path / "i.h5mu")
    with pytest.raises(InputError) as raised:
        export(tmp_path / "i.h5mu", list(FORMATS), tmp_path / "out")
    assert message in str(raised.value)
    assert not (tmp_path / "out").exists()
