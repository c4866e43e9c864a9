"""bin/cluster.py: domains, their account, and the refusals."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.metrics import adjusted_rand_score

from .conftest import script


@pytest.fixture(scope="module")
def command(project: Path):
    return script(project, "cluster")


@pytest.fixture
def run(command, toy_run, graph, tmp_path):
    def call(*more: str, embedding: Path = toy_run.embedding, graph: Path = graph):
        files = ["--embedding", embedding, "--graph", graph]
        files += ["--out", tmp_path / "domains.csv", "--summary", tmp_path / "clustering.json"]
        return CliRunner().invoke(command, [*map(str, files), *more])

    return call


@pytest.mark.parametrize("clustering", ["mclust", "leiden", "louvain", "kmeans", "split_merge"])
def test_finds_the_quadrants(run, toy_run, tmp_path, clustering):
    result = run("--clustering", clustering, "--n-domains", "4")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    table = pd.read_csv(tmp_path / "domains.csv", dtype=str)
    assert list(table.columns) == ["barcode", "section", "domain", *(["probability"] if clustering == "mclust" else [])]
    assert adjusted_rand_score(toy_run.quadrant, table["domain"]) == 1.0
    sizes = table["domain"].value_counts()
    assert sorted(sizes.index) == ["1", "2", "3", "4"]
    assert sizes.sort_index().is_monotonic_decreasing
    account = json.loads((tmp_path / "clustering.json").read_text())
    assert account["clustering"] == clustering and account["n_domains"] == 4
    assert account["sizes"] == sizes.sort_index().tolist()


def test_the_embedding_is_written_with_its_domains(run, toy_run, tmp_path):
    """Ten domains: as categories in numerical order, for colours and legends in scanpy; all else is as it was."""
    target = tmp_path / "out" / "smart.seed1.h5ad"
    assert run("--n-domains", "10", "--clustering", "kmeans", "--with-domains", str(target)).exit_code == 0
    table = pd.read_csv(tmp_path / "domains.csv", dtype=str)
    written, source = anndata.read_h5ad(target), anndata.read_h5ad(toy_run.embedding)
    assert written.obs["domain"].cat.categories.tolist() == [str(number) for number in range(1, 11)]
    assert written.obs["domain"].astype(str).tolist() == table["domain"].tolist()
    assert written.obs.drop(columns="domain").equals(source.obs)
    assert np.array_equal(written.X, source.X) and written.uns["training"] == source.uns["training"]
    assert written.obsm.keys() == source.obsm.keys()
    assert all(np.array_equal(written.obsm[key], source.obsm[key]) for key in source.obsm)
    # Once more, from a file that has domains
    again = tmp_path / "again.h5ad"
    assert run("--n-domains", "4", "--with-domains", str(again), embedding=target).exit_code == 0
    assert anndata.read_h5ad(again).obs["domain"].nunique() == 4


def test_the_mixture_gives_the_probability_of_the_domain(run, toy_run, tmp_path):
    """A spot half way between the centres of two domains belongs to either; by hand, at equal sizes."""
    moved = tmp_path / "moved.h5ad"
    moved.write_bytes(toy_run.embedding.read_bytes())
    quadrant = np.asarray(toy_run.quadrant)
    spot = int(np.flatnonzero(quadrant == 0)[0])
    with h5py.File(moved, "r+") as file:
        values = file["X"][:]
        file["X"][spot] = (values[quadrant == 0].mean(axis=0) + values[quadrant == 1].mean(axis=0)) / 2
    run("--n-domains", "4", embedding=moved)
    table = pd.read_csv(tmp_path / "domains.csv", dtype={"probability": str})
    assert table["probability"].str.len().max() <= 6
    probability = table["probability"].astype(float)
    assert 0.5 <= probability[spot] < 0.9
    assert np.delete(probability.to_numpy(), spot).min() > 0.99
    # Neighbours in the tissue may outvote the mixture: then it is the probability of their domain.
    other = int(np.flatnonzero(quadrant == 2)[5])
    with h5py.File(moved, "r+") as file:
        file["X"][spot] = values[other]
    run("--n-domains", "4", embedding=moved)
    assert pd.read_csv(tmp_path / "domains.csv")["probability"][spot] > 0.99
    run("--n-domains", "4", "--refine", "1", embedding=moved)
    assert pd.read_csv(tmp_path / "domains.csv")["probability"][spot] < 0.01


def test_same_seed_gives_the_same_bytes(run, tmp_path):
    run("--n-domains", "6", "--seed", "5")
    first = [(tmp_path / name).read_bytes() for name in ("domains.csv", "clustering.json")]
    run("--n-domains", "6", "--seed", "5")
    assert first == [(tmp_path / name).read_bytes() for name in ("domains.csv", "clustering.json")]


def test_refinement_removes_a_lone_spot(run, toy_run, tmp_path):
    moved = tmp_path / "moved.h5ad"
    moved.write_bytes(toy_run.embedding.read_bytes())
    spot, other = 2 * 12 + 2, 2 * 12 + 9
    with h5py.File(moved, "r+") as file:
        file["X"][spot] = file["X"][other]
    run("--n-domains", "4", embedding=moved)
    before = pd.read_csv(tmp_path / "domains.csv")["domain"]
    assert before[spot] == before[other]
    run("--n-domains", "4", "--refine", "1", embedding=moved)
    after = pd.read_csv(tmp_path / "domains.csv")["domain"]
    assert after[spot] == before[spot + 1]
    assert json.loads((tmp_path / "clustering.json").read_text())["refined_spots"] == 1


FAKE_R = """#!/usr/bin/env python3
import csv, sys
vanilla, script, values, labels, n_domains, seed = sys.argv[1:]
assert vanilla == "--vanilla" and "EEE" in open(script).read()
rows = [[float(cell) for cell in row] for row in csv.reader(open(values))]
{body}
"""


@pytest.fixture
def fake_r(tmp_path, monkeypatch):
    """Put a stand-in for Rscript on the PATH, for R itself is not part of the tests."""

    def install(body: str) -> None:
        folder = tmp_path / "programs"
        folder.mkdir()
        program = folder / "Rscript"
        program.write_text(FAKE_R.format(body=body), encoding="utf-8")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(folder), prepend=":")

    return install


def test_mclust_r_exchanges_numbers_with_rscript(run, fake_r, tmp_path):
    fake_r(
        "assert (n_domains, seed, len(rows), len(rows[0])) == ('3', '9', 288, 6)\n"
        "open(labels, 'w').write('domain\\n' + ''.join(f'{1 + i % 3}\\n' for i in range(288)))"
    )
    result = run("--clustering", "mclust_r", "--n-domains", "3", "--seed", "9")
    assert result.exit_code == 0, result.output
    assert pd.read_csv(tmp_path / "domains.csv")["domain"].head(4).tolist() == [1, 2, 3, 1]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("sys.exit(3)", "package mclust is not installed"),
        ("sys.exit(4)", "no EEE model with 3 domains"),
        ("sys.exit('cannot allocate')", "cannot allocate"),
        ("open(labels, 'w').write('domain\\n1\\n')", "1 labels for 288 spots"),
    ],
)
def test_failing_r_is_one_line(run, assert_refused, fake_r, body, words):
    fake_r(body)
    assert_refused(run("--clustering", "mclust_r", "--n-domains", "3"), words)


def test_without_r(run, assert_refused, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert_refused(run("--clustering", "mclust_r", "--n-domains", "3"), "Rscript is not on the PATH", "'mclust'")


def test_more_domains_than_spots(run, assert_refused):
    assert_refused(run("--n-domains", "289"), "289 domains", "288 spots")


def test_out_of_reach_names_the_nearest(run, assert_refused, toy_run):
    # Four separate clouds in two sections: their neighbour graph cannot have fewer than four communities.
    assert_refused(
        run("--clustering", "leiden", "--n-domains", "2"), "no resolution gives 2 domains", "nearest number found is 4"
    )


def test_embedding_that_is_not_finite(run, assert_refused, toy_run, tmp_path):
    broken = tmp_path / "broken.h5ad"
    broken.write_bytes(toy_run.embedding.read_bytes())
    with h5py.File(broken, "r+") as file:
        file["X"][7, 2] = np.nan
    assert_refused(run("--n-domains", "4", embedding=broken), "row 8, column 3", "not finite")


def test_embedding_without_barcodes(run, assert_refused, toy_run, tmp_path):
    broken = tmp_path / "broken.h5ad"
    broken.write_bytes(toy_run.embedding.read_bytes())
    with h5py.File(broken, "r+") as file:
        del file["obs/barcode"]
        file["obs"].attrs["column-order"] = ["section", "label"]
    assert_refused(run("--n-domains", "4", embedding=broken), "no column 'barcode'")


def test_graph_of_other_spots(run, assert_refused, graph, tmp_path):
    other = tmp_path / "other.h5ad"
    other.write_bytes(graph.read_bytes())
    with h5py.File(other, "r+") as file:
        file["obs/_index"][0] = "another"
    assert_refused(run("--n-domains", "4", graph=other), "spots are not those of", "built from the same latents")


def test_swapped_files(run, assert_refused, toy_run, graph):
    assert_refused(run("--n-domains", "4", embedding=graph), "is of kind graph", "a embedding file")
    assert_refused(run("--n-domains", "4", graph=toy_run.embedding), "is of kind embedding")


def test_text_instead_of_a_file(run, assert_refused, tmp_path):
    (tmp_path / "text.h5ad").write_text("not HDF5")
    assert_refused(run("--n-domains", "4", embedding=tmp_path / "text.h5ad"), "text.h5ad")
