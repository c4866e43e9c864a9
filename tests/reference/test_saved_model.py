"""The folder of a saved model: what is in it, and one clear line for whatever is wrong with it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from spatialweave.errors import InputError
from spatialweave.io.saved_model import _digest, read_model, write_model
from spatialweave.reference.map import check_model

from .conftest import call, edited

NUMBERS = "model.safetensors"


def rewritten(model: Path, target: Path, change: Callable[[dict[str, np.ndarray]], None]) -> Path:
    """A copy of a model whose numbers `change` has gone over, with a digest that fits them."""
    shutil.copytree(model, target)
    arrays = load_file(target / NUMBERS)
    change(arrays)
    save_file(arrays, target / NUMBERS)
    content = json.loads((target / "model.json").read_text())
    content["arrays"]["sha256"] = _digest(target / NUMBERS)
    (target / "model.json").write_text(json.dumps(content))
    return target


def test_numbers_and_description_come_back(tmp_path, atlas):
    first = read_model(atlas.model)
    content = {key: value for key, value in first.description.items() if key not in ("format", "arrays")}
    write_model(tmp_path / "again", content, first.arrays)
    again = read_model(tmp_path / "again")
    assert again.description == first.description
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
    assert (tmp_path / "again" / NUMBERS).read_bytes() == (atlas.model / NUMBERS).read_bytes()
    check_model(again)


def test_the_folder_holds_no_code_and_no_spot(atlas):
    """Spots of the reference, maybe of patients, do not leave with the model."""
    assert sorted(path.name for path in atlas.model.iterdir()) == ["model.json", NUMBERS]
    n_spots = json.loads((atlas.model / "model.json").read_text())["spots"]
    assert all(n_spots not in array.shape for array in load_file(atlas.model / NUMBERS).values())


def without(key: str) -> Callable[[dict], None]:
    return lambda content: content.pop(key)


def setting(**values: object) -> Callable[[dict], None]:
    return lambda content: content.update(values)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (setting(format=2), "is of the format 2; expected 1"),
        (without("format"), "has no entry 'format'"),
        (without("modalities"), "'modalities': is missing"),
        (setting(seed="1"), "'seed': holds str; expected int"),
        (setting(seed=True), "'seed': holds bool"),
        (setting(arrays={}), "has no sha256"),
        (setting(module="os"), "the method 'os' cannot embed"),
        (setting(module="../../evil"), "cannot embed"),
        (setting(module="coordinates"), "the method 'coordinates' cannot embed"),
        (setting(settings={"n_dims": "many"}), "n_dims"),
        (setting(settings={"n_dimz": 1}), "n_dimz"),
        (setting(graph={"spatial": {"kind": "magic"}}), "kind"),
        (setting(modalities={}), "has no modality"),
        (setting(modalities={"smell": {}}), "modality smell: is not a known modality"),
        (setting(modalities={"rna": {"features": ["a"]}}), "modality rna: cannot be used"),
        (setting(domains={"number": 9, "refine": 0, "names": []}), "number is 9; expected 4"),
        (setting(domains={"number": 4, "refine": -1, "names": []}), "refine is -1"),
        (setting(domains={"number": 4, "refine": 0, "names": [{"name": 3}]}), "names are not rows"),
    ],
)
def test_a_description_that_cannot_be_used(change, words, atlas, tmp_path):
    result = call("map", "--check", "--model", edited(atlas.model, tmp_path / "m", change))
    assert result.exit_code == 2, result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("ERROR: ")]
    assert len(errors) == 1 and words in errors[0]


def put(name: str, value: object) -> Callable[[dict], None]:
    return lambda arrays: arrays.update({name: np.asarray(value)})


def broken_covariance(arrays: dict) -> None:
    arrays["mixture.covariance"] = -np.eye(len(arrays["mixture.covariance"]))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda arrays: arrays.pop("mixture.means"), "mixture.means: is missing"),
        (put("mixture.weights", np.ones((2, 2))), "mixture.weights: has the shape (2, 2)"),
        (put("mixture.weights", [0.5, 0.5, 0.5, 0.5]), "not fractions that sum to 1"),
        (put("mixture.means", np.full((4, 32), np.nan)), "mixture.means: has a number that is not finite"),
        (lambda arrays: arrays.pop("embedding.means"), "embedding.means: is missing"),
        (put("preprocess.rna.mean", np.zeros(3)), "modality rna: cannot be used"),
        (put("preprocess.rna.matrix", np.zeros((3, 2))), "modality rna: cannot be used"),
        (put("calibration.combined", np.zeros(7)), "calibration.combined: has the shape (7,)"),
        (put("calibration.embedding", np.linspace(1, 0, 1001)), "decreases"),
        (put("state.network.fusion.bias", np.zeros(2, dtype=np.float16)), "is of the type float16"),
        (broken_covariance, "not positive definite"),
    ],
)
def test_numbers_that_cannot_be_used(change, words, atlas, tmp_path):
    with pytest.raises(InputError) as refusal:
        check_model(read_model(rewritten(atlas.model, tmp_path / "m", change)))
    assert words in str(refusal.value) and "\n" not in str(refusal.value)


def test_weights_of_another_network(atlas, tmp_path, series):
    """What only the network can tell is refused when it is built."""
    from .conftest import run_stage

    model = rewritten(atlas.model, tmp_path / "m", put("state.network.fusion.bias", np.zeros(5, dtype=np.float32)))
    given = ("--section", series["section2"], "--recipe", model)
    run_stage("preprocess", *given, "--out", tmp_path / "l.h5mu", "--counts", tmp_path / "c.h5mu")
    files = ("--latents", tmp_path / "l.h5mu", "--counts", tmp_path / "c.h5mu", "--graph", tmp_path / "g.h5ad")
    run_stage("graph", "--latents", tmp_path / "l.h5mu", "--recipe", model, "--out", tmp_path / "g.h5ad",
              "--stats", tmp_path / "s.csv")  # fmt: skip
    out = tmp_path / "out"
    outputs = [word for name in ("out", "domains", "summary", "record", "tables") for word in (f"--{name}", out / name)]
    result = call("map", "--model", model, *files, *outputs)
    assert result.exit_code == 2 and "network.fusion.bias: has the shape (5,); expected (32,)" in result.stderr
    assert not out.exists()


def test_a_changed_or_cut_file_of_numbers(atlas, tmp_path):
    for number, damage in enumerate((lambda data: data[:-9], lambda data: b"", lambda data: data + b"x")):
        folder = tmp_path / str(number)
        shutil.copytree(atlas.model, folder)
        (folder / NUMBERS).write_bytes(damage((folder / NUMBERS).read_bytes()))
        with pytest.raises(InputError, match=r"is not the file for which model\.json was written"):
            read_model(folder)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(InputError, match=r"has no file 'model\.json'"):
        read_model(tmp_path)
