"""What the tasks of a dataset are expected to need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spatialweave.errors import InputError
from spatialweave.estimate import COLUMNS, Needs, Training, duration, expected, lines, read_table, read_training
from spatialweave.io.sizes import DatasetSize
from spatialweave.method import load_method
from spatialweave.presets import read_preset
from spatialweave.training.tiles import TileConfig

BEFORE, AFTER = ["INGEST", "QC", "PREPROCESS", "GRAPH"], ["ASSESS", "COMPARE", "ASSEMBLE", "EXPORT", "REPORT_DATASET"]
EVERY = {"ASSESS": 1, "EXPORT": 1}
OPTIONAL = ["ALIGN", "MAP", "SCAN", "WEAVE", "MATCH", "SAVE_MODEL", "CHARACTERISE", "COHORT", "PASSPORTS"]
STAGES = [*BEFORE, "CLUSTER", "EVALUATE", *AFTER, *OPTIONAL]
ANY = Needs(1.0, 10.0, 5.0, 100.0, 0.5, 1.0, 0.0, 1.0)
TABLE = {(stage, ""): ANY for stage in [*STAGES, "TRAIN"]} | {
    ("TRAIN", "large"): Needs(2.0, 100.0, 5.0, 100.0, 0.5, 0.1, 0.0, 1.0)
}
LARGE, SMALL = Training("large"), Training("small")
MILLION = DatasetSize(10**6, 3 * 10**8, (2000, 100), 6 * 10**8, guessed=False)


def test_a_line_of_the_table_holds_for_the_size_of_the_input() -> None:
    times = EVERY | {"SCAN": 6, "WEAVE": 1, "CHARACTERISE": 1, "GRAPH": 2}
    tasks = {(task.stage, task.method): task for task in expected(MILLION, TABLE, [LARGE, SMALL], 3, times)}
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


def test_a_variant_has_the_row_of_its_method_and_every_process_the_whole_dataset() -> None:
    variants = [Training("variant", row="large"), Training("shared", row="large", processes=4)]
    gb = {task.method: task.gb for task in expected(MILLION, TABLE, variants, 1, EVERY) if task.stage == "TRAIN"}
    # 145 bytes per spot and 3.7 for each of 2 x 30 components: 0.367 GB
    assert gb == pytest.approx({"variant": 2.0 + 36.7, "shared": 4 * (2.0 + 36.7)})


def test_of_a_training_on_all_spots_at_once_all_input_counts() -> None:
    table = TABLE | {("TRAIN", "tiles"): Needs(1.0, 10.0, 5.0, 100.0, 0.5, 1.0, 0.067, 0.1)}
    batches = {"tiles": None, "small": 50_000, "larger": 200_000, "most": 1_000_000, "whole": 0}
    trainings = [Training(name, row="tiles", batch_spots=spots) for name, spots in batches.items()]
    gb = {task.method: task.gb for task in expected(MILLION, table, trainings, 1, EVERY) if task.stage == "TRAIN"}
    tiles, larger = 1.0 + 10.0 * (0.067 + 0.03), 1.0 + 10.0 * (0.134 + 0.1 * (0.367 - 0.134))
    assert gb == pytest.approx({"tiles": tiles, "small": tiles, "larger": larger, "most": 4.67, "whole": 4.67})


def test_latents_that_are_features_are_as_wide_as_the_recipe_keeps_them() -> None:
    wide = Training("small", recipe="wide", features=1500)
    table = TABLE | {("PREPROCESS", "wide"): Needs(2.0, 40.0, 5.0, 100.0, 0.5, 1.0, 0.0, 1.0)}
    tasks = {(task.stage, task.method): task for task in expected(MILLION, table, [wide, LARGE], 1, EVERY)}
    # 1,500 of 2,000 genes and all 100 proteins, of half a byte each
    assert tasks["TRAIN", "small"].gb == pytest.approx(1.0 + 10.0 * (0.145 + 0.8))
    assert tasks["TRAIN", "large"].gb == pytest.approx(2.0 + 100.0 * 0.367)
    section = 0.12 + 0.375
    assert tasks["PREPROCESS", "wide"].gb == pytest.approx(2.0 + 40.0 * section)
    assert tasks["PREPROCESS", ""].gb == pytest.approx(1.0 + 10.0 * section)


def test_a_training_is_written_as_its_name_and_what_is_not_the_default() -> None:
    assert read_training("smart") == Training("smart")
    text = "spamca_paper:recipe=spatialglue,row=spamca,processes=4,batch_spots=0,features=3000"
    assert read_training(text) == Training("spamca_paper", "spamca", "spatialglue", 3000, 4, batch_spots=0)


@pytest.mark.parametrize("pair", ["prosesses=2", "processes=many", "batch_spots"])
def test_another_training_is_refused(pair: str) -> None:
    with pytest.raises(InputError, match=f"'smart:row=smart,{pair}': '{pair}' is not known"):
        read_training(f"smart:row=smart,{pair}")


def test_stages_that_a_run_does_not_have_are_left_out() -> None:
    stages = [task.stage for task in expected(MILLION, TABLE, [SMALL], 1, EVERY)]
    assert stages == [*BEFORE, "TRAIN", "CLUSTER", "EVALUATE", *AFTER]
    everything = [task.stage for task in expected(MILLION, TABLE, [SMALL], 1, dict.fromkeys(STAGES, 1))]
    assert sorted(everything) == sorted([*STAGES, "TRAIN"])
    # With a saved model nothing is trained.
    stages = [task.stage for task in expected(MILLION, TABLE, [], 1, {"MAP": 1})]
    assert stages == [*BEFORE, "MAP", "EVALUATE", "COMPARE", "ASSEMBLE", "REPORT_DATASET"]


def test_what_is_too_large_is_marked() -> None:
    tasks = list(expected(MILLION, TABLE, [LARGE, SMALL], 1, EVERY))
    text = list(lines("tissue", MILLION, tasks, 24.0))
    assert text[0] == "tissue: 1,000,000 spots, 2,000 + 100 features, 300,000,000 values"
    assert [line.split()[1] for line in text if "cannot run" in line] == ["large"]
    assert text[-1].endswith("most memory: TRAIN large, 38.7 GB")


def test_a_method_that_cannot_take_so_many_spots_is_marked() -> None:
    few, enough = Training("few", most_spots=999_999), Training("enough", most_spots=10**6)
    text = list(lines("tissue", MILLION, list(expected(MILLION, TABLE, [few, enough], 1, EVERY)), None))
    assert [line for line in text if "cannot run" in line] == [line for line in text if line.split()[1] == "few"]
    assert any(line.endswith("  more than 999,999 spots: cannot run") for line in text)


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


def test_methods_without_tiles_have_no_bend_and_those_with_tiles_fit_a_million_spots(project: Path) -> None:
    table = read_table(project / "assets" / "resources.csv")
    measured = {method for stage, method in table if stage == "TRAIN" and method}
    for name in measured:
        config = load_method(read_preset(project / "assets" / "methods" / f"{name}.yml").module).Config
        assert (table["TRAIN", name].bend_gb > 0) == issubclass(config, TileConfig), name
    trained = [Training("smart_ms"), Training("spamca_paper", row="spamca"), Training("spabalance")]
    gb = {task.method: task.gb for task in expected(MILLION, table, trained, 1, EVERY) if task.stage == "TRAIN"}
    assert max(gb.values()) < 24


@pytest.mark.parametrize("row", ["", "QC,\n", "QC,,much,1,1,1,1,1,1,1\n"])
def test_another_table_is_refused(tmp_path: Path, row: str) -> None:
    header = ",".join(COLUMNS[1:] if row == "QC,\n" else COLUMNS)
    (tmp_path / "resources.csv").write_text(f"{header}\n{row}" if row else "")
    with pytest.raises(InputError, match="is no table of resources"):
        read_table(tmp_path / "resources.csv")
