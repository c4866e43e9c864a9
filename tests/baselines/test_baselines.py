"""Every baseline in its own environment, by its stage script: on the demo, a tenth of whose spots lack a modality.

`make test-baselines` makes the environments; without them these tests are skipped. Those marked `long` are in it only.
"""

from __future__ import annotations

import functools
import json
import subprocess
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from spatialweave import simulate
from spatialweave.domains.mixture import tied_mixture
from spatialweave.graphs.build import build_graphs
from spatialweave.graphs.recipe import read_recipe
from spatialweave.io.contract import read_h5ad, write
from spatialweave.io.dataset import Dataset, read_dataset
from spatialweave.io.section import SectionInput, read_section
from spatialweave.preprocess.dataset import preprocess
from spatialweave.presets import MethodPreset, read_preset

ROOT = Path(__file__).resolve().parents[2]
PRESETS = {path.stem: read_preset(path) for path in sorted((ROOT / "assets" / "methods").glob("*.yml"))}
BASELINES = [name for name, preset in PRESETS.items() if preset.baseline]
COMPILED = ("wnn",)
"""Baselines that take minutes, most of them for compiling their library at every start."""

LEAST = {
    # pca has 0.98, the coordinates alone 0.40; without a twentieth of the spots' values somewhat less.
    "mofa": 0.9,
    "mofa_smooth": 0.9,
    "snf": 0.85,
    "wnn": 0.8,
    "cellcharter": 0.9,
    "spatialglue": 0.8,
    "totalvi": 0.5,
    "multivi": 0.9,
    "stagate": 0.3,
    "graphst": 0.3,
    "banksy": 0.2,
}
"""The ARI that a baseline must reach: well below what it has, well above chance."""

SIGNAL = {"multivi": 2.0}
"""For a baseline that finds nothing on the demo (ARI 0.00): the demo with this signal, by which markers rise 7.4 times
in their domain in place of twice. MultiVI has 0.998 there."""


Embedded = Callable[[Path, str], tuple[anndata.AnnData, Dataset]]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Path]:
    """Makes the section of a signal, once."""
    return functools.cache(lambda signal: write_section(tmp_path_factory.mktemp("demo"), signal))


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Embedded:
    """Embeds a section by a baseline, once."""

    def embed(section: Path, name: str) -> tuple[anndata.AnnData, Dataset]:
        return trained(section, PRESETS[name], tmp_path_factory.mktemp(name) / "embedding.h5ad")

    return functools.cache(embed)


@pytest.fixture
def section(baseline: MethodPreset, made: Callable[[float], Path]) -> Path:
    return made(SIGNAL.get(baseline.name, simulate.PRESETS["demo"].signal))


def write_section(folder: Path, signal: float) -> Path:
    """The demo tissue; every tenth spot has no protein, and every tenth, from the fifth, no chromatin."""
    spec = replace(simulate.PRESETS["demo"], signal=signal)
    simulate.write(simulate.simulate(spec, 2025), folder, "demo", spec.n_domains)
    files = {name: folder / f"demo_{name}.h5ad" for name in spec.modalities}
    for name, first in (("adt", 0), ("atac", 5)):
        whole = anndata.read_h5ad(files[name])
        keep = np.arange(whole.n_obs) % 10 != first
        whole[keep].copy().write_h5ad(files[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given = SectionInput("demo", "one", files=files, labels=simulate.LABEL, platform="square")
        write(read_section(given), folder / "section.h5mu")
    return folder / "section.h5mu"


def prepared(section: Path, preset: MethodPreset) -> tuple[Path, Path]:
    """Latents and graph by the recipes of a method, made once."""
    latents = section.with_name(f"{preset.preprocess}.h5mu")
    graph = section.with_name(f"{preset.preprocess}.{preset.graph}.h5ad")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if not latents.exists():
            write(preprocess([section], ROOT / "assets" / "preprocess" / f"{preset.preprocess}.yml", 0), latents)
        if not graph.exists():
            dataset = read_dataset(latents)
            kinds = [modality.name for modality in dataset.modalities]
            recipe = read_recipe(ROOT / "assets" / "graphs" / f"{preset.graph}.yml", dataset.platform, kinds)
            write(build_graphs(dataset, recipe), graph)
    return latents, graph


@pytest.fixture(params=[pytest.param(name, marks=[pytest.mark.long] * (name in COMPILED)) for name in BASELINES])
def baseline(request: pytest.FixtureRequest) -> MethodPreset:
    """A baseline whose environment is there."""
    preset = PRESETS[request.param]
    if preset.environment and not (ROOT / f".venv-{preset.environment}" / "bin" / "python").exists():
        pytest.skip(f"{preset.name} needs .venv-{preset.environment}: make environment NAME={preset.environment}")
    return preset


def trained(section: Path, preset: MethodPreset, out: Path, *options: str) -> tuple[anndata.AnnData, Dataset]:
    """The embedding that bin/train.py writes in the environment of the method, and the dataset that it saw."""
    latents, graph = prepared(section, preset)
    python = ROOT / f".venv{preset.environment and f'-{preset.environment}'}" / "bin" / "python"
    command = [str(python), str(ROOT / "bin" / "train.py"), "--latents", str(latents), "--graph", str(graph)]
    command += ["--method", str(ROOT / "assets" / "methods" / f"{preset.name}.yml"), "--seed", "3", "--threads", "1"]
    for option in options:
        command += ["--method-option", option]
    done = subprocess.run([*command, "--out", str(out)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return read_h5ad(out, "embedding"), read_dataset(latents, graph)


def test_domains_of_the_demo(baseline: MethodPreset, section: Path, embedded: Embedded) -> None:
    found, dataset = embedded(section, baseline.name)
    # Every spot, in the order of the latents; a wrong order would find no domain.
    assert found.obs_names.equals(dataset.obs.index)
    assert np.isfinite(found.X).all()
    labels = dataset.obs["label"].to_numpy().astype(str)
    domains = tied_mixture(found.X, len(set(labels)), 0).labels
    assert adjusted_rand_score(labels, domains) > LEAST[baseline.name]
    for modality in dataset.modalities:
        if not modality.present.all():
            lacking = ~modality.present
            assert adjusted_rand_score(labels[lacking], domains[lacking]) > 0.7 * LEAST[baseline.name]
    record = json.loads(found.uns["training"])
    assert (record["method"], record["seed"]) == (baseline.name, 3)


def test_the_same_seed_makes_the_same_embedding(
    baseline: MethodPreset, section: Path, embedded: Embedded, tmp_path: Path
) -> None:
    from spatialweave.method import load_method

    if hasattr(load_method(baseline.module).Config, "epochs"):
        first, _ = trained(section, baseline, tmp_path / "first.h5ad", "epochs=3")
        second, _ = trained(section, baseline, tmp_path / "second.h5ad", "epochs=3")
    else:
        first, _ = embedded(section, baseline.name)
        second, _ = trained(section, baseline, tmp_path / "second.h5ad")
    np.testing.assert_array_equal(first.X, second.X)
