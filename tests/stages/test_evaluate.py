"""bin/evaluate.py: the metrics table and the refusals."""

from __future__ import annotations

from pathlib import Path

import h5py
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.metrics import silhouette_score

from spatialweave.io.contract import read_h5ad
from spatialweave.io.dataset import read_dataset

from .conftest import script

HEADER = "barcode,section,domain\n"


@pytest.fixture(scope="module")
def command(project: Path):
    return script(project, "evaluate")


@pytest.fixture
def domains(toy_run) -> pd.DataFrame:
    obs = read_dataset(toy_run.latents).obs
    table = obs[["barcode", "section"]].reset_index(drop=True)
    return table.assign(domain=(toy_run.quadrant + 1).astype(str))


@pytest.fixture
def run(command, toy_run, graph, tmp_path):
    def call(table: pd.DataFrame | str, **files: Path):
        path = tmp_path / "domains.csv"
        path.write_text(table if isinstance(table, str) else table.to_csv(index=False))
        given = {"embedding": toy_run.embedding, "latents": toy_run.latents, "graph": graph, "domains": path} | files
        arguments = [text for name, file in given.items() for text in (f"--{name}", str(file))]
        return CliRunner().invoke(
            command, [*arguments, "--clustering", "mclust", "--out", str(tmp_path / "metrics.csv")]
        )

    return call


def test_table(run, toy_run, domains, tmp_path):
    result = run(domains)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    table = pd.read_csv(tmp_path / "metrics.csv")
    assert list(table.columns) == ["dataset", "method", "seed", "clustering", "n_domains", "metric", "value"]
    facts = table[["dataset", "method", "seed", "clustering", "n_domains"]].drop_duplicates()
    assert facts.to_numpy().tolist() == [["toy", "smart", 3, "mclust", 4]]
    value = table.set_index("metric")["value"]
    assert value.index.is_unique and value.notna().all()
    assert value["labelled_spots"] == 259 and value["unlabelled_spots"] == 29
    assert value["ari"] == 1.0 and value["jaccard"] == 1.0
    embedding = read_h5ad(toy_run.embedding, "embedding").X
    assert value["silhouette"] == pytest.approx(silhouette_score(embedding, toy_run.quadrant), abs=1e-6)
    per_modality = {f"{kind}_{name}" for kind in ("distance_correlation", "knn_overlap") for name in ("rna", "adt")}
    assert per_modality <= set(value.index)


def test_order_of_the_table_does_not_matter(run, domains, tmp_path):
    run(domains)
    first = (tmp_path / "metrics.csv").read_bytes()
    run(domains.sample(frac=1.0, random_state=1))
    assert first == (tmp_path / "metrics.csv").read_bytes()


def test_one_domain_leaves_undefined_metrics_out(run, domains, tmp_path):
    assert run(domains.assign(domain="1")).exit_code == 0
    found = set(pd.read_csv(tmp_path / "metrics.csv")["metric"])
    assert not found & {"silhouette", "davies_bouldin", "calinski_harabasz", "morans_i", "morans_i_domain_1"}
    assert {"ari", "pas", "chaos", "neighbour_agreement"} <= found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.drop(columns="domain"), ["no column 'domain'"]),
        (lambda t: t.assign(domain=["x", *t["domain"][1:]]), ["line 2", "'x'", "whole number"]),
        (lambda t: t.assign(domain=["0", *t["domain"][1:]]), ["line 2", "'0'"]),
        (lambda t: t.assign(domain=["", *t["domain"][1:]]), ["line 2", "''"]),
        (lambda t: t.iloc[2:], ["2 spots are missing", "'spot0'"]),
        (lambda t: pd.concat([t, t.iloc[:1]]), ["line 290", "also has an earlier line"]),
        (lambda t: pd.concat([t, t.iloc[:1].assign(barcode="more")]), ["line 290", "'more'", "not in the dataset"]),
        (lambda t: HEADER, ["288 spots are missing"]),
        (lambda t: "", ["not a readable CSV"]),
        (lambda t: HEADER + "a,b,c,d,e\n1,2\n", ["not a readable CSV"]),
    ],
)
def test_bad_domains_are_one_line(run, assert_refused, domains, tmp_path, change, words):
    assert_refused(run(change(domains)), *words)
    assert not (tmp_path / "metrics.csv").exists()


def test_absent_domains(run, assert_refused, domains, tmp_path):
    assert_refused(run(domains, domains=tmp_path / "absent.csv"), "absent.csv")


def test_swapped_files(run, assert_refused, domains, toy_run, graph):
    assert_refused(run(domains, embedding=graph), "is of kind graph")
    assert_refused(run(domains, graph=toy_run.embedding), "is of kind embedding")
    assert_refused(run(domains, latents=graph), "graph.h5ad")


@pytest.mark.parametrize("text", ["[]", "{}", "{not json", '{"method": "smart", "seed": "first"}'])
def test_embedding_without_a_training_record(run, assert_refused, domains, toy_run, tmp_path, text):
    broken = tmp_path / "broken.h5ad"
    broken.write_bytes(toy_run.embedding.read_bytes())
    with h5py.File(broken, "r+") as file:
        file["uns/training"][()] = text
    assert_refused(run(domains, embedding=broken), "uns['training']", "method and seed")


def test_embedding_of_other_spots(run, assert_refused, domains, toy_run, tmp_path):
    other = tmp_path / "other.h5ad"
    other.write_bytes(toy_run.embedding.read_bytes())
    with h5py.File(other, "r+") as file:
        file["obs/_index"][0] = "another"
    assert_refused(run(domains, embedding=other), "spots are not those")
