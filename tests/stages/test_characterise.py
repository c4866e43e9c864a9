"""bin/characterise.py: the tables of a small dataset of two sections, and the refusals."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from scipy import sparse

from spatialweave.characterise.dataset import TABLES
from spatialweave.io import contract
from spatialweave.io.dataset import read_dataset
from spatialweave.io.embeddings import write_embedding
from spatialweave.io.joined_counts import SECTIONS, SectionSize, joined_counts
from spatialweave.io.result_tables import DOMAINS, METRICS

from .conftest import script

NAMES = ("p", "q", "r", "s")
MARKERS = {name: ", ".join(f"Gene{domain + 4 * k}" for k in range(5)) for domain, name in enumerate(NAMES)}
PANEL = "".join(f"{name}:\n  rna: [{genes}]\n" for name, genes in MARKERS.items())


@pytest.fixture(scope="module")
def command(project: Path):
    return script(project, "characterise")


@pytest.fixture(scope="module")
def files(toy_run, graph, tmp_path_factory) -> Path:
    """Counts of which every fourth feature is a marker of one quadrant, two runs and the consensus. Do not change."""
    folder = tmp_path_factory.mktemp("characterise")
    shutil.copy(toy_run.latents, folder / "smart.latents.h5mu")
    shutil.copy(graph, folder / "graph.h5ad")
    dataset = read_dataset(toy_run.latents)
    rng = np.random.default_rng(2)
    parts = {}
    for modality in dataset.modalities:
        n = {"rna": 60, "adt": 8}[modality.name]
        kept = np.flatnonzero(modality.present)
        rate = np.where(np.arange(n) % 4 == toy_run.quadrant[kept, None], 6.0, 1.5)
        rate[:, 3 * n // 4 :] = 2.0
        stem = {"rna": "Gene", "adt": "Protein"}[modality.name]
        parts[modality.name] = ad.AnnData(
            sparse.csr_matrix(rng.poisson(rate).astype(np.float32)),
            dataset.obs.iloc[kept][[]],
            pd.DataFrame(index=[f"{stem}{number}" for number in range(n)]),
        )
    sizes = [SectionSize(name, "square", {}, {}, 10.0) for name in dataset.sections]
    facts = {"dataset": "toy", "platform": "square", "layout": "square"}
    obs = dataset.obs.assign(meta_donor=np.where(np.arange(dataset.n_spots) < 144, "d1", "d2"))
    counts = joined_counts(parts, obs, dataset.coordinates, sizes, {}, **facts)
    contract.write(counts, folder / "smart.counts.h5mu")
    embedding = np.eye(4, dtype=np.float32)[toy_run.quadrant] + 0.1 * rng.normal(size=(dataset.n_spots, 4))
    weights = pd.DataFrame({"rna": 0.7, "adt": 0.3}, index=dataset.obs.index)
    for number, method in enumerate(["smart", "spamo", "mcgate"]):
        record = {"method": method, "seed": 1}
        write_embedding(folder / f"{method}.seed1.h5ad", dataset, embedding, record, {"modality_weights": weights})
        rows = [("toy", method, 1, "mclust", 4, "ari", 0.9 - 0.1 * number)]
        METRICS.write(folder / f"{method}.seed1.metrics.csv", METRICS.frame(rows))
    sure = pd.DataFrame({"confidence": np.where(toy_run.quadrant == 0, 1.0, 0.5)}, index=dataset.obs.index)
    runs = pd.DataFrame(1, dataset.obs.index, ["smart.seed1", "spamo.seed1", "mcgate.seed1"])
    record, extras = {"method": "weave", "seed": 1}, {"confidence": sure, "matched_runs": runs}
    write_embedding(folder / "weave.seed1.h5ad", dataset, embedding, record, extras)
    for method in ("smart", "spamo", "mcgate", "weave"):
        table = dataset.obs[["barcode", "section"]].assign(domain=toy_run.quadrant + 1)
        DOMAINS.write(folder / f"{method}.seed1.domains.csv", table)
    return folder


@pytest.fixture
def run(command, files, tmp_path) -> Callable[..., Result]:
    def call(*more: str, files: Path = files, out: str = "out"):
        return CliRunner().invoke(command, ["--files", str(files), "--out-dir", str(tmp_path / out), *more])

    return call


def tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: TABLES[path.stem].read(path) for path in folder.iterdir()}


def test_tables_of_the_run_that_is_shown_first(run, tmp_path, toy_run):
    (tmp_path / "panel.yml").write_text(PANEL)
    (tmp_path / "sets.gmt").write_text(
        "q_genes\tx\t" + "\t".join(f"gene{1 + 4 * k}" for k in range(8)) + "\nothers\tx\tGene50\tGene51\tGene52\n"
    )
    result = run("--panel", str(tmp_path / "panel.yml"), "--gene-sets", str(tmp_path / "sets.gmt"))
    assert result.exit_code == 0, result.output
    found = tables(tmp_path / "out")
    assert set(found) == set(TABLES)
    assert {run for table in found.values() for run in table["run"]} == {"weave.seed1"}

    markers = found["markers"]
    assert set(markers["section"]) == {"all", "left", "right"} and set(markers["modality"]) == {"rna", "adt"}
    pooled = markers[(markers["section"] == "all") & (markers["modality"] == "rna") & markers["marker"]]
    for domain, own in pooled.groupby("domain"):
        right = own["feature"].str.removeprefix("Gene").astype(int) % 4 == domain - 1
        assert right.mean() > 0.9 and len(own) > 6

    # The best markers of each domain are in every domain's profile.
    profiles = found["profiles"].set_index(["feature", "domain"])["mean"].unstack()
    for domain, own in pooled.groupby("domain"):
        assert (profiles.loc[own["feature"].head(3)].idxmax(axis=1) == domain).all()

    named = found["names"][found["names"]["named"]]
    assert dict(zip(named["domain"], named["name"], strict=True)) == dict(enumerate(NAMES, start=1))
    best = found["gene_sets"].iloc[0]
    assert (best["domain"], best["gene_set"], best["overlap"]) == (2, "q_genes", 8) and best["p_adjusted"] < 1e-3

    structure = found["structure"].set_index(["section", "statistic", "domain"])["value"]
    sizes = np.bincount(toy_run.quadrant).tolist()
    assert structure["all"]["spots"].tolist() == sizes and structure["left"]["spots"].sum() == 144
    # A spot is 10 micrometres wide.
    assert structure["all"]["area"].tolist() == [100.0 * size for size in sizes]
    assert set(found["structure"].query("statistic == 'area'")["unit"]) == {"µm²"}
    # Each quadrant is one piece in both sections.
    assert structure["all"]["pieces"].tolist() == structure["all"]["largest_piece"].tolist() == [1.0] * 4
    # The three runs have the same domains.
    assert structure["all"]["agreement"].tolist() == [1.0] * 4
    assert structure["all"]["confidence"].tolist() == [1.0, 0.5, 0.5, 0.5]
    assert structure["all"]["sections"].tolist() == [2.0] * 4

    assert structure["all"]["along_lines"].tolist() == [0.0] * 4

    beside = found["neighbours"].set_index(["domain", "other"])
    # Quadrants: the first touches the second and third, the corner of the fourth hardly counts.
    assert beside.loc[(1, 4), "edges"] <= 4 and beside.loc[(1, 2), "ratio"] > 1 > beside.loc[(1, 4), "ratio"]
    sums = beside[["fraction", "expected"]].groupby("domain").sum()
    np.testing.assert_allclose(sums, 1.0, atol=1e-4)
    assert beside["edges"].unstack().to_numpy().tolist() == beside["edges"].unstack().T.to_numpy().tolist()
    donors = found["composition"].query("column == 'meta_donor'")
    assert donors["fraction"].tolist() == [0.5] * 8
    labels = found["composition"].query("column == 'label'")
    assert dict(zip(labels["domain"], labels["class"], strict=True)) == dict(enumerate(NAMES, start=1))


def test_a_domain_along_a_row_of_the_grid_is_told(run, files, tmp_path, toy_run):
    changed = tmp_path / "files"
    shutil.copytree(files, changed)
    dataset = read_dataset(toy_run.latents)
    left = (dataset.obs["section"] == "left").to_numpy()
    y = dataset.coordinates[:, 1]
    row = np.unique(y[left])[4]
    domains = np.where(left & (y == row), 5, toy_run.quadrant + 1)
    table = dataset.obs[["barcode", "section"]].assign(domain=domains)
    DOMAINS.write(changed / "weave.seed1.domains.csv", table)
    result = run(files=changed)
    assert result.exit_code == 0, result.output
    told = [line for line in result.stderr.splitlines() if "lies along" in line]
    assert len(told) == 1
    assert f"domain 5 lies along 1 row of the grid of section left (y = {row:.6g}), with 100% of its spots" in told[0]
    along = tables(tmp_path / "out")["structure"].query("statistic == 'along_lines'")
    along = along.set_index(["section", "domain"])["value"]
    assert along["all"].tolist() == along["left"].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
    # Domain 5 has no spot there.
    assert along["right"].to_dict() == dict.fromkeys((1, 2, 3, 4), 0.0)


def test_the_trajectory_of_a_consensus_is_in_the_embedding_of_the_closest_run(run, files, tmp_path, toy_run):
    """Of three members one has other domains, and one has no embedding; the groups of the third are joined."""
    folder = tmp_path / "files"
    shutil.copytree(files, folder)
    (folder / "smart.seed1.h5ad").unlink()
    data = ad.read_h5ad(folder / "mcgate.seed1.h5ad")
    data.X = data.X + np.random.default_rng(0).normal(scale=0.3, size=data.shape).astype(np.float32)
    data.write_h5ad(folder / "mcgate.seed1.h5ad")
    table = DOMAINS.read(folder / "spamo.seed1.domains.csv")
    DOMAINS.write(folder / "spamo.seed1.domains.csv", table.assign(domain=np.arange(len(table)) % 4 + 1))
    result = run("--pseudotime-root", "3", files=folder)
    assert result.exit_code == 0, result.output
    found = tables(tmp_path / "out")
    times = found["pseudotime"]
    assert times["embedding"].unique().tolist() == ["mcgate.seed1"] and len(times) == len(table)
    means = times["pseudotime"].groupby(toy_run.quadrant).mean()
    assert means.idxmin() == 2 and times["pseudotime"].min() == 0
    structure = found["structure"].query("statistic == 'pseudotime'").set_index("domain")["value"]
    assert structure[3] == pytest.approx(means[2], abs=1e-3)


def test_domains_that_are_sections_have_no_markers_and_it_is_said(run, files, tmp_path, toy_run):
    apart = tmp_path / "files"
    shutil.copytree(files, apart)
    obs = read_dataset(toy_run.latents).obs[["barcode", "section"]]
    DOMAINS.write(apart / "smart.seed1.domains.csv", obs.assign(domain=(obs["section"] == "right").astype(int) + 1))
    result = run("--run", "smart.seed1", files=apart)
    assert result.exit_code == 0, result.output
    for domain in (1, 2):
        found = "no section has 3 spots of it and 3 other spots with rna and adt to compare"
        assert f"smart.seed1, domain {domain}: {found}" in result.output
    markers = tables(tmp_path / "out")["markers"].query("run == 'smart.seed1'")
    assert markers["feature"].tolist() == [""] * 4 and not markers["marker"].any()
    assert set(markers["test"]) == {"nothing to compare with"}


def test_areas_of_sections_in_different_units_are_not_summed(run, files, tmp_path, toy_run):
    """The scale of one section is not known: its areas are in units of its coordinates, here 1 per spot."""
    changed = Path(shutil.copytree(files, tmp_path / "files"))
    counts = contract.read_h5mu(changed / "smart.counts.h5mu", "counts")
    sizes = json.loads(str(counts.uns[SECTIONS]))
    counts.uns[SECTIONS] = json.dumps(
        [size | {"micrometres": 10.0 if size["name"] == "left" else None} for size in sizes]
    )
    contract.write(counts, changed / "smart.counts.h5mu")
    assert run(files=changed).exit_code == 0
    structure = tables(tmp_path / "out")["structure"]
    areas = structure[structure["statistic"].isin(["area", "border"])]
    assert set(areas["section"]) == {"left", "right"}
    sizes = np.bincount(toy_run.quadrant) / 2
    areas = areas[areas["statistic"] == "area"].set_index(["section", "domain"])
    assert areas.loc["left", "value"].tolist() == (100 * sizes).tolist() and set(areas.loc["left", "unit"]) == {"µm²"}
    assert areas.loc["right", "value"].tolist() == sizes.tolist()
    assert set(areas.loc["right", "unit"]) == {"coordinate units²"}


def test_agreement_is_that_of_the_other_runs(run, files, tmp_path, toy_run):
    """Of two other methods, one places a half of the first domain elsewhere."""
    changed = Path(shutil.copytree(files, tmp_path / "files"))
    table = DOMAINS.read(changed / "spamo.seed1.domains.csv")
    first = np.flatnonzero(toy_run.quadrant == 0)
    table.loc[first[::2], "domain"] = 5
    DOMAINS.write(changed / "spamo.seed1.domains.csv", table)
    assert run("--run", "smart.seed1", files=changed).exit_code == 0
    found = tables(tmp_path / "out")["structure"].query("statistic == 'agreement'")
    found = found.set_index(["run", "domain"])["value"]
    assert found["smart.seed1"].tolist() == [0.75, 1.0, 1.0, 1.0]
    assert found["weave.seed1"].tolist() == pytest.approx([5 / 6, 1.0, 1.0, 1.0], abs=1e-4)


def test_a_consensus_that_is_not_shown_first_is_characterised_too(run, files, tmp_path):
    """Two methods have no majority. The root is a domain of the run shown first, or of the named one."""
    changed = Path(shutil.copytree(files, tmp_path / "files"))
    woven = ad.read_h5ad(changed / "weave.seed1.h5ad")
    woven.obsm["matched_runs"] = woven.obsm["matched_runs"].drop(columns="mcgate.seed1")
    woven.write_h5ad(changed / "weave.seed1.h5ad")
    for path in changed.glob("mcgate.*"):
        path.unlink()
    rng = np.random.default_rng(0)
    for name in ("smart", "spamo"):
        # Domains that pass into each other.
        data = ad.read_h5ad(changed / f"{name}.seed1.h5ad")
        data.X = data.X + rng.normal(scale=0.3, size=data.shape).astype(np.float32)
        data.write_h5ad(changed / f"{name}.seed1.h5ad")
    for more, runs in (((), ["smart", "weave"]), (("--run", "spamo.seed1"), ["smart", "weave", "spamo"])):
        begins = []
        for root in ("2", "3"):
            assert run("--pseudotime-root", root, *more, files=changed).exit_code == 0
            structure = tables(tmp_path / "out")["structure"]
            assert structure["run"].unique().tolist() == [f"{name}.seed1" for name in runs]
            times = structure.query("statistic == 'pseudotime'").pivot(index="run", columns="domain", values="value")
            begins.append(times.idxmin(axis=1))
        moved = begins[0] != begins[1]
        assert moved[moved].index.tolist() == ["spamo.seed1" if more else "smart.seed1"]


def test_named_runs(run, tmp_path):
    result = run("--run", "spamo.seed1", "--run", "smart.seed1", "--run", "spamca.seed1")
    assert result.exit_code == 0, result.output
    assert result.stderr.splitlines() == [
        "WARNING: --run: dataset toy has no run spamca.seed1 with domains; it is left out"
    ]
    found = tables(tmp_path / "out")
    assert set(found) == set(TABLES) - {"names", "gene_sets"}
    # After the one that is shown first.
    assert found["structure"]["run"].unique().tolist() == ["weave.seed1", "spamo.seed1", "smart.seed1"]
    weights = found["structure"].query("statistic == 'weight_rna' and run == 'smart.seed1'")
    assert weights["value"].tolist() == pytest.approx([0.7] * 4)


def test_same_seed_gives_the_same_files(run, tmp_path):
    for out, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert run("--seed", seed, out=out).exit_code == 0
    same, other = ([(tmp_path / name / "markers.csv").read_bytes() for name in pair] for pair in ("ab", "ac"))
    assert same[0] == same[1] and other[0] != other[1]
    for name in TABLES:
        if (tmp_path / "a" / f"{name}.csv").exists():
            assert (tmp_path / "a" / f"{name}.csv").read_bytes() == (tmp_path / "b" / f"{name}.csv").read_bytes()


def test_names_of_another_organism_are_noticed(run, tmp_path):
    (tmp_path / "sets.gmt").write_text("one\tx\tAbc1\tAbc2\tAbc3\n")
    result = run("--gene-sets", str(tmp_path / "sets.gmt"))
    assert result.exit_code == 0 and "check that its names are those of the measured organism" in result.stderr
    assert pd.read_csv(tmp_path / "out" / "gene_sets.csv").empty
    (tmp_path / "panel.yml").write_text("cortex: [Abc1]\n")
    result = run("--panel", str(tmp_path / "panel.yml"))
    assert result.exit_code == 0 and "panel.yml: none of its markers was measured" in result.stderr
    assert pd.read_csv(tmp_path / "out" / "names.csv").empty
    # Some names may be of another kind, or a modality may not have a feature that another has.
    (tmp_path / "panel.yml").write_text("p: [gene0, Gene999]\ncortex: [Abc1]\nq: {adt: [Gene1]}\n")
    result = run("--panel", str(tmp_path / "panel.yml"))
    found = "panel.yml: no domain can have the names 'cortex' and 'q': no marker was measured"
    assert result.exit_code == 0 and found in result.stderr
    names = tables(tmp_path / "out")["names"]
    assert set(names["name"]) == {"p"} and set(names["not_measured"]) == {"Gene999"}


def test_without_labels_metrics_or_embeddings(run, files, tmp_path):
    copy = Path(shutil.copytree(files, tmp_path / "copy"))
    for path in copy.glob("*.seed1.h5ad"):
        path.unlink()
    result = run("--run", "weave.seed1", files=copy)
    assert result.exit_code == 0, result.output
    assert tables(tmp_path / "out")["neighbours"]["paga"].isna().all()


def test_what_cannot_be_characterised_is_refused(run, files, tmp_path, assert_refused):
    copy = Path(shutil.copytree(files, tmp_path / "copy"))
    (tmp_path / "sets.gmt").write_text("one\n")
    assert_refused(run("--gene-sets", str(tmp_path / "sets.gmt")), "sets.gmt, line 1", "has no genes")
    (tmp_path / "panel.yml").write_text("1: [a]\n")
    assert_refused(run("--panel", str(tmp_path / "panel.yml")), "panel.yml", "is not text")
    (copy / "weave.seed1.domains.csv").write_text("barcode,section,domain\nelsewhere,left,1\n")
    assert_refused(run(files=copy), "weave.seed1.domains.csv", "spot 'elsewhere'")
    (copy / "graph.h5ad").unlink()
    (copy / "weave.seed1.domains.csv").unlink()
    assert_refused(run(files=copy), "holds no graph.h5ad file")
    for path in copy.glob("*.domains.csv"):
        path.unlink()
    assert_refused(run(files=copy), "no run has domains")
    assert not (tmp_path / "out").exists()


def test_check_reads_the_users_files_only(command, tmp_path, assert_refused):
    (tmp_path / "sets.gmt").write_text("one\tx\tA\n")
    (tmp_path / "panel.yml").write_text("one: [A]\n")
    call = ["--check", "--gene-sets", str(tmp_path / "sets.gmt"), "--panel", str(tmp_path / "panel.yml")]
    result = CliRunner().invoke(command, call)
    assert result.exit_code == 0 and result.output == ""
    (tmp_path / "panel.yml").write_text("one: A\n")
    assert_refused(CliRunner().invoke(command, call), "panel.yml", "'one'")
    assert "give --files and --out-dir" in CliRunner().invoke(command, []).output
