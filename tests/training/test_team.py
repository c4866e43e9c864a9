"""Several processes make the same training as one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from spatialweave.training.team import Team


def test_shares_put_together_are_the_list() -> None:
    items = list(range(7))
    shares = [Team(rank, 3).own(items) for rank in range(3)]
    assert sorted(item for share in shares for item in share) == items and max(map(len, shares)) == 3
    assert Team().own(items) == items and Team().all_of(items) == items


@pytest.fixture(scope="module")
def files(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Latents and graphs of a small simulated tissue."""
    import warnings
    from dataclasses import replace

    from spatialweave import simulate
    from spatialweave.graphs.build import build_graphs
    from spatialweave.graphs.recipe import read_recipe
    from spatialweave.io.contract import write
    from spatialweave.io.dataset import read_dataset
    from spatialweave.io.section import SectionInput, read_section
    from spatialweave.preprocess.dataset import preprocess

    folder = tmp_path_factory.mktemp("team")
    spec = replace(simulate.PRESETS["test"], rows=24, cols=24)
    simulate.write(simulate.simulate(spec, 1), folder, "t", spec.n_domains)
    given = {name: folder / f"t_{name}.h5ad" for name in ("rna", "adt")}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        section = SectionInput("t", "one", files=given, labels=simulate.LABEL, platform="square")
        write(read_section(section), folder / "section.h5mu")
        recipe = project / "assets" / "preprocess" / "smart.yml"
        write(preprocess([folder / "section.h5mu"], recipe, 0), folder / "latents.h5mu")
        graphs = read_recipe(project / "assets" / "graphs" / "tissue.yml")
        write(build_graphs(read_dataset(folder / "latents.h5mu"), graphs), folder / "graph.h5ad")
    return folder / "latents.h5mu", folder / "graph.h5ad"


def train(
    project: Path, files: tuple[Path, Path], folder: Path, method: str, processes: int, *options: str
) -> subprocess.CompletedProcess[str]:
    """Run train.py with so many processes."""
    command = [
        *(sys.executable, str(project / "bin" / "train.py"), "--processes", str(processes)),
        *("--latents", str(files[0]), "--graph", str(files[1]), "--device", "cpu", "--threads", "1", "--seed", "3"),
        *("--method", str(project / "assets" / "methods" / f"{method}.yml")),
        *(text for option in options for text in ("--method-option", option)),
        *("--out", str(folder / f"{method}.{processes}.h5ad"), "--record", str(folder / f"{method}.{processes}.json")),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SPATIALWEAVE_NOTICES": str(folder / "notices.txt")}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


def in_two_sections(latents: Path, graph: Path, folder: Path) -> tuple[Path, Path]:
    """The same spots in two sections by turns, for methods that join several."""
    copies = folder / "two.h5mu", folder / "two.h5ad"
    for one, copy in zip((latents, graph), copies, strict=True):
        shutil.copy(one, copy)
        with h5py.File(copy, "r+") as file:
            for group in (file, *file.get("mod", {}).values()):
                if "obs" in group and "section" in group["obs"]:
                    codes = group["obs/section/codes"]
                    del group["obs/section/categories"]
                    group["obs/section"]["categories"] = np.array(["one", "two"], dtype=h5py.string_dtype())
                    for name, value in (("encoding-type", "string-array"), ("encoding-version", "0.2.0")):
                        group["obs/section/categories"].attrs[name] = value
                    codes[:] = np.arange(len(codes)) % 2
    return copies


@pytest.mark.parametrize(
    ("method", "processes"), [("smart", 2), ("smart", 4), ("spabalance", 3), ("spamca", 2), ("smart_ms", 2)]
)
def test_several_processes_train_as_one(
    project: Path, files: tuple[Path, Path], tmp_path: Path, method: str, processes: int
) -> None:
    if method == "smart_ms":
        files = in_two_sections(*files, tmp_path)
    found = {}
    for count in (1, processes):
        done = train(project, files, tmp_path, method, count, "batch_spots=200", "epochs=12", "max_rounds=2")
        assert done.returncode == 0, done.stderr[-2000:]
        with h5py.File(tmp_path / f"{method}.{count}.h5ad") as file:
            found[count] = file["X"][:]
        found[count, "losses"] = json.loads((tmp_path / f"{method}.{count}.json").read_text())["losses"]["total"]
    assert f"training by {processes} processes" in done.stderr and done.stderr.count("epoch 12/12") == 1
    np.testing.assert_allclose(found[processes], found[1], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[processes, "losses"], found[1, "losses"], rtol=1e-4)


def notices(folder: Path) -> list[str]:
    return (folder / "notices.txt").read_text().splitlines() if (folder / "notices.txt").exists() else []


def test_a_whole_dataset_is_trained_by_one_of_them(project: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    done = train(project, files, tmp_path, "smart", 2, "batch_spots=0", "epochs=2", "max_rounds=1")
    assert done.returncode == 0, done.stderr[-2000:]
    (notice,) = notices(tmp_path)
    assert "one of 2 processes trains: all 576 spots are trained on at once" in notice
    assert (tmp_path / "smart.2.h5ad").exists()


@pytest.mark.parametrize("method", ["spamo", "pca_smooth"])
def test_methods_of_one_process_refuse_more(
    project: Path, files: tuple[Path, Path], tmp_path: Path, method: str
) -> None:
    done = train(project, files, tmp_path, method, 2)
    assert done.returncode == 2 and "cannot share a training" in done.stderr
    assert not list(tmp_path.glob("*.h5ad"))


def test_more_processes_than_parts_are_idle(project: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    options = ("batch_spots=575", "epochs=4", "max_rounds=1")
    # There are four parts, so that one of five processes has none even at the end.
    for count in (1, 5):
        done = train(project, files, tmp_path, "smart", count, *options)
        assert done.returncode == 0, done.stderr[-2000:]
    (notice,) = notices(tmp_path)
    assert "5 processes share 4 parts" in notice and "in 4 parts, 4 an update" in done.stderr
    with h5py.File(tmp_path / "smart.1.h5ad") as one, h5py.File(tmp_path / "smart.5.h5ad") as five:
        np.testing.assert_allclose(five["X"][:], one["X"][:], rtol=1e-4, atol=1e-4)


def test_an_error_ends_all_with_its_code(project: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    done = train(project, files, tmp_path, "smart", 2, "batch_spots=200", "epochs=nothing")
    assert done.returncode == 2
    (line,) = {line for line in done.stderr.splitlines() if line.startswith("ERROR")}
    assert "epochs" in line and "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.h5ad"))


def test_several_nodes_need_a_slurm_job(project: Path, files: tuple[Path, Path], tmp_path: Path) -> None:
    command = [sys.executable, str(project / "bin" / "train.py"), "--nodes", "2", "--latents", str(files[0])]
    command += ["--graph", str(files[1]), "--method", str(project / "assets/methods/smart.yml"), "--out", "x.h5ad"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "--nodes: is 2 outside a task of a Slurm job" in done.stderr
