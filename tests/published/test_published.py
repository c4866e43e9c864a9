"""The samplesheets of published datasets, on small files that are laid out as the published ones."""

from __future__ import annotations

import csv
import re
import subprocess
from pathlib import Path
from typing import Any

import mudata
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from ingest import main as ingest

from ..checks import ends
from ..pipeline.conftest import TO_DOMAINS
from .layouts import LAYOUTS, MODALITIES, Section, write

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path for path in (ROOT / "assets" / "datasets").iterdir() if path.is_dir())
DECLARATIONS = ("precomputed", "measured", "layer")


def test_every_dataset_has_its_layout_and_its_row_in_the_documentation() -> None:
    assert [folder.name for folder in FOLDERS] == sorted(LAYOUTS)
    page = (ROOT / "docs" / "datasets.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", page, flags=re.MULTILINE)
    assert sorted(set(listed)) == sorted(LAYOUTS)
    for folder in FOLDERS:
        # Where its files are had from is said in both.
        for address in re.findall(r"https?://[^\s,;)]+[^\s,;:.)]", (folder / "params.yml").read_text()):
            assert address in page, (folder.name, address)


def ingested(section: Section, base: Path, out: Path) -> mudata.MuData:
    """What INGEST makes of one row."""
    row = section.row
    arguments = ["--dataset", row["dataset"], "--section", row.get("section") or row["dataset"]]
    for column in (*MODALITIES, "multi"):
        if row.get(column):
            arguments += [f"--{column}", str(base / row[column])]
    labels = row.get("labels")
    if labels:
        arguments += ["--labels", str(base / labels) if (base / labels).is_file() else labels]
    for option in DECLARATIONS:
        for said in (row.get(option) or "").split(";"):
            arguments += [f"--{option}", said] if said else []
    arguments += ["--platform", row["platform"], "--out", str(out)]
    result = CliRunner().invoke(ingest, arguments)
    assert result.exit_code == 0, result.output
    return mudata.read_h5mu(out)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
@pytest.mark.filterwarnings("ignore")
def test_ingest_finds_counts_labels_and_coordinates(folder: Path, tmp_path: Path) -> None:
    for number, section in enumerate(write(folder, tmp_path)):
        data = ingested(section, tmp_path, tmp_path / f"{number}.h5mu")
        assert sorted(data.mod) == sorted(section.values)
        for modality, values in section.values.items():
            part = data.mod[modality]
            np.testing.assert_allclose(part.X.toarray(), values.loc[part.obs_names, part.var_names], rtol=1e-6)
            assert part.shape == values.shape
            points = section.coordinates.loc[part.obs_names].to_numpy()
            assert np.abs(part.obsm["spatial"] - points).max() < 1  # 10x writes whole pixels
        if section.labels is None:
            assert "label" not in data.obs
        else:
            assert data.obs["label"].tolist() == section.labels[data.obs_names].tolist()


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a user has the project's files and, in data/, what was downloaded."""
    folder = tmp_path_factory.mktemp("user")
    for dataset in FOLDERS:
        write(dataset, folder / "data")
    return folder


@pytest.fixture(scope="module")
def checked(user: Path) -> dict[str, Any]:
    """What the checks make of each dataset."""
    given = [yaml.safe_load((folder / "params.yml").read_text()) for folder in FOLDERS]
    found = ends(user, plans=given)["plans"]
    return {folder.name: end["accepted"] for folder, end in zip(FOLDERS, found, strict=True)}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_checks_accept_it(folder: Path, checked: dict[str, Any], user: Path) -> None:
    found = checked[folder.name]
    params = yaml.safe_load((folder / "params.yml").read_text())
    assert list(found["methods"]) == [*params["methods"].split(","), "pca_smooth"]
    # A preset that is named is that of at least one method.
    assert "preset" not in params or params["preset"] in found["methods"].values()
    with (folder / "samplesheet.csv").open(newline="") as stream:
        sections = [(row["dataset"], row.get("section") or row["dataset"]) for row in csv.DictReader(stream)]
    assert [(meta["dataset"], meta["section"]) for meta in found["sections"]] == sections
    for meta in found["sections"]:
        assert all(path.startswith(f"{user}/data/") for path in meta["files"])


@pytest.mark.parametrize(
    ("name", "dataset", "n_domains"),
    [
        ("simulated_rna_adt_atac", "simulation", 5),
        pytest.param("mouse_spleen_spots", "spleen", 4, marks=pytest.mark.long),
    ],
)
def test_a_run_as_it_is_typed(name: str, dataset: str, n_domains: int, user: Path, tmp_path: Path) -> None:
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    (tmp_path / "data").symlink_to(user / "data")
    arguments = ["-params-file", f"assets/datasets/{name}/params.yml", "--outdir", "results"]
    arguments += ["--methods", "smart", "--control", "false", *TO_DOMAINS]
    command = [ROOT / "nextflow", "run", ROOT, "-ansi-log", "false", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    results = tmp_path / "results"
    assert (results / "report.html").is_file()
    with (results / dataset / "domains" / "smart" / "seed1.csv").open(newline="") as stream:
        domains = {row["domain"] for row in csv.DictReader(stream)}
    assert len(domains) == n_domains
    with (results / "benchmark" / "metrics.csv").open(newline="") as stream:
        scored = {(row["method"], row["metric"]) for row in csv.DictReader(stream)}
    assert (("smart", "ari") in scored) == (name == "simulated_rna_adt_atac")
