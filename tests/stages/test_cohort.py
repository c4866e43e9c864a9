"""COHORT by its stage script, on files that the stages before it wrote of a simulated cohort."""

from __future__ import annotations

import base64
import json
import shutil
import warnings
from importlib.metadata import version
from pathlib import Path

import anndata
import h5py
import pandas as pd
import pytest
from click.testing import CliRunner

import cohort as stage
from spatialweave import simulate
from spatialweave.graphs.build import build_graphs
from spatialweave.graphs.recipe import read_recipe
from spatialweave.io.contract import write
from spatialweave.io.dataset import read_dataset
from spatialweave.io.result_tables import DOMAINS, METRICS, NAMES
from spatialweave.io.section import SectionInput, read_section
from spatialweave.preprocess.dataset import preprocess
from spatialweave.report.cohort import few_donors

DATASET = "lesion"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, project: Path) -> Path:
    """The domains are the known ones."""
    folder = tmp_path_factory.mktemp("cohort")
    sections = simulate.simulate_cohort(simulate.COHORTS["cohort"], 1)
    simulate.write_series(sections, folder / "input", DATASET, 5)
    sheet = pd.read_csv(folder / "input" / "samplesheet.csv")
    written = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for row in sheet.itertuples():
            given = SectionInput(
                DATASET,
                row.section,
                files={name: folder / "input" / getattr(row, name) for name in ("rna", "adt")},
                labels=simulate.LABEL,
                platform="square",
                order=row.order,
                carried={"donor": row.donor, "condition": row.condition},
            )
            written.append(folder / f"{row.section}.h5mu")
            write(read_section(given), written[-1])
        recipe = project / "assets" / "preprocess" / "smart.yml"
        (folder / "files").mkdir()
        latents = folder / "files" / "smart.latents.h5mu"
        write(preprocess(written, recipe, 0, folder / "files" / "smart.counts.h5mu"), latents)
        dataset = read_dataset(latents)
        graph = read_recipe(project / "assets" / "graphs" / "spatial.yml", "square", ["rna", "adt"])
        write(build_graphs(dataset, graph), folder / "files" / "graph.h5ad")
    domains = dataset.obs.assign(domain=dataset.obs["label"].astype(str).str[-1].astype(int))
    DOMAINS.write(folder / "files" / "smart.seed1.domains.csv", domains[["barcode", "section", "domain"]])
    METRICS.write(folder / "files" / "smart.seed1.metrics.csv", METRICS.frame([]))
    return folder / "files"


def run(files: Path, out: Path, *options: str) -> tuple[int, str]:
    arguments = ["--files", str(files), "--out-dir", str(out), *options]
    result = CliRunner().invoke(stage.main, arguments)
    return result.exit_code, result.output


def test_what_differs_is_found_and_shown(files: Path, tmp_path: Path) -> None:
    code, said = run(files, tmp_path / "out")
    assert code == 0, said
    assert f"{DATASET}: treated against control: not paired, no donor has both; at 5% FDR, domains" in said
    assert (
        "change in abundance: 3; pairs of a domain and a neighbour that change: not tested (domains 1, 2, 3, 4 and 5"
        in said
    )
    abundance = pd.read_csv(tmp_path / "out" / "abundance.csv").set_index("domain")
    assert abundance.loc[3, "log2_ratio"] == pytest.approx(1.3, abs=0.4)
    assert (abundance["p_adjusted"] < 0.05).to_dict() == {1: False, 2: False, 3: True, 4: False, 5: False}
    expression = pd.read_csv(tmp_path / "out" / "expression.csv")
    hits = expression[(expression["p_adjusted"] < 0.05) & (expression["modality"] == "rna")]
    changed = {f"Gene{number:04d}" for number in range(191, 201)}
    assert set(hits.loc[hits["domain"] == 3, "feature"]) >= changed
    assert len(hits[(hits["domain"] != 3) | ~hits["feature"].isin(changed)]) <= 3
    # A third of the proteins doubles: the others stay as they are.
    proteins = expression[(expression["p_adjusted"] < 0.05) & (expression["modality"] == "adt")]
    doubled = {f"Protein{number:03d}" for number in range(21, 31)}
    assert set(proteins.loc[proteins["domain"] == 3, "feature"]) >= doubled
    assert len(proteins[(proteins["domain"] != 3) | ~proteins["feature"].isin(doubled)]) <= 1
    unchanged = expression[(expression["modality"] == "adt") & ~expression["feature"].isin(doubled)]
    assert abs(unchanged.loc[unchanged["domain"] == 3, "log2_fold_change"].mean()) < 0.1
    assert (expression[["donors", "donors_reference"]] == 4).all(axis=None)
    samples = pd.read_csv(tmp_path / "out" / "samples.csv")
    assert samples.groupby("donor")["spots"].sum().eq(480).all() and samples["donor"].nunique() == 8
    page = (tmp_path / "out" / "cohort.html").read_text()
    assert "Which domains are larger or smaller?" in page and "Gene0191" in page and "domains of" in page.lower()
    assert "treated against control: not paired, no donor has both; at 5% FDR" in page
    assert (
        "No pair of domains differs" not in page
        and "Not tested: treated: domains 1, 2, 3, 4 and 5: the same neighbours" in page
    )
    assert "https://doi.org/10.1186/s13059-014-0550-8" in page and version("pydeseq2") in page


def test_the_page_has_the_run_and_the_names_of_the_domains(files: Path, tmp_path: Path) -> None:
    named = tmp_path / "files"
    shutil.copytree(files, named)
    rows = [("smart.seed1", 3, "Lesion core", True, 1.0, 0.5, 0.01, 3, 4, "Gene0191", "Gene0192"),
            ("other.seed1", 1, "Elsewhere", True, 1.0, 0.5, 0.01, 3, 4, "Gene0001", "Gene0002")]  # fmt: skip
    NAMES.write(named / "names.csv", NAMES.frame(rows))
    record = {"started": "2026-01-02T03:04:05Z", "command": "nextflow run . --input sheet.csv"}
    encoded = base64.b64encode(json.dumps(record).encode()).decode()
    code, said = run(named, tmp_path / "out", "--run-record", encoded)
    assert code == 0 and "domains that change in abundance: 3: Lesion core; pairs" in said
    page = (tmp_path / "out" / "cohort.html").read_text()
    assert "run of 2026-01-02" in page and "nextflow run . --input sheet.csv" in page
    assert "domain 3: Lesion core" in page and "Elsewhere" not in page


def test_the_reference_turns_the_sign(files: Path, tmp_path: Path) -> None:
    code, said = run(files, tmp_path / "out", "--reference", "treated")
    assert code == 0, said
    row = pd.read_csv(tmp_path / "out" / "abundance.csv").set_index("domain").loc[3]
    assert row["condition"] == "control" and row["log2_ratio"] < -0.9


def test_values_that_are_no_counts_are_not_compared(files: Path, tmp_path: Path) -> None:
    """Normalised values that the samplesheet declares as precomputed, rounded down, would pass for counts."""
    declared = tmp_path / "files"
    shutil.copytree(files, declared)
    with h5py.File(declared / "smart.counts.h5mu", "a") as stored:
        anndata.io.write_elem(stored["mod/rna/uns"], "precomputed", "values")
    code, said = run(declared, tmp_path / "out")
    assert code == 0, said
    assert "modality rna: its values are declared precomputed and are not counts" in said
    assert set(pd.read_csv(tmp_path / "out" / "expression.csv")["modality"]) == {"adt"}
    page = (tmp_path / "out" / "cohort.html").read_text()
    assert "Not tested: RNA: its values are declared precomputed and are not counts." in page
    # What was found is not all: the log says so, too.
    assert "(not tested: RNA: its values are declared precomputed and are not counts)" in said


def test_without_counts_nothing_is_said_to_be_found(files: Path, tmp_path: Path) -> None:
    declared = tmp_path / "files"
    shutil.copytree(files, declared)
    with h5py.File(declared / "smart.counts.h5mu", "a") as stored:
        anndata.io.write_elem(stored["mod/rna/uns"], "precomputed", "values")
        anndata.io.write_elem(stored["mod/adt/uns"], "measured", "intensities")
    code, said = run(declared, tmp_path / "out")
    assert code == 0, said
    assert "features that change in expression in a domain: not tested (" in said
    assert "intensities are not compared, only counts" in said
    assert "No feature differs" not in (tmp_path / "out" / "cohort.html").read_text()


def test_an_unknown_reference_is_refused(files: Path, tmp_path: Path) -> None:
    code, said = run(files, tmp_path / "out", "--reference", "placebo")
    assert code == 2 and "--cohort_reference: 'placebo' is not a condition; expected one of control, treated" in said
    assert not (tmp_path / "out").exists()


def test_domains_with_few_donors_are_said() -> None:
    columns = ["condition", "domain", "neighbour", "donors", "donors_reference"]
    table = pd.DataFrame([("b", 1, 2, 2, 4), ("b", 3, 2, 2, 4), ("b", 2, 1, 3, 3)], columns=columns)
    labels, of_all = {1: "1", 2: "2", 3: "3: Core"}, table.iloc[2:].assign(donors=4, donors_reference=4)
    assert few_donors(table, of_all, labels) == [
        "b, domains 1 and 3: Core: only 2 + 4 donors have enough spots of it and its neighbour, so only very large "
        "differences can be found."
    ]
    assert few_donors(table.iloc[2:].drop(columns="neighbour"), of_all, labels) == []
    # The page has a line on all domains where the whole comparison has few donors.
    assert few_donors(table, table.iloc[:1], labels) == []
