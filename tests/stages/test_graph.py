"""bin/graph.py: the graph file, its statistics and its refusals."""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
from anndata.io import write_elem
from click.testing import CliRunner
from sklearn.neighbors import kneighbors_graph

from spatialweave.io.dataset import read_dataset

from .conftest import script


@pytest.fixture(scope="module")
def command(project: Path):
    return script(project, "graph")


@pytest.fixture
def run(command, toy_run, tmp_path):
    def call(recipe: str | Path, *more: str, latents: Path | None = None):
        if isinstance(recipe, str):
            (tmp_path / "recipe.yml").write_text(recipe, encoding="utf-8")
            recipe = tmp_path / "recipe.yml"
        arguments = ["--latents", latents or toy_run.latents, "--recipe", recipe, "--out", tmp_path / "graph.h5ad"]
        return CliRunner().invoke(command, [*map(str, arguments), "--stats", str(tmp_path / "graph.csv"), *more])

    return call


def test_default_recipe_gives_the_contract(run, toy_run, tmp_path, project):
    result = run(project / "assets" / "graphs" / "spatial.yml")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    graph = ad.read_h5ad(tmp_path / "graph.h5ad")
    dataset = read_dataset(toy_run.latents, tmp_path / "graph.h5ad")
    assert graph.n_vars == 0
    assert set(graph.obsp) == {"spatial_distances", "spatial_connectivities"}
    distances, connectivities = dataset.graphs["spatial_distances"], dataset.graphs["spatial_connectivities"]
    assert (np.diff(distances.indptr) == 4).all()
    assert (connectivities != connectivities.T).nnz == 0
    assert set(connectivities.data) == {1.0}
    section = dataset.obs["section"].to_numpy()
    rows, columns = connectivities.nonzero()
    assert (section[rows] == section[columns]).all()
    table = pd.read_csv(tmp_path / "graph.csv")
    assert list(table.columns) == ["graph", "statistic", "value"]
    value = table.set_index("statistic")["value"]
    assert value["spots"] == 288 and value["directed_edges"] == 4 * 288 and value["components"] == 2
    assert value["edges"] == connectivities.nnz / 2


def test_feature_graphs_cover_measured_spots_only(run, toy_run, tmp_path):
    assert run("spatial: {kind: knn}\nfeatures: {k: 5, metric: euclidean}").exit_code == 0
    dataset = read_dataset(toy_run.latents, tmp_path / "graph.h5ad")
    adt = next(modality for modality in dataset.modalities if modality.name == "adt")
    found = dataset.graphs["adt_distances"]
    assert not np.diff(found.indptr)[~adt.present].any()
    truth = kneighbors_graph(adt.latent[adt.present], 5, mode="distance")
    np.testing.assert_allclose(found[adt.present][:, adt.present].toarray(), truth.toarray(), rtol=1e-5)


def test_number_of_neighbours_overrides_the_recipe(run, tmp_path):
    assert run("spatial: {kind: knn, k: 4}", "--n-neighbours", "7").exit_code == 0
    assert (np.diff(ad.read_h5ad(tmp_path / "graph.h5ad").obsp["spatial_distances"].indptr) == 7).all()


def test_the_platform_of_the_dataset_chooses_overrides(run, tmp_path, toy_run):
    recipe = "spatial: {kind: knn, k: 3}\noverrides: {dbit: {spatial: {k: 7}}, square: {spatial: {k: 5}}}"

    def degrees(*more: str, latents: Path | None = None) -> set[int]:
        assert run(recipe, *more, latents=latents).exit_code == 0
        return set(np.diff(ad.read_h5ad(tmp_path / "graph.h5ad").obsp["spatial_distances"].indptr))

    # A file that names no platform has its layout.
    assert degrees() == {5}
    named = tmp_path / "named.h5mu"
    named.write_bytes(toy_run.latents.read_bytes())
    with h5py.File(named, "r+") as file:
        write_elem(file["uns/spatialweave"], "platform", "dbit")
    assert degrees(latents=named) == {7}
    assert degrees("--n-neighbours", "2", latents=named) == {2}


def test_more_neighbours_than_spots_warns_and_goes_on(run, tmp_path):
    result = run("spatial: {kind: knn, k: 200}")
    assert result.exit_code == 0
    assert result.stderr.count("WARNING: section '") == 2
    assert (np.diff(ad.read_h5ad(tmp_path / "graph.h5ad").obsp["spatial_distances"].indptr) == 143).all()


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ("spatial: {kind: knn, n: 4}", ["'n' is not a setting", "k, kind"]),
        ("spatial: {kind: knn}\nfeature: null", ["'feature' is not a setting", "'features', perhaps"]),
        ("spatial: {kind: radios}", ["spatial.kind", "'radios'", "'radius', perhaps"]),
        ("spatial: {kind: radius, k: 4}", ["spatial.k", "only kind, radius"]),
        ("spatial: {kind: radius}", ["spatial'", "lacks radius", "median spot spacings"]),
        ("spatial: {kind: radius, radius: 0}", ["spatial.radius", "0.0 is out of bounds", "above 0 and at most 1000"]),
        ("spatial: {kind: radius, radius: 5000}", ["spatial.radius", "5000.0 is out of bounds", "at most 1000"]),
        ("spatial: {kind: radius, radius: .inf}", ["spatial.radius", "inf", "a finite number"]),
        ("spatial: {kind: knn, k: -1}", ["spatial.k", "-1 is out of bounds", "at least 0 and at most 500, or auto"]),
        ("spatial: {kind: knn, k: many}", ["spatial.k", "'many'", "a whole number, or auto"]),
        (
            "spatial: {kind: knn}\nfeatures: {k: 3, metric: cosine}",
            ["features.metric", "'cosine'", "correlation, euclidean"],
        ),
        ("spatial: {kind: knn}\nfeatures: {mutual: 3}", ["features.mutual", "true or false"]),
        ("features: null", ["lacks spatial"]),
        ("spatial: {kind: knn}\noverrides: {visum: {spatial: {k: 6}}}", ["'visum'", "'visium', perhaps"]),
        ("spatial: {kind: knn}\noverrides: {codex: {spatial: {k: -1}}}", ["overrides.codex.spatial.k", "at least 0"]),
        ("spatial: {kind: knn}\noverrides: {codex: {spatial: {radius: 2}}}", ["codex.spatial.radius", "only kind, k"]),
        ("spatial: {kind: knn}\noverrides: {codex: {spatial: {kind: radius}}}", ["codex.spatial'", "lacks radius"]),
        ("spatial: [knn", ["is not a readable YAML file"]),
        ("- spatial", ["is not a mapping", "names and values"]),
    ],
)
def test_bad_recipe_is_one_line(run, assert_refused, tmp_path, recipe, words):
    assert_refused(run(recipe), *words)
    assert not (tmp_path / "graph.h5ad").exists() and not (tmp_path / "graph.csv").exists()


def test_number_of_neighbours_needs_a_knn_recipe(run, assert_refused):
    assert_refused(run("spatial: {kind: delaunay}", "--n-neighbours", "4"), "--n-neighbours", "delaunay")


def test_a_radius_replaces_any_spatial_graph_but_not_with_a_number_of_neighbours(run, assert_refused, tmp_path):
    for recipe in ("spatial: {kind: knn, k: 7}", "spatial: {kind: delaunay}"):
        assert run(recipe, "--radius", "1.1").exit_code == 0
        degrees = np.diff(ad.read_h5ad(tmp_path / "graph.h5ad").obsp["spatial_distances"].indptr)
        # Touching spots of a square lattice: 2 at a corner, 3 at an edge, 4 inside.
        assert set(degrees) == {2, 3, 4} and (degrees == 2).sum() == 8
    assert_refused(run("spatial: {kind: knn}", "--radius", "2", "--n-neighbours", "4"), "--radius", "one of them")


def test_a_graph_without_spatial_neighbours(run, tmp_path):
    assert run("spatial: {kind: knn}\nfeatures: {k: 5, rounds: 2}", "--n-neighbours", "0").exit_code == 0
    graph = ad.read_h5ad(tmp_path / "graph.h5ad")
    assert graph.obsp["spatial_connectivities"].nnz == 0
    assert run("spatial: {kind: knn}\nfeatures: {k: 5}").exit_code == 0
    plain = ad.read_h5ad(tmp_path / "graph.h5ad")
    # Nothing to average over: rounds change nothing.
    assert (graph.obsp["rna_distances"] != plain.obsp["rna_distances"]).nnz == 0


def test_number_of_feature_neighbours(run, tmp_path):
    recipe = "spatial: {kind: knn}\nfeatures: {k: 5, metric: correlation}"
    assert run(recipe, "--feature-neighbours", "8").exit_code == 0
    assert set(np.diff(ad.read_h5ad(tmp_path / "graph.h5ad").obsp["rna_distances"].indptr)) == {8}
    assert run("spatial: {kind: knn}", "--feature-neighbours", "8").exit_code == 0
    assert set(ad.read_h5ad(tmp_path / "graph.h5ad").obsp) == {"spatial_distances", "spatial_connectivities"}


def test_absent_or_wrong_latents(run, assert_refused, toy_run, tmp_path):
    assert_refused(run("spatial: {kind: knn}", latents=tmp_path / "absent.h5mu"), "absent.h5mu")
    assert_refused(run("spatial: {kind: knn}", latents=toy_run.embedding), "embedding.h5ad")


def test_coordinates_that_are_not_finite(run, assert_refused, toy_run, tmp_path):
    broken = tmp_path / "broken.h5mu"
    broken.write_bytes(toy_run.latents.read_bytes())
    with h5py.File(broken, "r+") as file:
        file["obsm/spatial"][3, 1] = np.nan
    assert_refused(run("spatial: {kind: knn}", latents=broken), "spot 4", "finite x and y")
