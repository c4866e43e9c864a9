"""The whole flow, run for real on a small simulated tissue."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
import warnings
from collections import Counter
from pathlib import Path

import pytest

from .conftest import TO_DOMAINS, Pipeline, Run, make_toy_the_only_baseline

METHODS = ("smart", "pca_smooth")
SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def finished(project: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Pipeline, Run]:
    """A finished run of `-profile test`: one dataset, SMART and the control, three seeds."""
    pipeline = Pipeline(project, tmp_path_factory.mktemp("flow"))
    return pipeline, pipeline.run("-profile", "test")


def rows(path: Path) -> list[dict[str, str]]:
    """A CSV file as a list of rows."""
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def domains(results: Path) -> dict[str, bytes]:
    """Every domains file of a run by its path in the results, as bytes."""
    return {str(path.relative_to(results)): path.read_bytes() for path in sorted(results.glob("*/domains/*/*.csv"))}


def typical_seed(results: Path, method: str) -> int:
    """The seed that agrees most with the others of the method, by the table of agreement."""
    total: Counter[int] = Counter()
    for row in rows(results / "benchmark" / "agreement.csv"):
        if row["method"] == row["other"] == method:
            for seed in (row["seed"], row["other_seed"]):
                total[int(seed)] += float(row["ari"])
    return max(sorted(total), key=total.__getitem__)


def test_every_promised_file_is_there(finished: tuple[Pipeline, Run]) -> None:
    _, run = finished
    assert run.code == 0, run.text
    expected = ["report.html", "index.csv", "notices.csv", "benchmark/metrics.csv", "benchmark/runs.csv"]
    expected += [f"benchmark/{name}.csv" for name in ("leaderboard", "overall", "differences", "agreement")]
    expected += [f"multiqc/spatialweave_{name}_mqc.tsv" for name in ("metrics", "resources", "leaderboard")]
    expected += ["test/report.html", "test/integrated.h5mu", "test/graphs/smart.spatial.graph.csv"]
    expected += ["test/integrated/section1.h5ad"]
    expected += [f"test/embeddings/{method}/seed{seed}.h5ad" for method in METHODS for seed in SEEDS]
    expected += [f"test/domains/{method}/seed{seed}.csv" for method in METHODS for seed in SEEDS]
    expected += ["test/embeddings/weave/seed1.h5ad", "test/domains/weave/seed1.csv"]
    expected += ["test/verdict.json", "test/evidence.csv", "test/modality_value.csv"]
    tables = ("composition", "markers", "neighbours", "profiles", "structure", "pseudotime")
    tables += ("denoised_auc", "denoised_curves", "distributions", "shared_edges")
    expected += [f"test/characterise/{name}.csv" for name in tables]
    shown = [f"smart.seed{typical_seed(run.results, 'smart')}", "weave.seed1"]
    expected += [f"test/passports/{name}/domain_{number}.pdf" for name in shown for number in range(1, 5)]
    info = ("execution_report.html", "timeline.html", "trace.txt", "dag.mmd", "params.json", "versions.yml")
    expected += [f"pipeline_info/{name}" for name in info]
    missing = [name for name in expected if not (run.results / name).is_file()]
    assert missing == []
    assert {path.name.split(".", 1)[1] for path in (run.results / "test" / "qc").iterdir()} == {
        "ingest.csv", "qc_spots.csv", "qc_summary.csv", "qc_lines.csv", "qc_coordinates.png", "qc_maps.png",
        "qc_violins.png", "qc_mqc.tsv",
    }  # fmt: skip


def test_the_verdict_is_on_the_console_and_in_the_report(finished: tuple[Pipeline, Run]) -> None:
    _, run = finished
    verdict = json.loads((run.results / "test" / "verdict.json").read_text())
    assert f"test: {verdict['headline'].rstrip('.')}" in run.text
    # The report has the titles of the methods.
    title = "Smoothed principal components (control) (seeds"
    headline = verdict["headline"].replace("pca_smooth (seeds", title).replace("smart (seeds", "SMART (seeds")
    assert headline in (run.results / "test" / "report.html").read_text(encoding="utf-8")
    judged = {(row["method"], int(row["seed"])) for row in rows(run.results / "test" / "evidence.csv")}
    assert judged == {(method, seed) for method in METHODS for seed in SEEDS} | {("weave", 1)}


def test_the_console_tells_results_as_they_come_and_where_to_look(finished: tuple[Pipeline, Run]) -> None:
    _, run = finished
    lines = run.text.splitlines()
    scores = {
        (row["method"], row["seed"]): float(row["value"])
        for row in rows(run.results / "benchmark" / "metrics.csv")
        if row["metric"] == "ari"
    }
    assert len(scores) == len(METHODS) * len(SEEDS) + 1
    for (method, seed), value in scores.items():
        line = f"test: {method}, seed {seed}: 4 domains; adjusted Rand index {value:.3f} with the labels"
        assert line in lines
        # Before the last step of the run.
        assert lines.index(line) < next(index for index, text in enumerate(lines) if "REPORT_RUN" in text)
    report = (run.results / "test" / "report.html").as_posix()
    assert f"test: the report is ready: {report}" in lines
    closing = lines[lines.index("Found:") :]
    verdict = json.loads((run.results / "test" / "verdict.json").read_text())
    assert closing[1:3] == [f"  test: {verdict['headline']}", f"      maps, markers, evidence: {report}"]
    assert any(line.startswith("The report: ") for line in closing)


def test_the_report_tells_of_its_run(finished: tuple[Pipeline, Run]) -> None:
    _, run = finished
    for path in (run.results / "report.html", run.results / "test" / "report.html"):
        page = path.read_text(encoding="utf-8")
        assert "-profile test" in page and "name of the run" in page and "<code>Nextflow</code>" in page


def test_index_leads_to_every_file(finished: tuple[Pipeline, Run]) -> None:
    _, run = finished
    index = rows(run.results / "index.csv")
    assert {(row["dataset"], row["method"], row["seed"], row["status"]) for row in index} == {
        ("test", method, str(seed), "completed") for method in METHODS for seed in SEEDS
    } | {("test", "weave", "1", "completed")}
    for row in index:
        for column in ("embedding", "domains", "integrated", "report"):
            assert (run.results / row[column]).is_file()


def test_tables_hold_every_run_and_both_kinds_of_metric(finished: tuple[Pipeline, Run]) -> None:
    _, run = finished
    metrics = rows(run.results / "benchmark" / "metrics.csv")
    for method in METHODS:
        for seed in SEEDS:
            own = [row for row in metrics if (row["method"], row["seed"]) == (method, str(seed))]
            values = {row["metric"]: float(row["value"]) for row in own}
            # The test tissue is easy: random domains score 0, so this fails for anything that mixes spots up.
            assert values["ari"] > 0.8
            assert -1 <= values["silhouette"] <= 1
    # The consensus of the three seeds; its embedding is made of domains, so that only metrics of domains are given.
    woven = {row["metric"]: float(row["value"]) for row in metrics if row["method"] == "weave"}
    assert woven["ari"] > 0.8 and "silhouette" not in woven and "knn_overlap_rna" not in woven
    for row in rows(run.results / "benchmark" / "runs.csv"):
        assert row["status"] == "completed"
        assert float(row["seconds"]) >= 0
        assert float(row["peak_rss_mb"]) > 0


def test_leaderboard_is_of_the_metrics(finished: tuple[Pipeline, Run]) -> None:
    _, run = finished
    metrics = rows(run.results / "benchmark" / "metrics.csv")
    board = {
        row["method"]: row for row in rows(run.results / "benchmark" / "leaderboard.csv") if row["metric"] == "ari"
    }
    assert set(board) == {*METHODS, "weave"}
    for method in METHODS:
        values = [float(row["value"]) for row in metrics if (row["method"], row["metric"]) == (method, "ari")]
        assert float(board[method]["mean"]) == pytest.approx(sum(values) / len(values))
        assert float(board[method]["low"]) <= float(board[method]["mean"]) <= float(board[method]["high"])
    assert board["pca_smooth"]["verdict"] == "the control"
    pairs = {
        (row["method"], row["seed"], row["other"], row["other_seed"])
        for row in rows(run.results / "benchmark" / "agreement.csv")
    }
    # Six runs and the consensus.
    assert len(pairs) == 21
    assert ("pca_smooth", "1", "pca_smooth", "2") in pairs


def test_integrated_file_holds_what_every_stage_made(finished: tuple[Pipeline, Run]) -> None:
    import mudata
    import numpy as np

    _, run = finished
    data = mudata.read_h5mu(run.results / "test" / "integrated.h5mu")
    assert set(data.mod) == {"rna", "adt", "atac"}
    for method in ("smart", "weave"):
        table = rows(run.results / "test" / "domains" / method / "seed1.csv")
        assert data.obs[f"{method}_1"].astype(str).to_dict() == {row["barcode"]: row["domain"] for row in table}
    assert list(data.obsm["matched_runs_weave_1"]) == ["smart.seed1", "smart.seed2", "smart.seed3"]
    for name in ("X_smart_1", "X_smart_2", "X_pca_smooth_1"):
        assert np.isfinite(data.obsm[name]).all()
    counts = data.mod["rna"].X
    assert (counts.data >= 0).all()
    assert np.array_equal(counts.data, np.round(counts.data))
    assert data.mod["rna"].obsm["X_latent_smart"].shape[0] == data.n_obs
    assert data.obsp["spatial_connectivities"].shape == (data.n_obs, data.n_obs)
    assert json.loads(data.uns["parameters"])["simulate"] == "test"
    assert {"python", "torch"} <= set(json.loads(data.uns["versions"]))


def test_section_file_is_drawn_by_squidpy(finished: tuple[Pipeline, Run], tmp_path: Path) -> None:
    import anndata
    import matplotlib
    import squidpy

    _, run = finished
    section = anndata.read_h5ad(run.results / "test" / "integrated" / "section1.h5ad")
    with warnings.catch_warnings(), matplotlib.rc_context({"backend": "Agg"}):
        warnings.simplefilter("ignore")
        squidpy.pl.spatial_scatter(section, color="weave_1", shape=None, save=tmp_path / "map.png")
    assert (tmp_path / "map.png").stat().st_size > 5000
    table = rows(run.results / "test" / "domains" / "weave" / "seed1.csv")
    assert section.obs["weave_1"].astype(str).to_dict() == {row["barcode"]: row["domain"] for row in table}


def test_resume_after_success_runs_nothing(finished: tuple[Pipeline, Run]) -> None:
    pipeline, first = finished
    again = pipeline.run("-profile", "test", "-resume")
    assert again.code == 0
    assert again.tasks("Submitted") == []
    assert sorted(again.tasks("Cached")) == sorted(first.tasks("Submitted"))


def test_same_seed_in_another_folder_gives_the_same_bytes_and_a_baseline_is_left_out(
    finished: tuple[Pipeline, Run], with_toy: Pipeline
) -> None:
    """Undisturbed but for a kill -9 of Nextflow while it trains: what goes on from there ends with the same domains.

    A baseline whose environment is not there is left out.
    """
    _, undisturbed = finished
    make_toy_the_only_baseline(with_toy)
    options = ("-profile", "test", "--methods", "smart,toy", "--seeds", "1", *TO_DOMAINS)
    command = with_toy.command(*options)
    with subprocess.Popen(
        command, cwd=with_toy.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Submitted process > INTEGRATE:TRAIN" in line:
                break
        time.sleep(3)
        os.kill(process.pid, signal.SIGKILL)
    assert not (with_toy.results / "report.html").exists()
    resumed = with_toy.run(*options, "-resume")
    assert resumed.code == 0, resumed.text
    assert any(task.startswith("PREPROCESS") for task in resumed.tasks("Cached"))
    assert any(task.startswith("TRAIN") for task in resumed.tasks("Submitted"))
    assert not [task for task in resumed.tasks("Submitted") if "toy" in task]
    expected = {f"test/domains/{method}/seed1.csv" for method in METHODS}
    expected = {name: table for name, table in domains(undisturbed.results).items() if name in expected}
    assert domains(resumed.results) == expected and len(expected) == len(METHODS)

    (notice,) = rows(resumed.results / "notices.csv")
    assert (notice["process"], notice["task"]) == ("TRAIN", "toy")
    assert "type 'make environment NAME=toy'" in notice["notice"]
    assert "make environment NAME=toy" in (resumed.results / "report.html").read_text(encoding="utf-8")
