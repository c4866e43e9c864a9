"""Tables of docs/benchmarks.md by runs of the pipeline: what is run, and what is printed of it."""

from __future__ import annotations

import csv
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml

from spatialweave.io.result_tables import LEADERBOARD


@pytest.fixture(scope="module")
def table(project: Path) -> dict[str, Any]:
    """The names in benchmarks/table.py."""
    sys.path.insert(0, str(project / "benchmarks"))
    try:
        return runpy.run_path(str(project / "benchmarks" / "table.py"))
    finally:
        sys.path.pop(0)


def test_every_table_names_tissues_methods_and_parameters_that_exist(table: dict[str, Any], project: Path) -> None:
    schema = json.loads((project / "nextflow_schema.json").read_text())
    known = {name for group in schema["$defs"].values() for name in group["properties"]}
    every = table["tissues"].names(Path("data"))
    files = sorted((project / "benchmarks" / "tables").glob("*.json"))
    assert files
    for content in (json.loads(path.read_text()) for path in files):
        assert content["tissues"] == "all" or set(content["tissues"]) <= set(every)
        for params in content["params"].values():
            assert {*params, *table["COMMON"]} <= known
            for method in set(params["methods"].split(",")) - {"native", "baselines", "controls"}:
                assert yaml.safe_load((project / "assets" / "methods" / f"{method}.yml").read_text())["title"]


def test_the_sheet_has_the_simulated_files(table: dict[str, Any], tmp_path: Path) -> None:
    name = "blocks rna+atac 1"
    with table["write_sheet"]([name], None, tmp_path).open() as file:
        (row,) = csv.DictReader(file)
    assert (row["dataset"], row["n_domains"], row["adt"]) == ("blocks_rna_atac_1", "5", "")
    for modality in ("rna", "atac"):
        assert Path(row[modality]).is_file()


def test_the_sheet_of_a_real_tissue_in_a_new_folder(table: dict[str, Any], tmp_path: Path) -> None:
    paths, platform = table["tissues"].REAL["STARmap BZ5"]
    (path,) = paths.values()
    (tmp_path / path).parent.mkdir(parents=True)
    anndata.AnnData(np.ones((3, 1)), pd.DataFrame({"domain": list("aab")}, list("xyz"))).write_h5ad(tmp_path / path)
    with table["write_sheet"](["STARmap BZ5"], tmp_path, tmp_path / "new" / "table").open() as file:
        (row,) = csv.DictReader(file)
    assert (row["rna"], row["platform"], row["n_domains"]) == (str(tmp_path / path), platform, "2")


def test_the_printed_table(table: dict[str, Any]) -> None:
    facts = dict.fromkeys(LEADERBOARD.columns, 0.0) | {"metric": "ari", "clustering": "mclust", "basis": "spots"}

    def row(dataset: str, method: str, mean: float, sd: float | None, starred: bool, verdict: str) -> dict[str, Any]:
        own = {"dataset": dataset, "method": method, "mean": mean, "sd": sd, "starred": starred, "verdict": verdict}
        return facts | own

    plain = LEADERBOARD.frame([
        row("a_1", "smart", 0.9, 0.0123, True, "better than the control"),
        row("a_1", "pca_smooth", 0.5, None, False, "the control"),
        row("b", "pca_smooth", 0.7, 0.0, False, "the control"),
    ])  # fmt: skip
    other = LEADERBOARD.frame([row("b", "smart", 0.4, 0.1, False, "worse than the control")])
    lines = table["markdown"]({"": plain, "64 dims": other}, ["a 1", "b"], "mean").splitlines()
    assert lines == [
        "| tissue | control | smart | smart 64 dims |",
        "|---|---|---|---|",
        "| a 1 | 0.500 | **0.900 ± 0.012** ↑ |  |",
        "| b | 0.700 ± 0.000 |  | 0.400 ± 0.100 ↓ |",
        "| mean | 0.600 |  |  |",
    ]
    seconds = table["markdown"]({"": plain.assign(seconds=12.34)}, ["a 1", "b"], "seconds").splitlines()
    assert seconds[2:] == ["| a 1 | 12.3 | 12.3 |", "| b | 12.3 |  |", "| mean | 12.3 |  |"]
    many = LEADERBOARD.frame(
        [row("a_1", "pca_smooth", 0.5, np.nan, False, "the control")]
        + [row("a_1", f"method{n}", n / 100, np.nan, False, "") for n in range(12)]
    )
    lines = table["markdown"]({"": many}, ["a 1"], "mean").splitlines()
    assert lines[:4] == [
        "| method | a 1 | mean |",
        "|---|---|---|",
        "| control | 0.500 | 0.500 |",
        "| method0 | 0.000 | 0.000 |",
    ]
    assert len(lines) == 15


def test_changed_parameters_keep_their_type(table: dict[str, Any]) -> None:
    assert [table["changed"](one) for one in ("seeds=2", "methods=smart", "weave=true")] == [
        ("seeds", 2), ("methods", "smart"), ("weave", True),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def resources(project: Path) -> dict[str, Any]:
    """The names in benchmarks/resources.py."""
    return runpy.run_path(str(project / "benchmarks" / "resources.py"))


@pytest.fixture(scope="module")
def ladder(project: Path) -> dict[str, Any]:
    """The names in benchmarks/ladder.py."""
    return runpy.run_path(str(project / "benchmarks" / "ladder.py"))


def test_no_measurement_lies_above_the_line_of_needs(resources: dict[str, Any]) -> None:
    sizes, values = np.array([1.0, 10.0, 100.0]), np.array([2.0, 11.0, 50.0])
    # From the smallest on as steep as the middle one needs: 9 over 9.
    assert resources["line"](sizes, values) == pytest.approx((1.0, 1.0))
    # What does not grow is a constant; nothing is below 0.
    assert resources["line"](sizes, np.array([3.0, 2.0, 3.0])) == pytest.approx((3.0, 0.0))
    assert resources["line"](sizes, np.array([1.0, 20.0, 200.0])) == pytest.approx((0.0, 19.0 / 9.0), rel=0.1)


def test_needs_of_a_stage_are_those_of_its_most_demanding_method_but_for_trainings(resources: dict[str, Any]) -> None:
    rows = [(10, "train", "a", 2.0, 1024), (10, "train", "b", 4.0, 2048), (10, "cluster", "a", 1.0, 512)]
    measured = pd.DataFrame(rows, columns=["spots", "stage", "method", "cpu_seconds", "peak_mb"])
    found = resources["fit"](measured.assign(input_mb=100.0, output_mb=50.0, exit=0))
    assert found["gb"].tolist() == [1.25, 2.5, 0.625]
    assert found["output_per_gb"].tolist() == [0.5, 0.5, 0.5]
    assert found["stage"].tolist() == ["TRAIN", "TRAIN", "CLUSTER"]


def test_the_growth_is_that_between_the_largest_tissues(ladder: dict[str, Any]) -> None:
    assert ladder["growth"]([1e4, 1e5, 1e6], [5.0, 10.0, 100.0]) == pytest.approx(1.0)
    assert np.isnan(ladder["growth"]([1e4], [5.0]))


@pytest.fixture(scope="module")
def pair_sizes(project: Path) -> dict[str, Any]:
    """The names in benchmarks/pair_sizes.py."""
    sys.path.insert(0, str(project / "benchmarks"))
    try:
        return runpy.run_path(str(project / "benchmarks" / "pair_sizes.py"))
    finally:
        sys.path.pop(0)


def test_benchmarks_know_the_options_of_every_stage(
    ladder: dict[str, Any], pair_sizes: dict[str, Any], project: Path, tmp_path: Path
) -> None:
    # Stages after the methods are given the files of all runs that there are.
    (tmp_path / "files").mkdir()
    for kind in ("h5ad", "domains.csv", "metrics.csv"):
        (tmp_path / "files" / f"smart.seed1.{kind}").touch()
    stages = [*ladder["tissue"](tmp_path, 10), *ladder["runs"](tmp_path, "smart", 1), *ladder["together"](tmp_path)]
    stages += pair_sizes["stages"](tmp_path, "spatialfuser", ("epochs=2",), 1)
    assert {stage.name for stage in stages} <= {path.stem for path in (project / "bin").glob("*.py")}
    for stage in stages:
        parameters = runpy.run_path(str(project / "bin" / f"{stage.name}.py"))["main"].params
        given = {word for word in stage.arguments.split() if word.startswith("--")}
        assert given <= {option for parameter in parameters for option in parameter.opts}
        assert [one.name for one in parameters if one.required and not given.intersection(one.opts)] == []


SCRIPTS = sorted(
    path.name for path in (Path(__file__).parents[1] / "benchmarks").glob("*.py") if "__main__" in path.read_text()
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_runs_by_its_path(name: str, project: Path, tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [sys.executable, str(project / "benchmarks" / name), "--help"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-1000:]
    assert done.stdout.startswith(f"Usage: {name} ")
