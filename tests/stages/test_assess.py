"""bin/assess.py: the evidence, the verdict and the value of modalities as files, and the refusals."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from spatialweave.io.dataset import read_dataset
from spatialweave.io.embeddings import MATCHED_RUNS, write_embedding
from spatialweave.io.result_tables import DOMAINS, EVIDENCE, MODALITY_VALUE

from .conftest import script


@pytest.fixture(scope="module")
def command(project: Path):
    return script(project, "assess")


@pytest.fixture(scope="module")
def files(toy_run, tmp_path_factory) -> dict[str, Path]:
    """Three good runs, one that scatters its domains, and the consensus."""
    folder = tmp_path_factory.mktemp("runs")
    dataset = read_dataset(toy_run.latents)
    rng = np.random.default_rng(0)
    found = {}
    for number, run in enumerate(["smart.seed1", "smart.seed2", "spamo.seed1", "noise.seed1", "weave.seed1"]):
        domains = toy_run.quadrant.copy()
        domains[number::16] = (domains[number::16] + 1) % 4
        if run.startswith("noise"):
            domains = rng.permutation(domains)
        found[run] = folder / f"{run}.domains.csv"
        DOMAINS.write(found[run], dataset.obs[["barcode", "section"]].assign(domain=domains + 1))
    embedding = np.eye(4)[toy_run.quadrant] + 0.1 * rng.normal(size=(dataset.n_spots, 4))
    found["embedding"] = folder / "smart.seed1.h5ad"
    write_embedding(found["embedding"], dataset, embedding, {"method": "smart", "seed": 1})
    # The consensus joins runs of three methods.
    joined = ["smart.seed1", "spamo.seed1", "spamca.seed1"]
    matched = {MATCHED_RUNS: pd.DataFrame(1, dataset.obs.index, joined, dtype=np.int32)}
    found["woven"] = folder / "weave.seed1.h5ad"
    write_embedding(found["woven"], dataset, embedding, {"method": "weave", "seed": 1}, matched)
    return found


@pytest.fixture
def run(command, toy_run, files, tmp_path):
    def call(runs: list[str], *more: str, latents: Path = toy_run.latents):
        arguments = [word for name in runs for word in ("--domains", str(files[name]))]
        arguments += ["--latents", str(latents), "--n-domains", "4", "--embedding", str(files["embedding"])]
        arguments += ["--embedding", str(files["woven"])] if "weave.seed1" in runs else []
        for option in ("evidence", "modality-value"):
            arguments += [f"--{option}", str(tmp_path / f"{option}.csv")]
        return CliRunner().invoke(command, [*arguments, "--verdict", str(tmp_path / "verdict.json"), *more])

    return call


ALL_RUNS = ["smart.seed1", "smart.seed2", "spamo.seed1", "noise.seed1", "weave.seed1"]


def test_files_and_the_line(run, tmp_path):
    result = run(ALL_RUNS)
    assert result.exit_code == 0, result.output
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert (verdict["dataset"], verdict["kind"], verdict["choice"]) == ("toy", "chosen", "weave.seed1")
    supported = {(one["method"], one["seed"]): one["supported"] for one in verdict["runs"]}
    assert supported == {
        ("noise", 1): False, ("smart", 1): True, ("smart", 2): True, ("spamo", 1): True, ("weave", 1): True,
    }  # fmt: skip
    assert result.stdout.startswith("toy: Use weave, the consensus") and result.stdout.count("\n") == 1
    assert [one["name"] for one in verdict["modalities"]] == ["rna", "adt"]

    evidence = EVIDENCE.read(tmp_path / "evidence.csv")
    assert set(evidence["modality"]) == {"rna", "adt", "all"}
    of_all = evidence[evidence["modality"] == "all"].pivot(
        index=["method", "seed"], columns="statistic", values="value"
    )
    assert of_all["explained"].idxmax() != ("noise", 1) and of_all.loc[("noise", 1), "p_random"] > 0.05
    assert (of_all["explained_low"] <= of_all["explained"]).all()
    # Only this run's embedding is there.
    assert of_all["stability"].notna().tolist() == [run == ("smart", 1) for run in of_all.index]
    assert of_all.loc[("smart", 1), "stability"] == 1.0
    values = MODALITY_VALUE.read(tmp_path / "modality-value.csv")
    of_runs = {"run_found", "run_found_without"}
    of_control = {"gain", "explained_without", "stability", "found_without", "found_again", "predicted"}
    assert set(values["statistic"]) == of_control | of_runs
    assert (values["low"] <= values["high"]).all()


def test_same_seed_gives_the_same_files(run, tmp_path):
    names = ("evidence.csv", "modality-value.csv", "verdict.json")
    texts = []
    for seed in ("3", "3", "4"):
        assert run(["smart.seed1", "spamo.seed1"], "--seed", seed).exit_code == 0
        texts.append([(tmp_path / name).read_bytes() for name in names])
    assert texts[0] == texts[1] != texts[2]


def test_one_run_of_one_modality(run, toy_run, tmp_path):
    import mudata

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = mudata.read_h5mu(toy_run.latents)
        single = mudata.MuData({"rna": data["rna"].copy()})
        single.obs, single.obsm["spatial"] = data.obs[["barcode", "section", "label"]], data.obsm["spatial"]
        single.uns["spatialweave"] = data.uns["spatialweave"]
        single.write(tmp_path / "single.h5mu")
    result = run(["smart.seed1"], latents=tmp_path / "single.h5mu")
    assert result.exit_code == 0, result.output
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["choice"] == "smart.seed1" and verdict["modalities"] == []
    assert pd.read_csv(tmp_path / "modality-value.csv").empty
    assert result.stdout == "toy: The data support the domains of smart (seed 1)\n"


def test_what_cannot_be_assessed_is_refused(run, files, tmp_path, assert_refused):
    assert_refused(run(["smart.seed1", "smart.seed1"]), "run smart.seed1 is given more than once")
    files["renamed"] = tmp_path / "mine.csv"
    files["renamed"].write_bytes(files["smart.seed1"].read_bytes())
    assert_refused(run(["renamed"]), "mine.csv", "does not contain the name of a run")
    files["foreign"] = tmp_path / "spamo.seed1.domains.csv"
    files["foreign"].write_text("barcode,section,domain\nelsewhere,left,1\n")
    assert_refused(run(["foreign"]), "spot 'elsewhere' of section 'left' is not in the dataset")
    assert_refused(run(["smart.seed1"], latents=files["embedding"]), "smart.seed1.h5ad")
    assert not (tmp_path / "verdict.json").exists()
