"""bin/passports.py: a folder per run with a slide per domain, and the refusals."""

from __future__ import annotations

from pathlib import Path

import mudata
import pytest
from click.testing import CliRunner, Result

from ..report.characterised_files import write_characterised
from ..report.dataset_files import write_dataset
from ..report.recipe import Recipe
from .conftest import script


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up dataset of three domains with the tables of CHARACTERISE. Do not change."""
    mudata.set_options(pull_on_update=False)
    folder = tmp_path_factory.mktemp("passports")
    write_dataset(folder, Recipe(n_domains=3, methods=("smart",), seeds=(1, 2), image=True))
    write_characterised(folder / "files")
    return folder


def call(project: Path, folder: Path, out: Path, *more: str, files: Path | None = None) -> Result:
    options = ["--dataset", "demo", "--latents", folder / "latents.h5mu", "--counts", folder / "counts.h5mu"]
    options += ["--files", files or folder / "files", "--presets", folder / "presets", "--out-dir", out, *more]
    return CliRunner().invoke(script(project, "passports"), list(map(str, options)))


def test_a_slide_per_domain_of_each_run(project: Path, files: Path, tmp_path: Path) -> None:
    result = call(project, files, tmp_path / "out", "--format", "svg")
    assert result.exit_code == 0, result.output
    found = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.*")}
    assert {"smart.seed1/domain_1.svg", "smart.seed1/domain_2.svg", "smart.seed1/domain_3.svg"} <= found
    text = (tmp_path / "out" / "smart.seed1" / "domain_1.svg").read_text()
    # Micrometres are known.
    assert "µm</text>" in text and "What marks it?" in text


def test_pdf_by_default(project: Path, files: Path, tmp_path: Path) -> None:
    assert call(project, files, tmp_path / "out").exit_code == 0
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert written and {path.suffix for path in written} == {".pdf"}


def test_refusals(project: Path, files: Path, tmp_path: Path) -> None:
    result = call(project, files, tmp_path / "out", "--format", "gif")
    assert result.exit_code == 2 and "'gif' is not one of 'pdf', 'png', 'svg'" in result.output
    (tmp_path / "none").mkdir()
    result = call(project, files, tmp_path / "out", files=tmp_path / "none")
    assert result.exit_code == 2 and "no run has domains" in result.output
    assert not (tmp_path / "out").exists()
