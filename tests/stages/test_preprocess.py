"""The PREPROCESS script: what it writes, and how it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from scipy import sparse

from preprocess import main
from spatialweave.io.contract import join_modalities, stamp, write
from spatialweave.io.dataset import read_dataset

RECIPE = "modalities: {rna: {min_spots: 1, variable_features: 8, target_sum: 100, scale: true, components: 2}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with section.h5mu (12 spots, 10 genes) and recipe.yml."""
    spots = [f"b{i}" for i in range(12)]
    counts = sparse.csr_matrix(np.random.default_rng(0).poisson(2, (12, 10)), dtype=np.float32)
    rna = ad.AnnData(counts, obs=pd.DataFrame(index=spots), var=pd.DataFrame(index=[f"g{j}" for j in range(10)]))
    obs = pd.DataFrame({"section": "s"}, index=spots)
    facts = stamp("section", dataset="d", section="s", platform="square", layout="square")
    write(join_modalities({"rna": rna}, obs, np.zeros((12, 2)), {"spatialweave": facts}), tmp_path / "section.h5mu")
    (tmp_path / "recipe.yml").write_text(RECIPE)
    return tmp_path


def run(folder: Path, **changed: str) -> Result:
    options = {
        "--section": str(folder / "section.h5mu"),
        "--recipe": str(folder / "recipe.yml"),
        "--seed": "1",
        "--out": str(folder / "latents.h5mu"),
    } | {f"--{name}": value for name, value in changed.items()}
    return CliRunner().invoke(main, [word for pair in options.items() for word in pair])


def test_writes_latents_and_says_so(folder: Path) -> None:
    result = run(folder)
    assert result.exit_code == 0, result.output
    assert result.stdout == "12 spots; latent dimensions: rna 2\n"
    # Ten genes are too few for loess: one warning says so, and there is no other.
    assert (
        result.stderr.startswith("WARNING: modality rna: variable features: loess") and result.stderr.count("\n") == 1
    )
    assert read_dataset(folder / "latents.h5mu").modalities[0].latent.shape == (12, 2)


def test_numbers_of_genes_and_components_can_be_given(folder: Path) -> None:
    result = run(folder, components="3", **{"variable-features": "5"})
    assert result.stdout == "12 spots; latent dimensions: rna 3\n"
    assert md.read_h5mu(folder / "latents.h5mu")["rna"].n_vars == 5


def test_same_seed_gives_the_same_latents(folder: Path) -> None:
    run(folder)
    run(folder, out=str(folder / "again.h5mu"))
    first, second = (read_dataset(folder / name).modalities[0].latent for name in ("latents.h5mu", "again.h5mu"))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize(
    ("option", "content", "message"),
    [
        ("recipe", "modalities: {rna: {}}\n", "lacks min_spots"),
        ("recipe", RECIPE.replace("scale", "scaled"), "'scale', perhaps"),
        (
            "recipe",
            RECIPE.replace("rna", "adt").replace("variable_features: 8, target_sum: 100", "clr_per: protein"),
            "modality 'rna'",
        ),
        ("recipe", RECIPE.replace("min_spots: 1", "min_spots: 13"), "none of 10 features is detected in 13 spots"),
        ("recipe", "{", "is not a readable YAML file"),
        ("section", "no HDF5", "is not a readable .h5mu file"),
    ],
)
def test_refusals_are_one_line_and_write_nothing(folder: Path, option: str, content: str, message: str) -> None:
    (folder / "wrong").write_text(content)
    result = run(folder, **{option: str(folder / "wrong")})
    assert result.exit_code == 2
    assert result.stderr.startswith("ERROR: ") and result.stderr.count("\n") == 1
    assert message in result.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["recipe.yml", "section.h5mu", "wrong"]


def test_several_sections_in_the_order_given(folder: Path) -> None:
    data = md.read_h5mu(folder / "section.h5mu")
    data.obs["section"] = "r"
    data.uns["spatialweave"]["section"] = "r"
    write(data, folder / "another.h5mu")
    words = [word for name in ("section", "another") for word in ("--section", str(folder / f"{name}.h5mu"))]
    words += ["--recipe", str(folder / "recipe.yml"), "--out", str(folder / "latents.h5mu")]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert result.stdout == "24 spots; latent dimensions: rna 2\n"
    assert "has no block 'sections'" in result.stderr
    assert list(dict.fromkeys(read_dataset(folder / "latents.h5mu").obs["section"])) == ["s", "r"]


def test_section_is_needed(folder: Path) -> None:
    result = CliRunner().invoke(main, ["--recipe", str(folder / "recipe.yml"), "--out", str(folder / "latents.h5mu")])
    assert result.exit_code == 2 and "Missing option '--section'" in result.stderr


def test_as_a_program(folder: Path, project: Path) -> None:
    """Run as the pipeline runs it: no traceback, and nothing of the libraries' on stderr."""
    command = [sys.executable, str(project / "bin" / "preprocess.py"), "--section", str(folder / "section.h5mu")]
    command += ["--recipe", str(folder / "none.yml"), "--out", str(folder / "latents.h5mu")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(f"ERROR: {folder / 'none.yml'}: is not a readable YAML file")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
