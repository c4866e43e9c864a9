"""bin/align.py, stack.py and match.py, one after the other on a simulated series whose true transforms are known."""

from __future__ import annotations

import itertools
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from spatialweave import simulate
from spatialweave.io import contract
from spatialweave.io.dataset import read_dataset
from spatialweave.io.embeddings import write_embedding
from spatialweave.io.section import SectionInput, read_section
from spatialweave.matching.settings import RULES
from spatialweave.preprocess.dataset import preprocess

from .conftest import script

NAMES = ("section1", "section2", "section3")


@dataclass
class Stack:
    """What the three stages left."""

    folder: Path
    latents: Path
    embedding: Path
    results: dict[str, Result]


@pytest.fixture(scope="module")
def stack(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """Latents of the series from its count files, the labels as embedding, and what the three stages make of them."""
    folder = tmp_path_factory.mktemp("stack")
    spec = simulate.SERIES["series_test"]
    simulate.write_series(simulate.simulate_series(spec, seed=1), folder, "series", spec.tissue.n_domains)
    sheet = pd.read_csv(folder / "samplesheet.csv")
    sections = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row in sheet.itertuples():
            files = {name: folder / getattr(row, name) for name in ("rna", "adt")}
            section = SectionInput("series", row.section, files, labels="label", platform="square", order=row.order)
            sections.append(folder / f"{row.section}.section.h5mu")
            contract.write(read_section(section), sections[-1])
        latents = preprocess(sections, project / "assets" / "preprocess" / "smart.yml", seed=1)
        contract.write(latents, folder / "latents.h5mu")
        dataset = read_dataset(folder / "latents.h5mu")
        vectors = pd.get_dummies(dataset.obs["label"]).to_numpy(dtype=np.float32)
        record = {"method": "known", "seed": 4}
        write_embedding(folder / "known.h5ad", dataset, vectors, record)
    results = {}
    for fixed, moving in itertools.pairwise(NAMES):
        arguments = ["--fixed", fixed, "--moving", moving, "--out", str(folder / f"{fixed}--{moving}.json")]
        results[moving] = CliRunner().invoke(
            script(project, "align"), ["--latents", str(folder / "latents.h5mu"), *arguments]
        )
    transforms = [text for a, b in itertools.pairwise(NAMES) for text in ("--transform", f"{folder}/{a}--{b}.json")]
    results["stack"] = CliRunner().invoke(
        script(project, "stack"), ["--latents", str(folder / "latents.h5mu"), *transforms, "--out-dir", str(folder)]
    )
    arguments = [
        "--embedding",
        str(folder / "known.h5ad"),
        "--latents",
        str(folder / "latents.h5mu"),
        "--prefix",
        "known.seed4",
    ]
    results["match"] = CliRunner().invoke(
        script(project, "match"), [*arguments, "--coordinates", f"{folder}/coordinates.csv", "--out-dir", str(folder)]
    )
    return Stack(folder, folder / "latents.h5mu", folder / "known.h5ad", results)


def test_every_stage_ends_well(stack: Stack) -> None:
    ended = {name: (result.exit_code, result.output) for name, result in stack.results.items()}
    assert ended == dict.fromkeys((*NAMES[1:], "stack", "match"), (0, ""))


def test_the_transforms_are_the_true_ones(stack: Stack) -> None:
    spec = simulate.SERIES["series_test"]
    first, second, _ = spec.sections
    truth = simulate.between(spec.tissue, first, second)
    found = np.array(json.loads((stack.folder / "section1--section2.json").read_text())["matrix"])
    data = read_dataset(stack.latents)
    points = data.coordinates[(data.obs["section"] == "section2").to_numpy()]
    placed, wanted = (points @ matrix[:2, :2].T + matrix[:2, 2] for matrix in (found, truth))
    # In spot spacings, which are 1 here.
    assert np.linalg.norm(placed - wanted, axis=1).mean() < 0.6
    table = pd.read_csv(stack.folder / "transforms.csv").set_index("section")
    assert list(table.index) == list(NAMES)
    assert table.loc["section2", "angle"] == pytest.approx(np.degrees(np.arctan2(truth[1, 0], truth[0, 0])), abs=3)


@pytest.mark.parametrize("method", ["none", "icp", "ndt", "fgw"])
def test_other_methods_of_alignment(project: Path, stack: Stack, tmp_path: Path, method: str) -> None:
    out = tmp_path / "transform.json"
    arguments = ["--latents", str(stack.latents), "--fixed", "section1", "--moving", "section2", "--align-by", method]
    result = CliRunner().invoke(script(project, "align"), [*arguments, "--out", str(out)])
    assert result.exit_code == 0, result.output
    found = json.loads(out.read_text())
    assert found["method"] == method
    linear = np.array(found["matrix"])[:2, :2]
    np.testing.assert_allclose(linear @ linear.T, np.eye(2), atol=1e-9)
    if method == "none":
        np.testing.assert_array_equal(found["matrix"], np.eye(3))


def test_the_first_section_stays_where_it_is(stack: Stack) -> None:
    table = pd.read_csv(stack.folder / "coordinates.csv")
    data = read_dataset(stack.latents, aligned=stack.folder / "coordinates.csv")
    first = (data.obs["section"] == "section1").to_numpy()
    np.testing.assert_array_equal(data.aligned[first], data.coordinates[first])
    assert len(table) == data.n_spots


def test_matches_are_judged_against_the_truth_and_the_control(stack: Stack) -> None:
    quality = pd.read_csv(stack.folder / "known.seed4.alignment.csv")
    assert quality[["dataset", "method", "seed"]].drop_duplicates().to_numpy().tolist() == [["series", "known", 4]]
    value = quality.set_index(["section_a", "metric"])["value"]
    for section in NAMES[:-1]:
        pairs = pd.read_csv(stack.folder / f"known.seed4.{section}--section{int(section[-1]) + 1}.pairs.csv")
        assert value[section, "accepted_pairs"] == pairs["accepted"].sum()
        # The embedding is the label itself.
        assert value[section, "label_agreement"] == 1
        assert value[section, "nearest_label_agreement"] < 1
        assert value[section, "near_truth"] > 0.9
        accepted = pairs[pairs["accepted"]]
        assert accepted["barcode_a"].is_unique and accepted["barcode_b"].is_unique
        assert (accepted["distance"] <= 3).all()
        apart = np.hypot(pairs["x_a"] - pairs["x_b"], pairs["y_a"] - pairs["y_b"])
        # The unit is the coarser section's spacing, 1 here.
        np.testing.assert_allclose(apart, pairs["distance"], rtol=1e-6)
        spots = pd.read_csv(stack.folder / f"known.seed4.{section}--section{int(section[-1]) + 1}.spots.csv")
        assert spots["unmatched"].between(0, 1).all()
        assert len(spots) == value[section, "spots_a"]


def test_spots_are_matched_by_the_values_of_their_own_section(project: Path, stack: Stack, tmp_path: Path) -> None:
    """An embedding in which sections have exchanged values would find its own exchanges."""
    known = contract.read_h5ad(stack.embedding, "embedding")
    known.obsm["own_section"], known.X = known.X, np.zeros_like(known.X)
    contract.write(known, tmp_path / "exchanged.h5ad")
    arguments = ["--coordinates", f"{stack.folder}/coordinates.csv", "--latents", str(stack.latents)]
    result = CliRunner().invoke(
        script(project, "match"),
        [
            *arguments,
            "--embedding",
            str(tmp_path / "exchanged.h5ad"),
            "--prefix",
            "known.seed4",
            "--out-dir",
            str(tmp_path),
        ],
    )
    assert result.exit_code == 0, result.output
    for name in ("known.seed4.section1--section2.pairs.csv", "known.seed4.section2--section3.spots.csv"):
        assert (tmp_path / name).read_bytes() == (stack.folder / name).read_bytes()


def test_spots_are_matched_by_the_rules_in_the_training_record(project: Path, stack: Stack, tmp_path: Path) -> None:
    """The published ones: no pair is rejected, and of two sections the one of fewer spots is mapped."""
    known = contract.read_h5ad(stack.embedding, "embedding")
    training = json.loads(known.uns["training"])
    given = ["--latents", str(stack.latents), "--coordinates", f"{stack.folder}/coordinates.csv", "--prefix", "known"]
    given += ["--embedding", str(tmp_path / "known.h5ad"), "--out-dir", str(tmp_path)]
    known.uns["training"] = json.dumps(training | {"matching": RULES["published"].record()})
    contract.write(known, tmp_path / "known.h5ad")
    sizes = known.obs["section"].astype(str).value_counts()
    assert len(set(sizes)) > 1
    for changed, farthest in (([], 3.0), (["--match-radius", "1.5"], 1.5)):
        result = CliRunner().invoke(script(project, "match"), [*given, *changed])
        assert result.exit_code == 0, result.output
        for a, b in itertools.pairwise(NAMES):
            pairs = pd.read_csv(tmp_path / f"known.{a}--{b}.pairs.csv")
            assert pairs["accepted"].all() and farthest - 1 < pairs["distance"].max() <= farthest
            spots = pd.read_csv(tmp_path / f"known.{a}--{b}.spots.csv")
            smaller = b if sizes[b] < sizes[a] else a
            assert set(spots["section"]) == {smaller} and len(spots) == sizes[smaller]
            mapped = spots["mapped_to"].dropna()
            assert mapped.isin(known.obs.loc[known.obs["section"] != smaller, "barcode"]).all()
        quality = pd.read_csv(tmp_path / "known.alignment.csv").set_index(["section_a", "metric"])["value"]
        assert quality[NAMES[-2], "mapping_mapped"] == pytest.approx(spots["mapped_to"].notna().mean())


def test_without_known_positions_no_metric_of_them_is_given(project: Path, stack: Stack, tmp_path: Path) -> None:
    latents = tmp_path / "latents.h5mu"
    latents.write_bytes(stack.latents.read_bytes())
    with h5py.File(latents, "r+") as file:
        del file["obsm/spatial_true"]
    arguments = ["--embedding", str(stack.embedding), "--coordinates", f"{stack.folder}/coordinates.csv"]
    result = CliRunner().invoke(
        script(project, "match"),
        [*arguments, "--latents", str(latents), "--prefix", "known.seed4", "--out-dir", str(tmp_path)],
    )
    assert result.exit_code == 0, result.output
    metrics = set(pd.read_csv(tmp_path / "known.seed4.alignment.csv")["metric"])
    assert "label_agreement" in metrics
    assert not metrics & {"near_truth", "registration_error", "nearest_near_truth"}


def test_stack_and_match_need_no_latents(project: Path, stack: Stack, tmp_path: Path) -> None:
    """They read spots and coordinates only: the same bytes come from a file whose latents are gone."""
    latents = tmp_path / "latents.h5mu"
    latents.write_bytes(stack.latents.read_bytes())
    with h5py.File(latents, "r+") as file:
        for name in file["mod"]:
            del file[f"mod/{name}/obsm/X_latent"]
    transforms = [
        text for a, b in itertools.pairwise(NAMES) for text in ("--transform", f"{stack.folder}/{a}--{b}.json")
    ]
    arguments = ["--latents", str(latents), "--out-dir", str(tmp_path)]
    result = CliRunner().invoke(script(project, "stack"), [*arguments, *transforms])
    assert result.exit_code == 0, result.output
    given = ["--embedding", str(stack.embedding), "--coordinates", f"{tmp_path}/coordinates.csv"]
    result = CliRunner().invoke(script(project, "match"), [*arguments, *given, "--prefix", "known.seed4"])
    assert result.exit_code == 0, result.output
    for name in ("coordinates.csv", "transforms.csv", "known.seed4.alignment.csv"):
        assert (tmp_path / name).read_bytes() == (stack.folder / name).read_bytes()


def test_the_null_is_drawn_by_the_seed_of_the_training(project: Path, stack: Stack, tmp_path: Path) -> None:
    thresholds = []
    for seed in (4, 5, 5):
        known = contract.read_h5ad(stack.embedding, "embedding")
        known.X = np.random.default_rng(0).normal(size=known.shape).astype(np.float32)
        known.uns["training"] = json.dumps({"method": "known", "seed": seed})
        contract.write(known, tmp_path / "known.h5ad")
        given = ["--embedding", str(tmp_path / "known.h5ad"), "--latents", str(stack.latents), "--prefix", "known"]
        given += ["--coordinates", f"{stack.folder}/coordinates.csv", "--out-dir", str(tmp_path)]
        result = CliRunner().invoke(script(project, "match"), given)
        assert result.exit_code == 0, result.output
        table = pd.read_csv(tmp_path / "known.alignment.csv")
        assert set(table["seed"]) == {seed}
        thresholds.append(table.loc[table["metric"] == "mapping_threshold", "value"].tolist())
    assert thresholds[0] != thresholds[1] == thresholds[2]


def test_places_that_do_not_correspond_are_warned_of(project: Path, stack: Stack, tmp_path: Path) -> None:
    """The embedding of each spot is that of a random one: no alignment makes it more alike at its place."""
    known = contract.read_h5ad(stack.embedding, "embedding")
    given = ["--latents", str(stack.latents), "--coordinates", f"{stack.folder}/coordinates.csv", "--prefix", "known"]
    given += ["--embedding", str(tmp_path / "known.h5ad"), "--out-dir", str(tmp_path)]
    for order, warns in ((np.arange(len(known)), False), (np.random.default_rng(0).permutation(len(known)), True)):
        known.X = known.X[order]
        contract.write(known, tmp_path / "known.h5ad")
        result = CliRunner().invoke(script(project, "match"), given)
        assert result.exit_code == 0, result.output
        assert ("sections section1 and section2: only " in result.output) == warns, result.output
        table = pd.read_csv(tmp_path / "known.alignment.csv").set_index(["section_a", "metric"])["value"]
        assert (table["section1", "more_alike_here"] < 0.6) == warns


def test_an_unknown_section_and_another_embedding_are_refused(
    project: Path, stack: Stack, toy_run, tmp_path: Path, assert_refused
) -> None:
    out = tmp_path / "out.json"
    arguments = ["--latents", str(stack.latents), "--fixed", "section1", "--moving", "section9", "--out", str(out)]
    assert_refused(
        CliRunner().invoke(script(project, "align"), arguments), "section9", "section1 or section2 or section3"
    )
    assert not out.exists()
    arguments = ["--embedding", str(toy_run.embedding), "--latents", str(stack.latents), "--prefix", "x"]
    assert_refused(
        CliRunner().invoke(
            script(project, "match"),
            [*arguments, "--coordinates", f"{stack.folder}/coordinates.csv", "--out-dir", str(tmp_path)],
        ),
        str(toy_run.embedding),
        "its spots are not those of the latents",
    )
    arguments = ["--latents", str(stack.latents), "--transform", f"{stack.folder}/section1--section2.json"]
    assert_refused(
        CliRunner().invoke(script(project, "stack"), [*arguments, "--out-dir", str(tmp_path)]),
        "no transform of section 'section3' to 'section2'",
    )
    assert not (tmp_path / "coordinates.csv").exists()
