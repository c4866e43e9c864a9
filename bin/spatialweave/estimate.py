"""What the tasks of a dataset are expected to need: memory, time and disk, by the table of measurements.

The table (assets/resources.csv) is made by benchmarks/resources.py. It has a constant and a factor on the size of a
task's input files; how large these will be follows from the spots, the modalities and the values above 0 of the data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spatialweave.errors import InputError
from spatialweave.io.dataset import ALL_AT_ONCE
from spatialweave.io.sizes import DatasetSize

GB = 1e9

NAMES = 120
"""Bytes per spot of a section file: names and coordinates, of which each modality has its own."""

VALUE = 1.25
"""Bytes of a count in a section file, measured on the tissue `bins` of simulate.py."""

LATENT_NAMES, LATENT_VALUE = 145, 3.7
"""Bytes per spot of a file of latents, and of each of their numbers."""

COMPONENTS = 30
"""Components of a modality in most recipes."""

KEPT_VALUE = 0.5
"""Bytes of each number of latents that are features themselves: most are 0, and files are compressed."""

DOMAIN = 20
"""Bytes per spot of a table of domains."""

KEYS = ("stage", "method")
NUMBERS = ("gb", "gb_per_gb", "seconds", "seconds_per_gb", "output_per_gb", "largest_gb", "bend_gb", "beyond")
COLUMNS = (*KEYS, *NUMBERS)


@dataclass(frozen=True)
class Needs:
    """A row of the table: see benchmarks/resources.py."""

    gb: float
    gb_per_gb: float
    seconds: float
    seconds_per_gb: float
    output_per_gb: float
    largest_gb: float
    bend_gb: float
    beyond: float

    def counted(self, inputs: float) -> float:
        """Return GB of input as they count: those beyond the bend, where there is one, by a fraction only."""
        if not self.bend_gb or inputs <= self.bend_gb:
            return inputs
        return self.bend_gb + self.beyond * (inputs - self.bend_gb)


@dataclass(frozen=True)
class Training:
    """A method that is trained, and what the memory of its trainings depends on.

    Attributes
    ----------
    row
        The method in the table whose row holds: that of which it is a variant; "" = its own, where it has one.
    recipe
        Of its preprocessing.
    features
        How many features of a modality are latents themselves, at most; 0 where principal components are.
    processes
        Share a training, with all spots in the memory of each.
    batch_spots
        Of an update, where the method has tiles; 0 = all at once, None = as many as the method chooses.
    most_spots
        That the method can take; 0 = any number.
    """

    name: str
    row: str = ""
    recipe: str = ""
    features: int = 0
    processes: int = 1
    batch_spots: int | None = None
    most_spots: int = 0


def read_training(text: str) -> Training:
    """Return the training that is written as its name and what is not the default, e.g. "smart:row=smart,processes=2".

    Raises
    ------
    InputError
        When a key is not known, or a number is not one.
    """
    name, _, rest = text.partition(":")
    known: dict[str, Callable[[str], Any]] = {
        **dict.fromkeys(("row", "recipe"), str),
        **dict.fromkeys(("features", "processes", "batch_spots", "most_spots"), int),
    }
    found: dict[str, Any] = {}
    for pair in rest.split(",") if rest else []:
        key, _, value = pair.partition("=")
        if key not in known or not (known[key] is str or value.isdecimal()):
            raise InputError("--method", f"'{text}': '{pair}' is not known", f"KEY=VALUE, of {', '.join(known)}")
        found[key] = known[key](value)
    return Training(name, **found)


@dataclass(frozen=True)
class TaskNeeds:
    """What one kind of task is expected to need.

    Attributes
    ----------
    method
        Of a training; of PREPROCESS its recipe where there are several.
    times
        How many of them there are.
    gb
        Memory of each, with the margin of the table.
    seconds
        Of each, with one thread.
    output
        GB of files of each.
    beyond
        How many times larger its input is than any that was measured; 1 where it is not.
    most_spots
        That the method of a training can take; 0 = any number.
    """

    stage: str
    method: str
    times: int
    gb: float
    seconds: float
    output: float
    beyond: float
    most_spots: int = 0


def read_table(path: Path) -> dict[tuple[str, str], Needs]:
    """Return the table of needs by stage and method, of PREPROCESS by recipe ("" = any)."""
    import pandas as pd

    try:
        table = pd.read_csv(path, keep_default_na=False)
        numbers = table[list(NUMBERS)].astype(float)
        keys = [(str(stage), str(method)) for stage, method in zip(table["stage"], table["method"], strict=True)]
    except (OSError, ValueError, KeyError) as error:
        raise InputError(str(path), f"is no table of resources ({error})", "columns " + ", ".join(COLUMNS)) from error
    return {key: Needs(*row) for key, row in zip(keys, numbers.itertuples(index=False), strict=True)}


def expected(
    size: DatasetSize,
    table: dict[tuple[str, str], Needs],
    trainings: Sequence[Training],
    seeds: int,
    times: Mapping[str, int],
) -> Iterator[TaskNeeds]:
    """Yield what the tasks of a dataset are expected to need, in the order of the flow.

    Parameters
    ----------
    trainings
        The methods that are trained, `seeds` times each.
    times
        How often each stage runs that not every run has, or not once: MAP, ALIGN, MATCH, SCAN, WEAVE, ASSESS,
        CHARACTERISE, COHORT, PASSPORTS, EXPORT, SAVE_MODEL (not named: never) and GRAPH (not named: once).
    """

    def task(stage: str, inputs: float, times: int = 1, method: str = "") -> TaskNeeds:
        return _task(stage, method, table.get((stage, method)) or table[stage, ""], inputs, times)

    def optional(stage: str, inputs: float) -> Iterator[TaskNeeds]:
        if times.get(stage):
            yield task(stage, inputs, times[stage])

    trained = len(trainings) * seeds
    runs = trained + times.get("MAP", 0)
    section = (NAMES * size.spots + VALUE * size.values) / GB
    kept = {one.recipe: one.features for one in trainings} or {"": 0}
    by_recipe = {recipe: _latents(size, features) for recipe, features in kept.items()}
    # Of the stages after training by those of the widest recipe.
    latents = max(by_recipe.values())
    yield task("INGEST", size.bytes / GB)
    yield task("QC", section)
    for recipe in by_recipe:
        yield task("PREPROCESS", section, 1, recipe)
    graph = task("GRAPH", latents, times.get("GRAPH", 1))
    yield graph
    yield from optional("ALIGN", latents)
    mapped = list(optional("MAP", latents + section))
    yield from mapped
    tasks = [_training(one, table, by_recipe[one.recipe], seeds) for one in trainings]
    yield from tasks
    embedding = max(one.output for one in [*tasks, *mapped])
    domains = DOMAIN * size.spots / GB
    yield from optional("SCAN", embedding)
    if trained:
        yield task("CLUSTER", embedding + graph.output, trained)
    yield from optional("WEAVE", runs * domains + latents)
    yield task("EVALUATE", embedding + domains + latents + graph.output, runs)
    yield from optional("ASSESS", runs * (domains + embedding) + latents)
    yield from optional("MATCH", embedding + latents)
    yield from optional("SAVE_MODEL", latents + section)
    yield task("COMPARE", runs * domains + latents)
    # All files of the dataset, with the tables of quality control.
    everything = section + latents + graph.output + runs * (domains + embedding) + 0.2 * section
    for stage in ("CHARACTERISE", "COHORT", "PASSPORTS"):
        yield from optional(stage, everything)
    assembled = task("ASSEMBLE", everything)
    yield assembled
    yield from optional("EXPORT", assembled.output)
    yield task("REPORT_DATASET", everything)


def _latents(size: DatasetSize, kept: int) -> float:
    """Return GB of a file of latents, which are components, or `kept` features at most of each modality."""
    if kept:
        numbers = KEPT_VALUE * sum(min(features or kept, kept) for features in size.features)
    else:
        numbers = LATENT_VALUE * COMPONENTS * max(len(size.features), 1)
    return (LATENT_NAMES + numbers) * size.spots / GB


def _task(stage: str, method: str, needs: Needs, inputs: float, times: int) -> TaskNeeds:
    return TaskNeeds(
        stage,
        method,
        times,
        needs.gb + needs.gb_per_gb * needs.counted(inputs),
        needs.seconds + needs.seconds_per_gb * needs.counted(inputs),
        needs.output_per_gb * inputs,
        max(1.0, inputs / needs.largest_gb) if needs.largest_gb else 1.0,
    )


def _training(training: Training, table: dict[tuple[str, str], Needs], latents: float, seeds: int) -> TaskNeeds:
    needs = table.get(("TRAIN", training.row or training.name)) or table["TRAIN", ""]
    if training.batch_spots is not None:
        # Above as many spots as an update has, or ALL_AT_ONCE, trainings are by tiles; never if it has all.
        reach = max(1.0, training.batch_spots / ALL_AT_ONCE) if training.batch_spots else 0.0
        needs = replace(needs, bend_gb=reach * needs.bend_gb)
    task = _task("TRAIN", training.name, needs, latents, seeds)
    return replace(task, gb=task.gb * training.processes, most_spots=training.most_spots)


def lines(name: str, size: DatasetSize, tasks: Sequence[TaskNeeds], most: float | None) -> Iterator[str]:
    """The estimate as text, a line per kind of task, and what they sum up to.

    Parameters
    ----------
    most
        GB that a task may have; those that need more are marked.
    """
    features = " + ".join(f"{number:,}" for number in size.features if number)
    about = "about " if size.guessed else ""
    yield f"{name}: {about}{size.spots:,} spots, {features or 'unknown'} features, {about}{size.values:,} values"
    if size.guessed:
        yield "  (guessed from the size of files whose header does not say it)"
    yield f"  {'task':<28}{'times':>6}{'memory':>10}{'time each':>12}{'files':>10}"
    for task in tasks:
        title = f"{task.stage} {task.method}".strip()
        line = f"  {title:<28}{task.times:>6}{task.gb:>7.1f} GB{duration(task.seconds):>12}{task.output:>7.2f} GB"
        if 0 < task.most_spots < size.spots:
            line += f"  more than {task.most_spots:,} spots: cannot run"
        elif most is not None and task.gb > most:
            line += f"  more than {most:g} GB: cannot run"
        elif task.beyond > 2:
            line += f"  {task.beyond:.0f} times larger than what was measured"
        yield line
    seconds = sum(task.times * task.seconds for task in tasks)
    disk = sum(task.times * task.output for task in tasks)
    largest = max(tasks, key=lambda task: task.gb)
    yield (
        f"  in all {duration(seconds)} of one CPU, {disk:.1f} GB of files in the work folder; most memory: "
        f"{f'{largest.stage} {largest.method}'.strip()}, {largest.gb:.1f} GB"
    )


def duration(seconds: float) -> str:
    """A duration in words, e.g. "40 s", "12 min" or "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
