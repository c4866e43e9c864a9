"""The run's tables, from files whose content the test knows."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from spatialweave.errors import InputError
from spatialweave.io.result_tables import ALIGNMENT, INDEX, METRICS, RUNS
from spatialweave.summary import index_table, joined_table, read_notices, read_planned, read_record, runs_table


def test_runs_table_distinguishes_completed_from_failed() -> None:
    costs = {"epochs": 7, "seconds": 1.5, "peak_rss_mb": 100, "peak_gpu_mb": 20}
    done, trained_only = ({"dataset": "one", "method": "smart", "seed": seed, **costs} for seed in (1, 2))
    planned = [{"dataset": "one", "method": "smart", "seed": seed} for seed in (3, 2, 1)]
    failures = [{"dataset": "one", "method": "smart", "seed": 2, "process": "CLUSTER"}]
    metrics = METRICS.frame([("one", "smart", seed, "mclust", 3, "ari", 0.5) for seed in (1, 2)])
    runs = runs_table(planned, [done, trained_only], failures, metrics)
    assert runs["seed"].tolist() == [1, 2, 3]
    assert runs["status"].tolist() == ["completed", "failed", "failed"]
    assert runs.loc[0, ["epochs", "seconds", "peak_rss_mb", "peak_gpu_mb"]].tolist() == [7, 1.5, 100, 20]
    assert np.isnan(runs.loc[2, "seconds"])
    index = index_table(runs, ["one/report.html"])
    assert index.loc[0, "domains"] == "one/domains/smart/seed1.csv"
    assert index.loc[0, "embedding"] == "one/embeddings/smart/seed1.h5ad"
    assert index.loc[1, ["embedding", "domains", "report"]].tolist() == ["", "", "one/report.html"]
    assert index["integrated"].tolist() == ["", "", ""]


def test_a_training_without_domains_is_failed() -> None:
    """As of a dataset whose number of domains could not be chosen: no step of the run itself failed."""
    planned = [{"dataset": "one", "method": "smart", "seed": seed} for seed in (1, 2)]
    trainings = [{**run, "epochs": 7, "seconds": 1.5, "peak_rss_mb": 100, "peak_gpu_mb": 20} for run in planned]
    failures = [{"dataset": "one", "method": "", "seed": None, "process": "CHOOSE"}]
    runs = runs_table(planned, trainings, failures, METRICS.frame([("one", "smart", 2, "mclust", 3, "ari", 0.5)]))
    assert runs["status"].tolist() == ["failed", "completed"]
    assert runs["seconds"].tolist() == [1.5, 1.5]
    assert index_table(runs, [])["domains"].tolist() == ["", "one/domains/smart/seed2.csv"]


def test_notices_are_a_table_or_refused(tmp_path: Path) -> None:
    notice = {"process": "QC", "task": "one/s1", "notice": "no mitochondrial genes"}
    (tmp_path / "n.json").write_text(json.dumps([notice]))
    assert read_notices(tmp_path / "n.json").to_dict("records") == [notice]
    for wrong in ({}, [1], [{"process": "QC", "task": "a"}], [{**notice, "notice": 3}]):
        (tmp_path / "n.json").write_text(json.dumps(wrong))
        with pytest.raises(InputError, match="is not a list of notices"):
            read_notices(tmp_path / "n.json")


def test_metrics_table_joins_all_runs_in_order(tmp_path: Path) -> None:
    columns = "dataset,method,seed,clustering,n_domains,metric,value\n"
    (tmp_path / "b.csv").write_text(columns + "one,smart,1,mclust,3,nmi,0.5\none,smart,1,mclust,3,ari,0.25\n")
    (tmp_path / "a.csv").write_text(columns + "one,pca_smooth,1,mclust,3,ari,0.75\n")
    table = joined_table(METRICS, [tmp_path / "b.csv", tmp_path / "a.csv"])
    assert table["value"].tolist() == [0.75, 0.25, 0.5]
    assert list(joined_table(METRICS, []).columns) == columns.strip().split(",")


def test_an_alignment_that_fails_is_no_run_and_fails_none_by_itself(tmp_path: Path) -> None:
    planned = [{"dataset": "one", "method": "spatialfuser", "seed": 1}]
    failures = [{"dataset": "one", "method": "", "seed": None, "process": "ALIGN"}]
    assert runs_table(planned, [], failures, METRICS.frame([]))["status"].tolist() == ["failed"]
    columns = ",".join(ALIGNMENT.columns)
    rows = ["one,smart,2,s1,s2,pairs,9", "one,smart,1,s2,s3,pairs,8", "one,smart,1,s1,s2,pairs,7", "one,b,3,s1,s2,x,6"]
    (tmp_path / "a.csv").write_text("\n".join([columns, *rows]))
    assert joined_table(ALIGNMENT, [tmp_path / "a.csv"])["value"].tolist() == [6, 7, 8, 9]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"dataset": "d", "method": "m", "seed": 1}', "holds dict; expected a list of runs"),
        ('[{"dataset": "d", "method": "m", "seed": 1}, {"dataset": "d", "method": "m"}]', "run 2: is"),
        ('[{"dataset": "d", "method": "m", "seed": "1"}]', "run 1: is"),
        ("[7]", "run 1: is 7"),
    ],
)
def test_what_is_no_list_of_runs_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "planned.json").write_text(text)
    with pytest.raises(InputError, match=r"planned\.json") as raised:
        read_planned(tmp_path / "planned.json")
    assert message in str(raised.value)


@pytest.mark.parametrize("text", ["[]", '{"method": "m", "seed": 1}', '{"dataset": "d", "method": "m", "seed": true}'])
def test_a_record_that_names_no_run_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.seed1.training.json").write_text(text)
    with pytest.raises(InputError, match=r"m\.seed1\.training\.json: is .*expected dataset, method and seed of a run"):
        read_record(tmp_path / "m.seed1.training.json")


def test_summarise_script_writes_the_tables_of_the_run(tmp_path: Path, project: Path) -> None:
    record = {"dataset": "one", "method": "smart", "seed": 1, "epochs": 7, "seconds": 1.5, "peak_rss_mb": 100.0}
    (tmp_path / "r.json").write_text(json.dumps(record))
    (tmp_path / "planned.json").write_text(json.dumps([{"dataset": "one", "method": "smart", "seed": 1}]))
    (tmp_path / "failures.json").write_text("[]")
    (tmp_path / "written.json").write_text('["one/integrated.h5mu", "one/report.html"]')
    METRICS.write(tmp_path / "m.csv", METRICS.frame([("one", "smart", 1, "mclust", 3, "ari", 0.5)]))
    main = runpy.run_path(str(project / "bin" / "summarise.py"))["main"]
    options = {"--record": "r.json", "--metrics": "m.csv", "--planned": "planned.json", "--failures": "failures.json"}
    options["--written"] = "written.json"
    arguments = [word for option, name in options.items() for word in (option, str(tmp_path / name))]
    done = CliRunner().invoke(main, [*arguments, "--out-dir", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    written = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.csv"))
    tables = ["agreement", "differences", "leaderboard", "metrics", "overall", "runs"]
    assert written == [*(f"benchmark/{name}.csv" for name in tables), "index.csv"]
    assert {path.name for path in (tmp_path / "out" / "multiqc").iterdir()} == {
        "spatialweave_metrics_mqc.tsv",
        "spatialweave_resources_mqc.tsv",
    }
    index = INDEX.read(tmp_path / "out" / "index.csv")
    assert index[["integrated", "report"]].to_numpy().tolist() == [["one/integrated.h5mu", "one/report.html"]]
    assert RUNS.read(tmp_path / "out" / "benchmark" / "runs.csv")["seconds"].tolist() == [1.5]
    assert (tmp_path / "out" / "benchmark" / "metrics.csv").read_text() == (tmp_path / "m.csv").read_text()
