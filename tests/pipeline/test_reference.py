"""A run is saved as a model, and the model labels the sections of another samplesheet."""

from __future__ import annotations

import csv
import importlib
import json
from pathlib import Path

import mudata
from click.testing import CliRunner

from ..checks import ends
from .conftest import TO_DOMAINS, Pipeline


def rows(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(path.open(newline="")))


def test_both_halves(pipeline: Pipeline) -> None:
    made = CliRunner().invoke(
        importlib.import_module("simulate").main, ["--preset", "series_test", "--out-dir", str(pipeline.folder)]
    )
    assert made.exit_code == 0, made.output
    lines = (pipeline.folder / "samplesheet.csv").read_text().splitlines()
    (pipeline.folder / "atlas.csv").write_text("\n".join([lines[0], lines[1], lines[3]]) + "\n")
    (pipeline.folder / "new.csv").write_text("\n".join([lines[0], lines[2].replace("series_test,", "new,", 1)]) + "\n")
    saving = ("--methods", "pca_smooth", "--save_model", "pca_smooth")
    first = pipeline.run("--input", "atlas.csv", *saving, *TO_DOMAINS)
    assert first.code == 0, first.text
    model = first.results / "series_test" / "models" / "pca_smooth.seed1"
    assert sorted(path.name for path in model.iterdir()) == ["model.json", "model.safetensors"]

    # Beside the results, which the second run overwrites.
    kept = model.rename(pipeline.folder / "my-atlas.v1")
    second = pipeline.run("--input", "new.csv", "--reference", str(kept), *TO_DOMAINS)
    assert second.code == 0, second.text
    assert not [task for task in second.tasks("Submitted") if task.startswith(("TRAIN", "CLUSTER", "WEAVE", "ASSESS"))]
    assert "new: section 'section2' is like the reference 'series_test'" in second.text
    likeness = rows(second.results / "new" / "reference" / "likeness.csv")
    assert {row["verdict"] for row in likeness} == {"like"}
    metrics = rows(second.results / "benchmark" / "metrics.csv")
    assert {(row["method"], row["seed"]) for row in metrics} == {("reference", "1")}
    assert float(next(row["value"] for row in metrics if row["metric"] == "ari")) > 0.8
    integrated = mudata.read_h5mu(second.results / "new" / "integrated.h5mu")
    assert list(integrated.obsm["reference_reference_1"].columns) == ["probability", "unlikeness"]
    report = (second.results / "new" / "report.html").read_text()
    assert "How unlike the reference" in report and "Nothing was trained" in report

    # A damaged model is refused before any section is read.
    description = json.loads((kept / "model.json").read_text())
    (kept / "model.json").write_text(json.dumps(description | {"format": 99}))
    third = pipeline.run("--input", "new.csv", "--reference", str(kept))
    assert third.code != 0 and "is of the format 99; expected 1" in third.text
    assert not [task for task in third.tasks("Submitted") if task.startswith("INGEST")]


def test_a_folder_whose_name_is_not_safe_in_a_shell(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("my atlas", "a'b")]
    for folder in folders:
        folder.mkdir()
        (folder / "model.json").write_text("{}")
    found = ends(tmp_path, plans=[{"input": "s.csv", "reference": str(folder)} for folder in folders])["plans"]
    assert all("rename it" in end["refused"] for end in found)
