"""Several sections through the whole of preprocessing: order, features, correction, what a section lacks."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import mudata as md
import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from spatialweave.errors import InputError
from spatialweave.io.contract import write
from spatialweave.io.dataset import read_dataset
from spatialweave.io.notices import InputWarning
from spatialweave.preprocess.dataset import preprocess

RECIPE = """
modalities:
  rna: {min_spots: 1, variable_features: all, target_sum: 10000, scale: true, components: 5}
  adt: {min_spots: 0, clr_per: protein, scale: true, components: 3}
  atac: {min_spots: 1, method: tf_idf, target_sum: 10000, components: 5}
"""
CORRECTED = RECIPE + "sections: {harmony: true, theta: 10, rounds: 20}\n"
PLAIN = RECIPE + "sections: {harmony: false}\n"
GENES = [f"g{j}" for j in range(60)]
SectionWriter = Callable[..., Path]
RecipeWriter = Callable[[str], Path]


def counts(section: int, n_spots: int = 120, batch: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
    """Counts of 60 genes and the spots' domains; each section but the first has its own factor on every gene."""
    tissue, own = np.random.default_rng(0), np.random.default_rng(100 + section)
    rates = tissue.gamma(2, 5, (3, 60)) * np.exp(own.normal(0, batch * (section > 0), 60))
    domains = own.integers(0, 3, n_spots)
    return own.poisson(rates[domains]), domains


def barcodes(n_spots: int = 120) -> list[str]:
    return [f"b{i:03d}" for i in range(n_spots)]


def steps(data: md.MuData, modality: str) -> list[str]:
    return [step["step"] for step in json.loads(data[modality].uns["preprocess"])["steps"]]


def other_section(latent: np.ndarray, sections: np.ndarray) -> float:
    """Fraction of the 15 nearest spots that are in the other of two sections of one size; half is full mixing."""
    near = NearestNeighbors(n_neighbors=16).fit(latent).kneighbors(latent, return_distance=False)[:, 1:]
    return float((sections[near] != sections[:, None]).mean())


def test_a_strong_batch_effect_goes_and_domains_stay(write_section: SectionWriter, recipe_file: RecipeWriter) -> None:
    given = [counts(0), counts(1)]
    paths = [write_section({"rna": (barcodes(), GENES, c)}, section=n) for n, (c, _) in zip("ab", given, strict=True)]
    sections, domains = np.repeat(["a", "b"], 120), np.concatenate([d for _, d in given])
    plain = preprocess(paths, recipe_file(PLAIN), 0)
    before = plain["rna"].obsm["X_latent"]
    corrected = preprocess(paths, recipe_file(CORRECTED), 0)
    after = corrected["rna"].obsm["X_latent"]
    assert other_section(before, sections) < 0.05 and other_section(after, sections) > 0.35
    nearest = NearestNeighbors(n_neighbors=1).fit(after[:120]).kneighbors(after[120:], return_distance=False)[:, 0]
    assert (domains[:120][nearest] == domains[120:]).mean() > 0.97
    assert steps(plain, "rna")[-1] == "pca" and steps(corrected, "rna")[-1] == "harmony"
    # The way back to features is that of the principal components.
    np.testing.assert_array_equal(corrected["rna"].varm["loadings"], plain["rna"].varm["loadings"])


def test_same_seed_gives_the_same_bytes(write_section: SectionWriter, recipe_file: RecipeWriter) -> None:
    paths = [write_section({"rna": (barcodes(), GENES, counts(i)[0])}, section=f"s{i}") for i in range(3)]
    first, second = (preprocess(paths, recipe_file(CORRECTED), 5)["rna"].obsm["X_latent"] for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_a_recipe_without_settings_of_sections(write_section: SectionWriter, recipe_file: RecipeWriter) -> None:
    paths = [write_section({"rna": (barcodes(), GENES, counts(i)[0])}, section=f"s{i}") for i in range(2)]
    expected = preprocess(paths, recipe_file(PLAIN), 0)["rna"].obsm["X_latent"]
    silent = recipe_file(RECIPE)
    with pytest.warns(InputWarning, match="has no block 'sections'"):
        data = preprocess(paths, silent, 0)
    np.testing.assert_array_equal(data["rna"].obsm["X_latent"], expected)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        preprocess(paths[:1], silent, 0)


def test_sections_keep_the_order_of_the_paths(write_section: SectionWriter, recipe_file: RecipeWriter) -> None:
    paths = [write_section({"rna": (barcodes(), GENES, counts(i)[0])}, section=n) for i, n in enumerate("cab")]
    data = preprocess(paths, recipe_file(CORRECTED), 0)
    assert list(dict.fromkeys(data.obs["section"])) == ["c", "a", "b"]
    assert data.obs_names[[0, 120, 240]].tolist() == ["c:b000", "a:b000", "b:b000"]


def test_columns_of_the_users_own_are_carried_along(write_section: SectionWriter, recipe_file: RecipeWriter) -> None:
    def donor(data: md.MuData) -> None:
        data.obs["meta_donor"] = "P1"

    paths = [
        write_section({"rna": (barcodes(), GENES, counts(i)[0])}, section=f"s{i}", change=change)
        for i, change in enumerate([donor, None])
    ]
    obs = preprocess(paths, recipe_file(CORRECTED), 0).obs
    assert obs.groupby("section")["meta_donor"].unique().map(list).to_dict() == {"s0": ["P1"], "s1": [""]}


def test_the_order_of_features_does_not_matter(write_section: SectionWriter, recipe_file: RecipeWriter) -> None:
    given = [counts(0)[0], counts(1)[0]]
    straight = [write_section({"rna": (barcodes(), GENES, c)}, section=f"s{i}") for i, c in enumerate(given)]
    expected = preprocess(straight, recipe_file(CORRECTED), 0)["rna"]
    order = np.random.default_rng(0).permutation(60)
    turned = {"rna": (barcodes(), [GENES[j].upper() for j in order], given[1][:, order])}
    with pytest.warns(InputWarning, match=r"60 features are named differently .* 'g\d+' and 'G\d+'"):
        found = preprocess([straight[0], write_section(turned, section="s1")], recipe_file(CORRECTED), 0)["rna"]
    assert found.var_names.tolist() == expected.var_names.tolist() == GENES
    np.testing.assert_array_equal(found.obsm["X_latent"], expected.obsm["X_latent"])


def test_peaks_called_apart_are_joined_before_anything_else(
    write_section: SectionWriter, recipe_file: RecipeWriter
) -> None:
    """As if the second section's two halves of every peak had been counted as one, on one set of peaks."""
    first, second = counts(0)[0], counts(1)[0]
    peaks = [f"chr1:{1000 * j}-{1000 * j + 500}" for j in range(60)]
    halves = [f"chr1:{1000 * j + d}-{1000 * j + d + 250}" for j in range(60) for d in (0, 250)]
    split = np.random.default_rng(3).binomial(second, 0.5)
    halved = np.stack([split, second - split], axis=2).reshape(len(second), -1)
    paths = [write_section({"atac": (barcodes(), peaks, first)}, section="a")]
    whole = [*paths, write_section({"atac": (barcodes(), peaks, second)}, section="whole")]
    parts = [*paths, write_section({"atac": (barcodes(), halves, halved)}, section="parts")]
    expected = preprocess(whole, recipe_file(CORRECTED), 0)["atac"]
    with pytest.warns(InputWarning, match="60 common peaks: 60 of section 'a', 120 of section 'parts'"):
        found = preprocess(parts, recipe_file(CORRECTED), 0)["atac"]
    assert found.var_names.tolist() == peaks
    np.testing.assert_allclose(found.obsm["X_latent"], expected.obsm["X_latent"], atol=1e-6)


def test_a_modality_of_one_section_is_not_corrected(
    write_section: SectionWriter, recipe_file: RecipeWriter, tmp_path: Path
) -> None:
    rna = [counts(0)[0], counts(1)[0]]
    proteins = (barcodes()[20:], ["p0", "p1", "p2", "p3"], counts(0)[0][20:, :4])
    both = write_section({"rna": (barcodes(), GENES, rna[0]), "adt": proteins}, section="a")
    alone = write_section({"adt": proteins}, section="alone")
    one = write_section({"rna": (barcodes(), GENES, rna[1])}, section="b")
    data = preprocess([one, both], recipe_file(CORRECTED), 0)
    assert steps(data, "rna")[-1] == "harmony" and steps(data, "adt")[-1] == "pca"
    expected = preprocess([alone], recipe_file(CORRECTED), 0)["adt"].obsm["X_latent"]
    np.testing.assert_array_equal(data["adt"].obsm["X_latent"], expected)
    write(data, tmp_path / "latents.h5mu")
    adt = next(m for m in read_dataset(tmp_path / "latents.h5mu").modalities if m.name == "adt")
    assert np.flatnonzero(adt.present).tolist() == list(range(140, 240)) and not adt.latent[:140].any()


def test_a_modality_of_two_of_three_sections_is_corrected_between_them(
    write_section: SectionWriter, recipe_file: RecipeWriter
) -> None:
    paths = []
    for i, name in enumerate("abc"):
        own = {"rna": (barcodes(), GENES, counts(i)[0])}
        if name != "b":
            own["adt"] = (barcodes(), [f"p{j}" for j in range(20)], counts(i)[0][:, :20])
        paths.append(write_section(own, section=name))
    data = preprocess(paths, recipe_file(CORRECTED), 0)
    step = json.loads(data["adt"].uns["preprocess"])["steps"][-1]
    assert (step["step"], step["sections"], step["theta"]) == ("harmony", 2, 10)
    assert json.loads(data["rna"].uns["preprocess"])["steps"][-1]["sections"] == 3


def test_a_tiny_section_is_joined_but_not_corrected(write_section: SectionWriter, recipe_file: RecipeWriter) -> None:
    paths = [
        write_section({"rna": (barcodes(n), GENES, counts(i, n)[0])}, section=f"s{i}") for i, n in enumerate((120, 3))
    ]
    with pytest.warns(InputWarning, match="modality rna: .*not corrected by Harmony: section 's1' has 3 spots"):
        data = preprocess(paths, recipe_file(CORRECTED), 0)
    assert steps(data, "rna")[-1] == "pca" and json.loads(data["rna"].uns["preprocess"])["notes"]
    expected = preprocess(paths, recipe_file(PLAIN), 0)
    np.testing.assert_array_equal(data["rna"].obsm["X_latent"], expected["rna"].obsm["X_latent"])


def test_nothing_shared_names_the_modality_and_examples(
    write_section: SectionWriter, recipe_file: RecipeWriter
) -> None:
    own = counts(0)[0]
    first = write_section({"rna": (barcodes(), GENES, own)}, section="a")
    second = write_section({"rna": (barcodes(), [f"ENSG{j:011d}" for j in range(60)], own)}, section="b")
    with pytest.raises(InputError, match=r"no feature of rna: section 'a' has 'g0', .*section 'b' has 'ENSG0000"):
        preprocess([first, second], recipe_file(CORRECTED), 0)


@pytest.mark.parametrize(
    ("second", "kept"),
    [("right", True), ("absent", False), ("not finite", False), ("three columns", False)],
)
def test_true_positions_are_carried_where_all_sections_have_them(
    second: str, kept: bool, write_section: SectionWriter, recipe_file: RecipeWriter, tmp_path: Path
) -> None:
    coordinates = [np.random.default_rng(i).normal(size=(120, 2)) for i in range(2)]
    given = {"right": coordinates[1], "not finite": np.full((120, 2), np.inf), "three columns": np.zeros((120, 3))}

    def write_one(number: int, values: np.ndarray | None) -> Path:
        def change(data: md.MuData) -> None:
            if values is not None:
                data.obsm["spatial_true"] = values

        return write_section({"rna": (barcodes(), GENES, counts(number)[0])}, section=f"s{number}", change=change)

    paths = [write_one(0, coordinates[0]), write_one(1, given.get(second))]
    data = preprocess(paths, recipe_file(PLAIN), 0)
    write(data, tmp_path / "latents.h5mu")
    read = md.read_h5mu(tmp_path / "latents.h5mu")
    assert ("spatial_true" in read.obsm) == kept
    if kept:
        assert read.obsm["spatial_true"].dtype == np.float64
        np.testing.assert_array_equal(read.obsm["spatial_true"], np.concatenate(coordinates))


def test_variable_genes_and_scaling_are_those_of_the_joined_counts(
    write_section: SectionWriter, recipe_file: RecipeWriter
) -> None:
    """Variable genes as scanpy chooses them on the joined counts; latents those of the dense recipe on them."""
    import scanpy as sc
    from scipy import sparse
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(4)
    joined = np.concatenate([rng.poisson(rng.gamma(1, 3, 300) * (1 + i), (120, 300)) for i in range(2)])
    genes = [f"g{j}" for j in range(300)]
    paths = [
        write_section({"rna": (barcodes(), genes, part)}, section=f"s{i}") for i, part in enumerate(np.split(joined, 2))
    ]
    data = preprocess(paths, recipe_file(PLAIN.replace("variable_features: all", "variable_features: 100")), 0)["rna"]
    reference = ad.AnnData(sparse.csr_matrix(joined, dtype=np.float32))
    sc.pp.highly_variable_genes(reference, flavor="seurat_v3", n_top_genes=100)
    chosen = reference.var["highly_variable"].to_numpy()
    assert data.var_names.tolist() == [gene for gene, own in zip(genes, chosen, strict=True) if own]
    logged = np.log1p(1e4 * joined / joined.sum(axis=1, keepdims=True))[:, chosen]
    expected = PCA(5, svd_solver="full").fit_transform((logged - logged.mean(axis=0)) / logged.std(axis=0, ddof=1))
    found = data.obsm["X_latent"]
    np.testing.assert_allclose(found * np.sign((found * expected).sum(axis=0)), expected, atol=1e-3)


def test_two_real_sections(
    write_section: SectionWriter, recipe_file: RecipeWriter, project: Path, shared_data: Path
) -> None:
    """Consecutive sections of one cortex: correction brings them together and keeps equal layers nearest."""
    paths, layers = [], []
    for name in ("151507", "151508"):
        section = ad.read_h5ad(shared_data / "dlpfc_visium" / f"{name}_rna.h5ad")
        section = section[np.random.default_rng(0).permutation(section.n_obs)[:1000]]
        layers.append(section.obs["domain"].astype(str).to_numpy())
        part = (section.obs_names.tolist(), section.var_names.tolist(), section.X.toarray())
        paths.append(write_section({"rna": part}, section=name, platform="visium", layout="hexagonal"))
    smart = (project / "assets" / "preprocess" / "smart.yml").read_text()
    with pytest.warns(InputWarning, match="left out: 323 of 1159 in section '151507', 304 of 1140"):
        after = preprocess(paths, recipe_file(smart), 0)["rna"].obsm["X_latent"]
        off = smart.replace("harmony: true, theta: 10, rounds: 20", "harmony: false")
        before = preprocess(paths, recipe_file(off), 0)["rna"].obsm["X_latent"]
    sections, layer = np.repeat(["a", "b"], 1000), np.concatenate(layers)
    assert other_section(after, sections) > max(0.47, other_section(before, sections))

    def agreement(latent: np.ndarray) -> float:
        near = NearestNeighbors(n_neighbors=1).fit(latent[:1000]).kneighbors(latent[1000:], return_distance=False)
        return float((layer[:1000][near[:, 0]] == layer[1000:]).mean())

    assert agreement(after) > agreement(before) - 0.02
