"""Sections and a recipe to latents: spots, names, joins, invariances, a real tissue."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import mudata as md
import numpy as np
import pytest

from spatialweave.errors import InputError
from spatialweave.io.contract import write
from spatialweave.io.dataset import read_dataset
from spatialweave.io.notices import InputWarning
from spatialweave.preprocess.dataset import preprocess

RECIPE = """
modalities:
  rna: {min_spots: 1, variable_features: all, target_sum: 10000, scale: true, components: 3}
  adt: {min_spots: 0, clr_per: protein, scale: true, components: 2}
sections: {harmony: false}
"""
SectionWriter = Callable[..., Path]
Parts = dict[str, tuple[list[str], list[str], np.ndarray]]


def parts(n_spots: int = 24, seed: int = 0) -> Parts:
    """RNA of all spots, ADT of all but the first three."""
    rng = np.random.default_rng(seed)
    spots = [f"b{i:02d}" for i in range(n_spots)]
    group = np.arange(n_spots) % 3
    return {
        "rna": (spots, [f"g{j}" for j in range(15)], rng.poisson(rng.gamma(1, 4, (3, 15))[group])),
        "adt": (spots[3:], [f"p{j}" for j in range(4)], rng.poisson(rng.gamma(2, 9, (3, 4))[group])[3:]),
    }


@pytest.fixture
def recipe(recipe_file: Callable[[str], Path]) -> Path:
    return recipe_file(RECIPE)


def latents(paths: list[Path], recipe: Path, seed: int = 0) -> md.MuData:
    return preprocess(paths, recipe, seed)


def test_what_the_latents_hold(write_section: SectionWriter, recipe: Path, tmp_path: Path) -> None:
    section = write_section(parts(), labels={"b00": "cortex"}, platform="visium", layout="hexagonal")
    write(latents([section], recipe), tmp_path / "latents.h5mu")
    dataset = read_dataset(tmp_path / "latents.h5mu")
    assert dataset.layout == "hexagonal"
    assert dataset.obs.index.tolist() == [f"b{i:02d}" for i in range(24)]
    assert dataset.obs["barcode"].tolist() == dataset.obs.index.tolist()
    assert set(dataset.obs["section"]) == {"s1"}
    assert dataset.obs["label"].astype(str).tolist() == ["cortex"] + [""] * 23
    np.testing.assert_array_equal(dataset.coordinates[7], [2, 1])
    rna, adt = dataset.modalities
    assert (rna.latent.shape, adt.latent.shape) == ((24, 3), (24, 2))
    assert rna.latent.dtype == np.float32
    assert rna.present.all()
    assert np.flatnonzero(~adt.present).tolist() == [0, 1, 2]
    assert not adt.latent[:3].any() and adt.latent[3:].any(axis=1).all()


def test_the_record_of_the_steps(write_section: SectionWriter, recipe: Path) -> None:
    data = latents([write_section(parts())], recipe)
    assert data["rna"].X is None
    record = json.loads(data["adt"].uns["preprocess"])
    assert [step["step"] for step in record["steps"]] == ["detected_features", "clr", "scale", "pca"]
    assert (record["n_spots"], record["n_features_in"], record["n_features"], record["n_dims"]) == (21, 4, 4, 2)
    assert len(record["variance_ratio"]) == 2 and 0 < sum(record["variance_ratio"]) < 1
    assert record["notes"] == []
    assert data.uns["spatialweave"]["recipe"] == "recipe"


def test_the_way_back_from_latents_to_features(
    write_section: SectionWriter, recipe_file: Callable[[str], Path]
) -> None:
    """With every component kept, latents and loadings give back the log values, whatever was left out."""
    spots, features, counts = parts()["rna"]
    counts = counts.copy()
    counts[:, 4] = 0  # not detected
    counts[:, 9] = np.arange(24) == 5  # in one spot only
    proteins = np.c_[parts()["adt"][2], np.full(21, 7)]  # the last does not vary
    given = {"rna": (spots, features, counts), "adt": (spots[3:], [*"abcd", "flat"], proteins)}
    recipe = recipe_file(RECIPE.replace("min_spots: 1", "min_spots: 2").replace("components: 3", "components: 30"))
    recipe.write_text(recipe.read_text().replace("components: 2", "components: 30"))
    with pytest.warns(InputWarning, match="components instead of 30"):
        data = latents([write_section(given)], recipe)
    rna, adt = data["rna"], data["adt"]
    assert rna.var_names.tolist() == [f"g{j}" for j in range(15) if j not in (4, 9)]
    assert adt.var_names.tolist() == list("abcd")
    assert rna.varm["loadings"].dtype == np.float32
    kept = np.delete(counts, [4, 9], axis=1).astype(np.float64)
    expected = {
        "rna": np.log1p(1e4 * kept / kept.sum(axis=1, keepdims=True)),
        "adt": np.log1p(proteins / np.exp(np.log1p(proteins).mean(axis=0)))[:, :4],
    }
    for part, values in ((rna, expected["rna"]), (adt, expected["adt"])):
        found = part.obsm["X_latent"] @ part.varm["loadings"].T + part.var["mean"].to_numpy()
        np.testing.assert_allclose(found * part.var["scale"].to_numpy(), values, atol=1e-4)
        np.testing.assert_allclose(part.var["scale"], values.std(axis=0, ddof=1))


def test_few_components_give_back_the_best_approximation(write_section: SectionWriter, recipe: Path) -> None:
    spots, features, counts = parts()["rna"]
    part = latents([write_section({"rna": (spots, features, counts)})], recipe)["rna"]
    values = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    scaled = (values - values.mean(axis=0)) / values.std(axis=0, ddof=1)
    u, s, vt = np.linalg.svd(scaled, full_matrices=False)
    np.testing.assert_allclose(part.obsm["X_latent"] @ part.varm["loadings"].T, (u * s)[:, :3] @ vt[:3], atol=1e-4)


def test_features_that_are_not_scaled_have_scale_1(
    write_section: SectionWriter, recipe_file: Callable[[str], Path]
) -> None:
    spots, features, counts = parts()["rna"]
    recipe = recipe_file("modalities:\n  atac: {min_spots: 1, method: tf_idf, target_sum: 10000, components: 3}\n")
    part = latents([write_section({"atac": (spots, features, counts)})], recipe)["atac"]
    assert part.var["scale"].tolist() == [1.0] * 15


def test_no_label_column_without_labels(write_section: SectionWriter, recipe: Path) -> None:
    assert "label" not in latents([write_section(parts())], recipe).obs


def test_fewer_components_are_warned_of(write_section: SectionWriter, recipe_file: Callable[[str], Path]) -> None:
    recipe = recipe_file(RECIPE.replace("components: 2", "components: 30"))
    with pytest.warns(InputWarning, match="modality adt: 4 components instead of 30"):
        data = latents([write_section(parts())], recipe)
    assert data["adt"].obsm["X_latent"].shape == (21, 4)
    assert json.loads(data["adt"].uns["preprocess"])["notes"]


def test_order_of_spots_only_permutes(write_section: SectionWriter, recipe: Path) -> None:
    spots, features, counts = parts()["rna"]
    order = np.random.default_rng(1).permutation(len(spots))
    plain = latents([write_section({"rna": (spots, features, counts)})], recipe)["rna"]
    shuffled_parts = {"rna": ([spots[i] for i in order], features, counts[order])}
    shuffled = latents([write_section(shuffled_parts, section="s2")], recipe)["rna"]
    np.testing.assert_allclose(shuffled[plain.obs_names].obsm["X_latent"], plain.obsm["X_latent"], atol=1e-5)


def test_same_seed_gives_the_same_bytes(write_section: SectionWriter, recipe: Path) -> None:
    section = write_section(parts())
    first, second = (latents([section], recipe, seed=11) for _ in range(2))
    for name in ("rna", "adt"):
        assert first[name].obsm["X_latent"].tobytes() == second[name].obsm["X_latent"].tobytes()


def test_two_sections_equal_one_with_the_rows_of_both(write_section: SectionWriter, recipe: Path) -> None:
    spots, features, counts = parts()["rna"]
    # The second section measured its features in another order, and one more.
    second = {"rna": (spots[:12], ["extra", *features[::-1]], np.c_[np.arange(12), counts[12:, ::-1]])}
    paths = [
        write_section({"rna": (spots[:12], features, counts[:12])}, section="a", labels={"b01": "x"}),
        write_section(second, section="b"),
    ]
    joined = latents(paths, recipe)
    assert joined.obs_names.tolist() == [f"a:{b}" for b in spots[:12]] + [f"b:{b}" for b in spots[:12]]
    assert joined.obs["barcode"].tolist() == spots[:12] * 2
    assert joined.obs["label"].tolist() == ["", "x"] + [""] * 22
    whole = latents([write_section({"rna": (spots, features, counts)}, section="whole")], recipe)
    np.testing.assert_allclose(joined["rna"].obsm["X_latent"], whole["rna"].obsm["X_latent"], atol=1e-5)


def test_a_modality_that_one_section_lacks_is_missing_there(write_section: SectionWriter, recipe: Path) -> None:
    first = parts()
    paths = [write_section(first, section="a"), write_section({"rna": first["rna"]}, section="b")]
    data = latents(paths, recipe)
    assert data["rna"].n_obs == 48
    assert data["adt"].obs_names.tolist() == [f"a:{b}" for b in first["adt"][0]]


def test_image_based_platforms_keep_every_feature(write_section: SectionWriter, project: Path) -> None:
    spots, features, counts = parts()["rna"]
    counts = counts.copy()
    counts[4:, 0] = 0  # in too few spots for the other platforms
    smart = project / "assets" / "preprocess" / "smart.yml"
    kept = {}
    for platform, layout in (("merfish", "cells"), ("visium", "hexagonal")):
        path = write_section({"rna": (spots, features, counts)}, platform=platform, layout=layout)
        with pytest.warns(InputWarning, match="components instead of 30"):
            kept[platform] = json.loads(latents([path], smart)["rna"].uns["preprocess"])["n_features"]
    assert kept == {"merfish": 15, "visium": 14}


def test_sections_that_do_not_belong_together_are_refused(write_section: SectionWriter, recipe: Path) -> None:
    spots, features, counts = parts()["rna"]
    base = write_section({"rna": (spots, features, counts)}, section="a")
    other = [f"h{j}" for j in range(15)]
    cases = {
        "differ in dataset: d, e": write_section({"rna": (spots, features, counts)}, section="b", dataset="e"),
        "differ in platform": write_section({"rna": (spots, features, counts)}, section="c", platform="dbit"),
        "share no feature of rna": write_section({"rna": (spots, other, counts)}, section="d"),
        "section 'a' is given twice": base,
    }
    for message, path in cases.items():
        with pytest.raises(InputError, match=message):
            latents([base, path], recipe)


def test_real_tissue(write_section: SectionWriter, project: Path, shared_data: Path) -> None:
    """DBiT-seq mouse embryo: RNA and protein of 936 pixels, against scikit-learn on the dense protein matrix."""
    from sklearn.decomposition import PCA

    files = {
        name: ad.read_h5ad(shared_data / "dbitseq_mouse_embryo" / f"{file}.h5ad")
        for name, file in (("rna", "rna"), ("adt", "protein"))
    }
    section = write_section(
        {name: (list(d.obs_names), list(d.var_names), d.X.toarray()) for name, d in files.items()}, platform="dbit"
    )
    with pytest.warns(InputWarning, match="modality adt: 22 components instead of 30"):
        data = latents([section], project / "assets" / "preprocess" / "smart.yml")
    assert data["rna"].obsm["X_latent"].shape == (936, 30)
    counts = files["adt"].X.toarray().astype(np.float64)
    clr = np.log1p(counts / np.exp(np.log1p(counts).mean(axis=0)))
    expected = PCA(svd_solver="full").fit_transform((clr - clr.mean(axis=0)) / clr.std(axis=0, ddof=1))
    found = data["adt"][files["adt"].obs_names].obsm["X_latent"]
    np.testing.assert_allclose(found * np.sign((found * expected).sum(axis=0)), expected, atol=1e-4)
