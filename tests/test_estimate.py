"""What the tasks of a dataset are expected to need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spatialweave.errors import InputError
from spatialweave.estimate import COLUMNS, Needs, duration, expected, lines, read_table
from spatialweave.io.sizes import DatasetSize

BEFORE, AFTER = ["INGEST", "QC", "PREPROCESS", "GRAPH"], ["ASSESS", "COMPARE", "ASSEMBLE", "EXPORT", "REPORT_DATASET"]
EVERY = {"ASSESS": 1, "EXPORT": 1}
OPTIONAL = ["ALIGN", "MAP", "SCAN", "WEAVE", "MATCH", "SAVE_MODEL", "CHARACTERISE", "COHORT", "PASSPORTS"]
STAGES = [*BEFORE, "CLUSTER", "EVALUATE", *AFTER, *OPTIONAL]
ANY = Needs(1.0, 10.0, 5.0, 100.0, 0.5, 1.0, 0.0, 1.0)
TABLE = {(stage, ""): ANY for stage in [*STAGES, "TRAIN"]} | {
    ("TRAIN", "large"): Needs(2.0, 100.0, 5.0, 100.0, 0.5, 0.1, 0.0, 1.0)
}
MILLION = DatasetSize(10**6, 3 * 10**8, (2000, 100), 6 * 10**8, guessed=False)


def test_a_line_of_the_table_holds_for_the_size_of_the_input() -> None:
    times = EVERY | {"SCAN": 6, "WEAVE": 1, "CHARACTERISE": 1, "GRAPH": 2}
    tasks = {(task.stage, task.method): task for task in expected(MILLION, TABLE, ["large", "small"], 3, times)}
    # 0.6 GB of files
    assert tasks["INGEST", ""].gb == pytest.approx(1.0 + 10.0 * 0.6)
    assert tasks["INGEST", ""].seconds == pytest.approx(5.0 + 100.0 * 0.6)
    # 120 bytes per spot and 1.25 per value
    assert tasks["QC", ""].gb == pytest.approx(1.0 + 10.0 * (0.12 + 0.375))
    # 145 bytes per spot and 3.7 for each of 2 x 30 components
    latents = 0.145 + 0.222
    assert tasks["TRAIN", "large"].gb == pytest.approx(2.0 + 100.0 * latents)
    assert tasks["TRAIN", "small"].gb == pytest.approx(1.0 + 10.0 * latents)
    assert tasks["TRAIN", "large"].times == 3
    assert tasks["TRAIN", "large"].beyond == pytest.approx(latents / 0.1)
    assert tasks["TRAIN", "small"].beyond == 1.0
    counted = {stage: tasks[stage, ""].times for stage in ("GRAPH", "SCAN", "CLUSTER", "EVALUATE", "WEAVE", "ASSESS")}
    assert counted == {"GRAPH": 2, "SCAN": 6, "CLUSTER": 6, "EVALUATE": 6, "WEAVE": 1, "ASSESS": 1}
    # All files of the dataset: section, latents, graph, six runs with 20 bytes of domains per spot, quality control.
    graph, embedding = 0.5 * latents, 0.5 * latents
    everything = 1.2 * (0.12 + 0.375) + latents + graph + 6 * (0.02 + embedding)
    assert tasks["CHARACTERISE", ""].gb == pytest.approx(1.0 + 10.0 * everything)


def test_beyond_the_bend_input_counts_by_a_fraction() -> None:
    bent = Needs(1.0, 10.0, 5.0, 100.0, 0.5, 1.0, 0.1, 0.2)
    assert [bent.counted(inputs) for inputs in (0.05, 0.1, 0.6)] == pytest.approx([0.05, 0.1, 0.2])


def test_stages_that_a_run_does_not_have_are_left_out() -> None:
    stages = [task.stage for task in expected(MILLION, TABLE, ["small"], 1, EVERY)]
    assert stages == [*BEFORE, "TRAIN", "CLUSTER", "EVALUATE", *AFTER]
    everything = [task.stage for task in expected(MILLION, TABLE, ["small"], 1, dict.fromkeys(STAGES, 1))]
    assert sorted(everything) == sorted([*STAGES, "TRAIN"])
    # With a saved model nothing is trained.
    stages = [task.stage for task in expected(MILLION, TABLE, [], 1, {"MAP": 1})]
    assert stages == [*BEFORE, "MAP", "EVALUATE", "COMPARE", "ASSEMBLE", "REPORT_DATASET"]


def test_what_is_too_large_is_marked() -> None:
    tasks = list(expected(MILLION, TABLE, ["large", "small"], 1, EVERY))
    text = list(lines("tissue", MILLION, tasks, 24.0))
    assert text[0] == "tissue: 1,000,000 spots, 2,000 + 100 features, 300,000,000 values"
    assert [line.split()[1] for line in text if "cannot run" in line] == ["large"]
    assert text[-1].endswith("most memory: TRAIN large, 38.7 GB")


@pytest.mark.parametrize(("seconds", "text"), [(7.4, "7 s"), (300, "5 min"), (9000, "2.5 h")])
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_every_stage_that_asks_for_memory_by_its_input_is_in_the_projects_table(project: Path) -> None:
    table = read_table(project / "assets" / "resources.csv")
    assert all(needs.gb > 0 and needs.gb_per_gb >= 0 for needs in table.values())
    modules = [path.read_text() for path in (project / "modules").glob("*.nf")]
    processes = [part for text in modules for part in re.split("^process ", text, flags=re.M)[1:]]
    by_input = {part.split()[0] for part in processes if re.search("label '(medium|large)'", part)}
    asking = {name for part in processes for name in re.findall(r"requestedMemory\('(\w+)'", part)}
    assert by_input == asking
    assert {(stage, "") for stage in asking} <= set(table)


@pytest.mark.parametrize("row", ["", "QC,\n", "QC,,much,1,1,1,1,1,1,1\n"])
def test_another_table_is_refused(tmp_path: Path, row: str) -> None:
    header = ",".join(COLUMNS[1:] if row == "QC,\n" else COLUMNS)
    (tmp_path / "resources.csv").write_text(f"{header}\n{row}" if row else "")
    with pytest.raises(InputError, match="is no table of resources"):
        read_table(tmp_path / "resources.csv")
