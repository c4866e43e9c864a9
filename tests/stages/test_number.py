"""bin/scan.py and bin/choose.py: the criteria of runs, and the number chosen from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from spatialweave.io.result_tables import NUMBERS, PARTITIONS

from .conftest import script


@pytest.fixture(scope="module")
def call(project: Path):
    def run(name: str, *arguments: object):
        return CliRunner().invoke(script(project, name), [str(argument) for argument in arguments])

    return run


def test_the_quadrants_are_four(call, toy_run, tmp_path):
    scanned = tmp_path / "smart.seed1.n_domains.csv"
    partitions = tmp_path / "smart.seed1.partitions.csv"
    outputs = ("--out", scanned, "--partitions", partitions)
    result = call("scan", "--embedding", toy_run.embedding, "--max-domains", 8, *outputs)
    assert result.exit_code == 0, result.output
    table = NUMBERS.read(scanned)
    assert set(table["dataset"]) == {"toy"} and set(table["n_domains"]) == set(range(3, 9))
    outputs = ("--out", tmp_path / "n_domains.json", "--table", tmp_path / "n_domains.csv")
    result = call("choose", "--criteria", scanned, "--partitions", partitions, *outputs)
    assert result.exit_code == 0 and result.stderr == "", result.output
    choice = json.loads((tmp_path / "n_domains.json").read_text())
    assert choice["number"] == 4 and choice["at_the_end"] is False
    assert len(choice["stability"]) == 6
    assert NUMBERS.read(tmp_path / "n_domains.csv").equals(table)


def test_a_choice_at_the_end_of_the_range_is_said(call, toy_run, tmp_path):
    scanned = tmp_path / "scan.csv"
    partitions = tmp_path / "partitions.csv"
    numbers = ("--min-domains", 2, "--max-domains", 4)
    call("scan", "--embedding", toy_run.embedding, *numbers, "--out", scanned, "--partitions", partitions)
    outputs = ("--out", tmp_path / "choice.json", "--table", tmp_path / "table.csv")
    result = call("choose", "--criteria", scanned, "--partitions", partitions, *outputs)
    assert "4 was chosen, at the end of the numbers tried (2 to 4): more may fit better" in result.stderr
    assert json.loads((tmp_path / "choice.json").read_text())["at_the_end"] is True


def test_the_lower_end_and_collapsed_runs_are_said_too(call, tmp_path):
    curve = {3: 0.9, 4: 0.6, 5: 0.5}
    stability = {"smart": curve, "mcgate": curve, "spamo": {3: 1.0}}
    files = []
    for method, values in stability.items():
        files.append(tmp_path / f"{method}.csv")
        NUMBERS.write(files[-1], NUMBERS.frame(("toy", method, 1, k, "stability", v) for k, v in values.items()))
    partitions = tmp_path / "partitions.csv"
    found = {"smart": [1, 1, 2, 3], "mcgate": [1, 1, 2, 3], "spamo": [1, 2, 1, 2]}
    spots = [("toy", method, 1, 3, spot, own) for method, domains in found.items() for spot, own in enumerate(domains)]
    PARTITIONS.write(partitions, PARTITIONS.frame(spots))
    inputs = [word for file in files for word in ("--criteria", file)]
    outputs = ("--out", tmp_path / "choice.json", "--table", tmp_path / "table.csv")
    result = call("choose", *inputs, "--partitions", partitions, *outputs)
    assert result.exit_code == 0, result.output
    assert "3 was chosen, at the end of the numbers tried (3 to 5): two were not tried" in result.stderr
    assert "spamo.seed1 took no part in the choice: collapsed" in result.stderr
    choice = json.loads((tmp_path / "choice.json").read_text())
    assert choice["at_the_end"] is True and choice["left_out"] == ["spamo.seed1"]
    assert choice["stability"] == {"3": 0.9, "4": 0.6, "5": 0.5}
    # The others are not compared with the collapsed run.
    between = NUMBERS.read(tmp_path / "table.csv").query("criterion == 'between_methods'")
    assert between.set_index("method")["value"].to_dict() == {"smart": 1.0, "mcgate": 1.0}


def test_methods_are_compared(call, toy_run, tmp_path):
    """The embedding of one run stands for two methods: they agree wholly, and the table has it for each."""
    files = [tmp_path / f"{name}.csv" for name in ("criteria", "partitions")]
    outputs = ("--out", files[0], "--partitions", files[1])
    assert call("scan", "--embedding", toy_run.embedding, "--max-domains", 4, *outputs).exit_code == 0
    others = [tmp_path / f"other.{file.name}" for file in files]
    for file, other in zip(files, others, strict=True):
        other.write_text(file.read_text().replace(",smart,", ",spamo,"))
    inputs = [word for pair in zip(("--criteria", "--partitions") * 2, [*files, *others], strict=True) for word in pair]
    outputs = ("--out", tmp_path / "choice.json", "--table", tmp_path / "table.csv")
    assert call("choose", *inputs, *outputs).exit_code == 0
    between = NUMBERS.read(tmp_path / "table.csv").query("criterion == 'between_methods'")
    assert between["value"].tolist() == [1.0] * 4 and set(between["method"]) == {"smart", "spamo"}


def test_a_table_of_something_else_is_refused(call, tmp_path):
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("dataset,method,seed,n_domains,criterion,value\ntoy,smart,1,two,stability,0.5\n")
    outputs = ("--out", tmp_path / "choice.json", "--table", tmp_path / "table.csv")
    result = call("choose", "--criteria", wrong, "--partitions", wrong, *outputs)
    assert result.exit_code == 2
    assert "line 2, column 'n_domains': value 'two'; expected a whole number from 1" in result.stderr
    assert not (tmp_path / "choice.json").exists() and not (tmp_path / "table.csv").exists()
