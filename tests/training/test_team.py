"""Several processes make the same training as one."""

from __future__ import annotations

import json
import os
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
    """Run train.py, by torchrun where there are several processes."""
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)]
    command = [
        *start,
        str(project / "bin" / "train.py"),
        *("--latents", str(files[0]), "--graph", str(files[1]), "--device", "cpu", "--threads", "1", "--seed", "3"),
        *("--method", str(project / "assets" / "methods" / f"{method}.yml")),
        *(text for option in options for text in ("--method-option", option)),
        *("--out", str(folder / f"{method}.{processes}.h5ad"), "--record", str(folder / f"{method}.{processes}.json")),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("method", "processes"), [("smart", 2), ("smart", 4), ("spabalance", 3)])
def test_several_processes_train_as_one(
    project: Path, files: tuple[Path, Path], tmp_path: Path, method: str, processes: int
) -> None:
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


@pytest.mark.parametrize(
    ("method", "option", "message"),
    [("smart", "batch_spots=0", "trained on at once"), ("spamo", "batch_spots=200", "SPAMO is trained by one")],
)
def test_what_one_process_must_do_is_refused(
    project: Path, files: tuple[Path, Path], tmp_path: Path, method: str, option: str, message: str
) -> None:
    done = train(project, files, tmp_path, method, 2, option, "epochs=1")
    assert done.returncode != 0 and message in done.stderr
    assert not list(tmp_path.glob("*.h5ad"))
