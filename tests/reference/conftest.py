"""A reference of two simulated sections and a third one, by the stages of the pipeline."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path

import mudata
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from spatialweave.presets import read_preset

PLATFORM = ("--platform", "square", "--labels", "label")


def call(stage: str, *arguments: object) -> Result:
    return CliRunner().invoke(importlib.import_module(stage).main, list(map(str, arguments)))


def run_stage(stage: str, *arguments: object) -> None:
    result = call(stage, *arguments)
    assert result.exit_code == 0, result.output


@dataclass
class Trained:
    """The files of one run, and the model that was saved of it."""

    folder: Path
    run: str
    model: Path

    @property
    def domains(self) -> pd.DataFrame:
        return pd.read_csv(self.folder / f"{self.run}.domains.csv")


@dataclass
class Labelled:
    """What MAP wrote."""

    embedding: Path
    domains: pd.DataFrame
    likeness: pd.DataFrame
    said: str

    @property
    def verdict(self) -> str:
        return str(self.likeness["verdict"].iloc[0])

    def statistic(self, name: str, modality: str = "all") -> float:
        rows = self.likeness[(self.likeness["statistic"] == name) & (self.likeness["modality"] == modality)]
        return float(rows["value"].iloc[0])


@pytest.fixture(scope="session")
def series(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sections of a small simulated series, by name. Do not change them."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("series")
    run_stage("simulate", "--preset", "series_test", "--out-dir", folder)
    sections = {}
    for row in pd.read_csv(folder / "samplesheet.csv").itertuples():
        sections[row.section] = folder / f"{row.section}.section.h5mu"
        counts = ("--rna", folder / row.rna, "--adt", folder / row.adt)
        run_stage("ingest", "--dataset", "series", "--section", row.section, *counts, *PLATFORM,
                  "--out", sections[row.section])  # fmt: skip
    return sections


def train(project: Path, folder: Path, sections: list[Path], method: str, *options: str, refine: int = 0) -> Trained:
    """PREPROCESS, GRAPH, TRAIN, CLUSTER and SAVE_MODEL of one run."""
    assets, run = project / "assets", f"{method}.seed1"
    preset = assets / "methods" / f"{method}.yml"
    needs = read_preset(preset)
    latents, counts, graph = folder / "r.latents.h5mu", folder / "r.counts.h5mu", folder / f"{needs.graph}.h5ad"
    given = [word for section in sections for word in ("--section", section)]
    if not latents.exists():
        recipe = assets / "preprocess" / f"{needs.preprocess}.yml"
        run_stage("preprocess", *given, "--recipe", recipe, "--out", latents, "--counts", counts)
    recipe = assets / "graphs" / f"{needs.graph}.yml"
    run_stage("graph", "--latents", latents, "--recipe", recipe, "--out", graph, "--stats", folder / "stats.csv")
    embedding, state = folder / f"{run}.h5ad", folder / f"{run}.state.safetensors"
    domains, summary, model = folder / f"{run}.domains.csv", folder / f"{run}.json", folder / f"{run}.model"
    chosen = [word for option in options for word in ("--method-option", option)]
    run_stage("train", "--latents", latents, "--graph", graph, "--method", preset, "--seed", 1, "--device", "cpu",
              "--threads", 1, *chosen, "--out", embedding, "--state", state)  # fmt: skip
    run_stage("cluster", "--embedding", embedding, "--graph", graph, "--n-domains", 4, "--seed", 1, "--refine", refine,
              "--out", domains, "--summary", summary)  # fmt: skip
    run_stage("save_model", "--latents", latents, "--counts", counts, "--graph", graph, "--embedding", embedding,
              "--state", state, "--domains", domains, "--clustering", summary, "--method", preset,
              "--out", model)  # fmt: skip
    return Trained(folder, run, model)


def label(model: Path, folder: Path, *sections: Path) -> Labelled:
    """PREPROCESS and GRAPH by a model, and MAP."""
    folder.mkdir(exist_ok=True)
    latents, counts, graph = folder / "n.latents.h5mu", folder / "n.counts.h5mu", folder / "graph.h5ad"
    given = [word for section in sections for word in ("--section", section)]
    run_stage("preprocess", *given, "--recipe", model, "--out", latents, "--counts", counts)
    run_stage("graph", "--latents", latents, "--recipe", model, "--out", graph, "--stats", folder / "stats.csv")
    files = ("--latents", latents, "--counts", counts, "--graph", graph, "--device", "cpu", "--threads", 1)
    written = {name: folder / f"new.{name}" for name in ("out", "domains", "summary", "record")}
    outputs = [word for name, path in written.items() for word in (f"--{name}", path)]
    written["out"].unlink(missing_ok=True)
    result = call("map", "--model", model, *files, *outputs, "--tables", folder / "tables")
    assert result.exit_code == 0, result.output
    likeness = pd.read_csv(folder / "tables" / "likeness.csv")
    return Labelled(written["out"], pd.read_csv(written["domains"]), likeness, result.stdout)


@pytest.fixture(scope="session")
def atlas(tmp_path_factory: pytest.TempPathFactory, project: Path, series: dict[str, Path]) -> Trained:
    """SMART on two sections of the series, saved. Do not change its files."""
    return train(project, tmp_path_factory.mktemp("atlas"), [series["section1"], series["section3"]], "smart")


def changed(section: Path, target: Path, change) -> Path:
    """A section with other counts: `change` takes a modality's matrix and a generator."""
    data, rng = mudata.read_h5mu(section), np.random.default_rng(0)
    for part in data.mod.values():
        part.X = change(part.X.tocsr(copy=True), rng).astype(np.float32)
    data.write_h5mu(target)
    return target


def edited(model: Path, target: Path, change) -> Path:
    """A copy of a model whose description `change` has gone over."""
    target.mkdir()
    (target / "model.safetensors").write_bytes((model / "model.safetensors").read_bytes())
    content = json.loads((model / "model.json").read_text())
    change(content)
    (target / "model.json").write_text(json.dumps(content))
    return target
