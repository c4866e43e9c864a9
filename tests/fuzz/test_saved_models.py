"""The folder of a saved model, damaged: it is read as before, or refused in one line."""

from __future__ import annotations

import importlib
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from spatialweave.io.saved_model import _digest

from .conftest import run_stage
from .harness import judge
from .text_damage import DAMAGES, LONG, flipped

pytestmark = pytest.mark.filterwarnings("ignore")

FILES = ("model.json", "model.safetensors")


@pytest.fixture(scope="session")
def model(stage_files: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the dataset of these tests. Do not change it: copy it."""
    folder = tmp_path_factory.mktemp("model")
    latents, graph = stage_files / "r.latents.h5mu", stage_files / "graph.h5ad"
    method = ("--method", stage_files / "pca_smooth.yml")
    run_stage("train", "--latents", latents, "--graph", graph, *method, "--out", folder / "e.h5ad", "--state",
              folder / "state.safetensors")  # fmt: skip
    counts, domains = stage_files / "r.counts.h5mu", stage_files / "pca_smooth.seed1.domains.csv"
    run = ("--embedding", folder / "e.h5ad", "--state", folder / "state.safetensors", "--domains", domains)
    more = ("--counts", counts, "--clustering", stage_files / "clustering.json", *method)
    run_stage("save_model", "--latents", latents, "--graph", graph, *run, *more, "--out", folder / "m")
    return folder / "m"


def check(folder: Path) -> int:
    """The exit code: 0 where the model can be read, which writes nothing; else it was refused in one line."""
    result = CliRunner().invoke(importlib.import_module("map").main, ["--check", "--model", str(folder)])
    if result.exit_code != 0:
        names = ("model.json", "model.safetensors", str(folder))
        judge(result.exit_code, result.stdout, result.stderr, folder / "nothing", names)
    return result.exit_code


@pytest.mark.parametrize("damage", DAMAGES, ids=str)
@pytest.mark.parametrize("name", FILES)
def test_damaged_files(model: Path, tmp_path: Path, name: str, damage: str) -> None:
    shutil.copytree(model, tmp_path / "m")
    path = tmp_path / "m" / name
    whole = path.read_bytes()
    path.write_bytes(DAMAGES[damage](whole))
    code = check(tmp_path / "m")
    # The digest is of all numbers; in the description a byte more or less may mean the same.
    assert code == 2 or path.read_bytes() == whole or name == "model.json"


@pytest.mark.parametrize("seed", range(400 if LONG else 40))
def test_damaged_numbers_with_a_digest_that_fits(model: Path, tmp_path: Path, seed: int) -> None:
    """As somebody could write them who wants to crash the reader."""
    shutil.copytree(model, tmp_path / "m")
    path = tmp_path / "m" / "model.safetensors"
    content = path.read_bytes()
    # Half of the time in the header, which says names, types, shapes and places.
    header = 8 + int.from_bytes(content[:8], "little")
    cut = header if seed % 2 else len(content)
    path.write_bytes(flipped(seed)(content[:cut]) + content[cut:])
    description = json.loads((model / "model.json").read_text())
    description["arrays"]["sha256"] = _digest(path)
    (tmp_path / "m" / "model.json").write_text(json.dumps(description))
    assert check(tmp_path / "m") in (0, 2)


VALUES = (None, True, -1, 0, 1e308, 2**70, "", "x" * 300, "../../etc/passwd", [], [[]], {}, {"a": {"b": []}})


@pytest.mark.parametrize("seed", range(400 if LONG else 60))
def test_other_values_in_the_description(model: Path, tmp_path: Path, seed: int) -> None:
    shutil.copytree(model, tmp_path / "m")
    draw, content = random.Random(seed), json.loads((model / "model.json").read_text())
    place: Any = content
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw.choice(keys)
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or draw.random() < 0.3:
            break
        place = inner
    if draw.random() < 0.3:
        del place[key]
    else:
        place[key] = draw.choice(VALUES)
    (tmp_path / "m" / "model.json").write_text(json.dumps(content))
    assert check(tmp_path / "m") in (0, 2)
