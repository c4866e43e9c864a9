"""A trained run is saved, and labels its own sections, others, and foreign ones."""

from __future__ import annotations

import json

import anndata
import mudata
import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from sklearn.metrics import adjusted_rand_score

from spatialweave.io.contract import read_h5mu
from spatialweave.method import load_method
from spatialweave.presets import read_preset

from .conftest import call, changed, label, run_stage, train


def truth(folder, name="n.latents.h5mu"):
    return read_h5mu(folder / name, "latents").obs["label"].astype(str).to_numpy()


EXACT = {"pca_smooth": 1e-5, "smart": 1e-5, "spamca": 1e-5, "spabalance": 0.2}
"""How far the embedding of the own section may be, in its standard deviations. SpaBalance's landmarks are in no section
that is mapped, so that one that is near is not told from those that are far."""


@pytest.mark.parametrize("method", [*EXACT, "mcgate"])
def test_the_own_section_gets_its_embedding_and_domains(method, project, series, tmp_path):
    options = [] if method == "pca_smooth" else ["epochs=30"]
    trained = train(project, tmp_path, [series["section1"]], method, *options)
    again = label(trained.model, tmp_path / "again", series["section1"])
    own, found = (anndata.read_h5ad(path).X for path in (tmp_path / f"{trained.run}.h5ad", again.embedding))
    same = (again.domains["domain"] == trained.domains["domain"]).mean()
    # MCGATE's attention follows the embeddings of the training, which a model does not have.
    assert same == 1 if method in ("pca_smooth", "smart", "spamca") else same > 0.97
    if method in EXACT:
        assert np.abs(own - found).max() < EXACT[method] * own.std()
    assert again.verdict == "like" and again.statistic("unlike") < 0.05
    assert json.loads((trained.model / "model.json").read_text())["domains"]["agreement"] > 0.99


def test_refinement_is_part_of_the_labelling(project, series, tmp_path):
    trained = train(project, tmp_path, [series["section1"]], "pca_smooth", refine=2)
    again = label(trained.model, tmp_path / "again", series["section1"])
    assert (again.domains["domain"] == trained.domains["domain"]).all()


def test_unlikeness_is_measured_against_other_donors(project, series, tmp_path):
    """Sections of one donor are held out together; those of a single donor one by one, as without donors."""

    def calibration(name, donors):
        sections = []
        for (section, path), donor in zip(series.items(), donors, strict=True):
            data = mudata.read_h5mu(path)
            data.obs["meta_donor"] = donor
            (tmp_path / name).mkdir(exist_ok=True)
            sections.append(tmp_path / name / f"{section}.section.h5mu")
            data.write_h5mu(sections[-1])
        trained = train(project, tmp_path / name, sections, "pca_smooth")
        return load_file(trained.model / "model.safetensors")["calibration.embedding"]

    without, one, two = (calibration(name, list(name)) for name in ("   ", "aaa", "aab"))
    np.testing.assert_array_equal(without, one)
    assert not np.array_equal(without, two)


def test_a_section_that_was_left_out(atlas, series, tmp_path):
    found = label(atlas.model, tmp_path, series["section2"])
    assert adjusted_rand_score(truth(tmp_path), found.domains["domain"]) > 0.9
    assert found.verdict == "like" and found.statistic("unlike") < 0.05
    assert "is like the reference 'series'" in found.said
    embedded = anndata.read_h5ad(found.embedding)
    assert embedded.obs["domain"].astype(str).tolist() == found.domains["domain"].astype(str).tolist()
    table = embedded.obsm["reference"]
    assert list(table.columns) == ["probability", "unlikeness"]
    assert table.min().min() >= 0 and table.max().max() <= 1
    # The domains are the reference's: the same label has the same number there.
    own = pd.crosstab(truth(atlas.folder, "r.latents.h5mu"), atlas.domains["domain"]).idxmax(axis=1)
    new = pd.crosstab(truth(tmp_path), found.domains["domain"]).idxmax(axis=1)
    assert own.equals(new)


def test_a_shift_is_told_and_taken_away(atlas, series, tmp_path):
    def thin(counts, rng):
        counts.data = rng.binomial(counts.data.astype(int), 0.4)
        counts.eliminate_zeros()
        return counts

    found = label(atlas.model, tmp_path / "n", changed(series["section2"], tmp_path / "thin.section.h5mu", thin))
    assert found.verdict == "shifted" and found.statistic("far", "adt") > 0.9
    assert found.statistic("unlike") < 0.1
    assert adjusted_rand_score(truth(tmp_path / "n"), found.domains["domain"]) > 0.8


def other_genes(counts, rng):
    return counts[:, rng.permutation(counts.shape[1])]


def other_places(counts, rng):
    return counts[rng.permutation(counts.shape[0])]


@pytest.mark.parametrize("change", [other_genes, other_places])
def test_a_foreign_section_is_flagged(change, atlas, series, tmp_path):
    found = label(atlas.model, tmp_path / "n", changed(series["section2"], tmp_path / "f.section.h5mu", change))
    assert found.verdict == "foreign"
    assert "FOREIGN to the reference 'series'" in found.said


def test_another_tissue_is_flagged(atlas, tmp_path):
    """With the same names of features: five domains in place of four, so that features are markers of other ones."""
    options = ("--preset", "test", "--modalities", "rna,adt", "--domains", 5, "--seed", 77)
    run_stage("simulate", *options, "--out-dir", tmp_path)
    counts = ("--rna", tmp_path / "test_rna.h5ad", "--adt", tmp_path / "test_adt.h5ad")
    section = tmp_path / "o.section.h5mu"
    run_stage("ingest", "--dataset", "o", "--section", "o", *counts, "--platform", "square", "--out", section)
    assert label(atlas.model, tmp_path / "n", section).verdict == "foreign"


def test_a_foreign_part_is_flagged_where_it_is(atlas, series, tmp_path):
    chosen = {}

    def corner(counts, rng):
        n_spots = counts.shape[0]
        chosen["rows"] = np.arange(n_spots) < n_spots // 5
        moved = counts.tolil()
        moved[chosen["rows"]] = counts[chosen["rows"]][:, rng.permutation(counts.shape[1])]
        return moved.tocsr()

    found = label(atlas.model, tmp_path / "n", changed(series["section3"], tmp_path / "p.section.h5mu", corner))
    unlikeness = anndata.read_h5ad(found.embedding).obsm["reference"]["unlikeness"].to_numpy()
    assert found.verdict == "partly unlike"
    assert (unlikeness[chosen["rows"]] > 0.99).mean() > 0.9
    assert (unlikeness[~chosen["rows"]] > 0.99).mean() < 0.15


def test_missing_features(atlas, series, tmp_path):
    """A fifth of the genes and proteins is missing, the others are in another order and spelling."""
    data = mudata.read_h5mu(series["section2"])
    parts = {}
    for name, part in data.mod.items():
        kept = np.random.default_rng(0).permutation(part.n_vars)[: int(0.8 * part.n_vars)]
        parts[name] = part[:, kept].copy()
        parts[name].var_names = parts[name].var_names.str.upper()
    fewer = mudata.MuData(parts, obs=data.obs)
    fewer.obsm["spatial"], fewer.uns = data.obsm["spatial"], data.uns
    fewer.write_h5mu(tmp_path / "few.section.h5mu")
    found = label(atlas.model, tmp_path / "n", tmp_path / "few.section.h5mu")
    assert adjusted_rand_score(truth(tmp_path / "n"), found.domains["domain"]) > 0.75


def test_other_features_are_refused(atlas, series, tmp_path):
    data = mudata.read_h5mu(series["section2"])
    data.mod["rna"].var_names = [f"other{k}" for k in range(data.mod["rna"].n_vars)]
    data.write_h5mu(tmp_path / "o.section.h5mu")
    section, out = tmp_path / "o.section.h5mu", tmp_path / "l"
    result = call("preprocess", "--section", section, "--recipe", atlas.model, "--out", out)
    assert result.exit_code == 2 and "has 0% of the" in result.stderr and "'other0'" in result.stderr
    assert not out.exists()


def test_a_modality_that_is_missing_is_refused(atlas, series, tmp_path):
    data = mudata.read_h5mu(series["section2"])
    alone = mudata.MuData({"rna": data.mod["rna"]}, obs=data.obs)
    alone.obsm["spatial"], alone.uns = data.obsm["spatial"], data.uns
    alone.write_h5mu(tmp_path / "r.section.h5mu")
    result = call(
        "preprocess", "--section", tmp_path / "r.section.h5mu", "--recipe", atlas.model, "--out", tmp_path / "l"
    )
    assert result.exit_code == 2 and "no section has the modality 'adt'" in result.stderr


def test_names_of_domains_go_along(project, atlas, series, tmp_path):
    names = tmp_path / "names.csv"
    names.write_text(
        "run,domain,name,named,score,margin,p,measured,markers,evidence,not_measured\n"
        "smart.seed1,2,cortex,True,0.9,0.4,0.01,5,6,A and B,D\n"
        "smart.seed1,3,medulla,False,0.1,0.0,0.5,5,6,C,D\n"
    )
    here = atlas.folder
    files = {name: here / f"r.{name}.h5mu" for name in ("latents", "counts")}
    files |= {"graph": here / "spatial.h5ad", "embedding": here / "smart.seed1.h5ad", "names": names}
    files |= {"state": here / "smart.seed1.state.safetensors", "domains": here / "smart.seed1.domains.csv"}
    files |= {"clustering": here / "smart.seed1.json", "method": project / "assets" / "methods" / "smart.yml"}
    options = [word for name, path in files.items() for word in (f"--{name}", path)]
    run_stage("save_model", *options, "--out", tmp_path / "model")
    label(tmp_path / "model", tmp_path / "n", series["section2"])
    found = pd.read_csv(tmp_path / "n" / "tables" / "names.csv")
    assert found[["run", "domain", "name"]].to_numpy().tolist() == [["reference.seed0", 2, "cortex"]]


def test_presets_that_say_inductive_can_embed(project):
    presets = [read_preset(path) for path in sorted((project / "assets" / "methods").glob("*.yml"))]
    able = {preset.name for preset in presets if preset.inductive}
    assert able == {"mcgate", "pca_smooth", "smart", "smart_ms", "spabalance", "spamca"}
    for preset in presets:
        assert not preset.inductive or hasattr(load_method(preset.module), "embed")


def test_a_method_without_a_network_to_keep_is_refused(project, series, tmp_path):
    with pytest.raises(AssertionError, match="cannot embed spots that it was not trained on"):
        train(project, tmp_path, [series["section1"]], "coordinates")
