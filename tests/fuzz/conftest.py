"""Files of a small dataset of two sections, each written by the stage that writes it in a run."""

from __future__ import annotations

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

SIDE = 7


def run_stage(name: str, *arguments: object) -> None:
    result = CliRunner().invoke(importlib.import_module(name).main, list(map(str, arguments)))
    assert result.exit_code == 0, result.output


def write_input(folder: Path, section: str) -> list[object]:
    draw = np.random.default_rng(len(section))
    spots = [f"b{i}" for i in range(SIDE * SIDE)]
    x, y = np.divmod(np.arange(SIDE * SIDE), SIDE)
    rates = np.where((x > 2)[:, None] == (np.arange(12) % 2 == 0), 9, 1)
    counts = pd.DataFrame(draw.poisson(rates), spots, [f"Gene{i}" for i in range(12)])
    counts.to_csv(folder / f"{section}.csv", index_label="barcode")
    coordinates = pd.DataFrame({"barcode": spots, "x": x + 0.1 * y, "y": y, "label": np.where(x > 2, "in", "out")})
    coordinates.to_csv(folder / f"{section}.xy.csv", index=False)
    table = folder / f"{section}.xy.csv"
    Image.new("RGB", (30, 30), "pink").save(folder / f"{section}.png")
    image = ["--image", folder / f"{section}.png", "--scale", 3] if section == "one" else []
    return [*image, "--rna", folder / f"{section}.csv", "--spatial", table, "--labels", table, "--platform", "square"]


@pytest.fixture(scope="session")
def stage_files(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Path:
    """The folder of these files. Do not change them: copy it."""
    pytest.importorskip("torch")
    folder, assets = tmp_path_factory.mktemp("stages"), project / "assets"
    for section in ("one", "three"):
        out = folder / f"{section}.section.h5mu"
        run_stage("ingest", "--dataset", "d", "--section", section, *write_input(folder, section), "--out", out)
    sections = [word for name in ("one", "three") for word in ("--section", folder / f"{name}.section.h5mu")]
    for kind, target in (("preprocess", "smart"), ("graphs", "spatial")):
        shutil.copy(assets / kind / f"{target}.yml", folder / f"{kind}.yml")
    shutil.copy(assets / "methods" / "pca_smooth.yml", folder)
    (folder / "presets").mkdir()
    shutil.copy(assets / "methods" / "pca_smooth.yml", folder / "presets")
    latents, graph = folder / "r.latents.h5mu", folder / "graph.h5ad"
    counts = ("--counts", folder / "r.counts.h5mu")
    run_stage("preprocess", *sections, "--recipe", folder / "preprocess.yml", "--out", latents, *counts)
    graph_stage = ("--recipe", folder / "graphs.yml", "--out", graph, "--stats", folder / "stats.csv")
    run_stage("graph", "--latents", latents, *graph_stage)
    pair = ("--fixed", "one", "--moving", "three", "--align-by", "none", "--out", folder / "transform.json")
    run_stage("align", "--latents", latents, *pair)
    run_stage("stack", "--latents", latents, "--transform", folder / "transform.json", "--out-dir", folder)
    embedding, domains = folder / "pca_smooth.seed1.h5ad", folder / "pca_smooth.seed1.domains.csv"
    record = ("--record", folder / "pca_smooth.seed1.training.json")
    train = ("--method", folder / "pca_smooth.yml", "--seed", 1, "--threads", 1, "--out", embedding, *record)
    run_stage("train", "--latents", latents, "--graph", graph, *train)
    summary = ("--out", domains, "--summary", folder / "clustering.json")
    run_stage("cluster", "--embedding", embedding, "--graph", graph, "--n-domains", 2, *summary)
    run = ("--embedding", embedding, "--domains", domains, "--latents", latents, "--graph", graph)
    run_stage("evaluate", *run, "--clustering", "mclust", "--out", folder / "metrics.csv")
    verdict = [
        ("--verdict", "verdict.json"),
        ("--evidence", "evidence.csv"),
        ("--modality-value", "modality_value.csv"),
    ]
    outputs = [word for option, name in verdict for word in (option, folder / name)]
    run_stage("assess", "--domains", domains, "--latents", latents, "--n-domains", 2, *outputs)
    (folder / "planned.json").write_text(json.dumps([{"dataset": "d", "method": "pca_smooth", "seed": 1}]))
    (folder / "written.json").write_text(json.dumps(["d/integrated.h5mu", "d/report.html"]))
    failure = {"process": "TRAIN", "dataset": "d", "method": "smart", "seed": 1, "exit": 1, "reason": "r", "log": "l"}
    (folder / "failures.json").write_text(json.dumps([failure]))
    (folder / "params.json").write_text(json.dumps({"methods": "smart", "seeds": 1, "refine": 0}))
    (folder / "versions.yml").write_text("TRAIN:\n  torch: 2.10\n")
    compared = [
        word for name in ("scores", "differences", "agreement") for word in (f"--{name}", folder / f"{name}.csv")
    ]
    domains = ("--domains", folder / "pca_smooth.seed1.domains.csv", "--metrics", folder / "metrics.csv")
    run_stage("compare", *domains, "--latents", folder / "r.latents.h5mu", *compared)
    lists = [word for name in ("planned", "failures", "written") for word in (f"--{name}", folder / f"{name}.json")]
    table = (*lists, "--out-dir", folder)
    run_stage(
        "summarise", "--record", folder / "pca_smooth.seed1.training.json", "--metrics", folder / "metrics.csv", *table
    )
    run_stage("assemble", "--files", folder, "--out", folder / "integrated.h5mu")
    return folder
