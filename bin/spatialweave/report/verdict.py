"""Verdict of ASSESS in a dataset's report: its text, a chart of the runs, and what each modality adds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialweave.errors import InputError
from spatialweave.io.files import read_json
from spatialweave.io.result_tables import ALL, EVIDENCE, MODALITY_VALUE
from spatialweave.io.run_names import RunKey, run_id
from spatialweave.report.interval_plot import Estimate, IntervalPlot, interval_plot
from spatialweave.report.tables import ReportTable
from spatialweave.results.titles import modality_title, run_title

if TYPE_CHECKING:
    import pandas as pd

NAMED = re.compile(r"([a-z0-9_]+) \((seeds? \d+(?:, \d+)*)\)")
"""Runs in the sentences of ASSESS, e.g. "smart (seeds 1, 2)"."""

COLUMNS = {
    "explained": "explained, %",
    "z": "z",
    "p_random": "p, random domains",
    "p_permuted": "p, permuted tissue",
    "agreement_with_runs": "agreement",
    "agreement_with_seeds": "between seeds",
    "stability": "stability",
}


@dataclass
class VerdictPart:
    """Verdict on the runs.

    Attributes
    ----------
    bad
        Whether the verdict is that the data support no domains, or not those of any run.
    """

    headline: str
    bad: bool
    reasons: list[str]
    plot: IntervalPlot | None
    table: ReportTable
    n_random: int
    n_permutations: int


@dataclass
class ModalityPart:
    """Verdict on one modality."""

    name: str
    headline: str
    reasons: list[str]


@dataclass
class ModalitiesPart:
    """Verdict on all modalities."""

    modalities: list[ModalityPart]
    plot: IntervalPlot | None
    table: ReportTable


def read_verdict(folder: Path | None, titles: Mapping[str, str]) -> tuple[VerdictPart | None, ModalitiesPart | None]:
    """Read the verdict on the runs, and what each modality adds; None for missing files.

    Parameters
    ----------
    titles
        Title of each method.

    Raises
    ------
    InputError
        When a file of ASSESS is damaged or one of them is missing.
    """
    file = _file(folder, "verdict.json")
    if folder is None or file is None:
        return None, None
    found = read_json(file)
    try:
        part = _runs(found, EVIDENCE.read(_needed(folder, "evidence.csv")), titles)
        modalities = _modalities(found, MODALITY_VALUE.read(_needed(folder, "modality_value.csv")))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise InputError(str(file), f"is not a verdict ({error})", fix="run ASSESS again") from error
    return part, modalities


def _file(folder: Path | None, name: str) -> Path | None:
    paths = sorted(folder.rglob(name)) if folder is not None and folder.is_dir() else []
    return next((path for path in paths if path.stat().st_size), None)


def _needed(folder: Path, name: str) -> Path:
    path = _file(folder, name)
    if path is None:
        raise InputError(str(folder / name), "does not exist", "the file of ASSESS beside verdict.json", "assess again")
    return path


def _runs(found: dict[str, Any], evidence: pd.DataFrame, titles: Mapping[str, str]) -> VerdictPart:
    wide = evidence[evidence["modality"] == ALL].pivot_table(
        index=["method", "seed"], columns="statistic", values="value", sort=False
    )
    supported = {(run["method"], run["seed"]): bool(run["supported"]) for run in found["runs"]}
    names = [run_title(run_id(str(method), seed), titles) for method, seed in wide.index]
    rows = [{str(key): float(value) for key, value in row.items()} for _, row in wide.iterrows()]
    runs = [(str(method), int(seed)) for method, seed in wide.index]
    estimates = [
        Estimate(
            name,
            100 * row["explained"],
            100 * row["explained_low"],
            100 * row["explained_high"],
            (100 * (row["random_mean"] - 2 * row["random_sd"]), 100 * (row["random_mean"] + 2 * row["random_sd"])),
            not supported[run],
        )
        for name, run, row in zip(names, runs, rows, strict=True)
    ]
    tissue = found["tissue"]
    modalities = [name for name in tissue["explained"] if name != ALL]
    of = modality_title(modalities[0]) if len(modalities) == 1 else "all modalities"
    plot = interval_plot(
        "Variance that the domains of each run explain at hidden spots",
        f"variance of {of} explained at hidden spots, %",
        estimates,
        "%",
        100 * tissue["permuted_highest"][ALL],
    )
    cells = []
    by_modality = _by_modality(evidence)
    columns = modalities if len(modalities) > 1 else []
    for name, run, row in zip(names, runs, rows, strict=True):
        values = [100 * row["explained"], *(row.get(column) for column in COLUMNS if column != "explained")]
        own = by_modality.get(run, {})
        cells.append([name, "yes" if supported[run] else "no", *map(_short, values), *(own.get(m) for m in columns)])
    header = ["run", "supported", *COLUMNS.values(), *(f"{modality_title(m)}, %" for m in columns)]
    table = ReportTable("Evidence for each run, without labels", header, cells)
    return VerdictPart(
        _titled(found["headline"], titles),
        found["kind"] in ("no_domains", "no_run"),
        [_titled(reason, titles) for reason in found["reasons"]],
        plot,
        table,
        int(found["random_domains"]),
        int(tissue["permutations"]),
    )


def _titled(sentence: str, titles: Mapping[str, str]) -> str:
    """Return a sentence of ASSESS with the titles of the methods that it names."""
    return NAMED.sub(lambda match: f"{titles.get(match[1], match[1])} ({match[2]})", sentence)


def _by_modality(evidence: pd.DataFrame) -> dict[RunKey, dict[str, float | None]]:
    """Return for each run what its domains explain of each modality, in percent."""
    rows = evidence[(evidence["statistic"] == "explained") & (evidence["modality"] != ALL)]
    found: dict[RunKey, dict[str, float | None]] = {}
    for method, seed, name, value in rows[["method", "seed", "modality", "value"]].itertuples(index=False):
        found.setdefault((str(method), int(seed)), {})[str(name)] = _short(100 * value)
    return found


def _short(value: Any) -> float | None:
    return None if value is None or value != value else float(f"{value:.3g}")


def _modalities(found: dict[str, Any], table: pd.DataFrame) -> ModalitiesPart | None:
    if not found["modalities"]:
        return None
    parts = [ModalityPart(one["name"], one["headline"], list(one["reasons"])) for one in found["modalities"]]
    names = [part.name for part in parts]
    gains = table[table["statistic"] == "gain"]
    keys = zip(gains["modality"], gains["of"], strict=True)
    by_target = dict(zip(keys, gains[["value", "low", "high"]].to_numpy(dtype=float), strict=True))
    estimates = []
    for name in names:
        others = [modality_title(other) for other in names if other != name]
        labels = {name: "itself", "others": others[0] if len(others) == 1 else "the others"}
        for of, label in labels.items():
            value, low, high = (100 * number for number in by_target[name, of])
            estimates.append(Estimate(f"with {modality_title(name)}: of {label}", value, low, high))
    plot = interval_plot(
        "Change of the variance explained at held-out spots with each modality",
        "change of the variance explained at held-out spots, percentage points",
        estimates,
        " points",
        0.0,
    )
    return ModalitiesPart(parts, plot, _domains_table(table, names))


def _domains_table(table: pd.DataFrame, names: list[str]) -> ReportTable:
    """Tabulate how well each domain of all modalities is found again, by other seeds and without each modality."""
    again = table[table["statistic"] == "found_again"].set_index("of")["value"]
    without = table[table["statistic"] == "found_without"].set_index(["modality", "of"])["value"]
    rows = [
        [domain, _short(value), *(_short(without.get((name, domain))) for name in names)]
        for domain, value in again.items()
    ]
    header = ["domain", "other seeds", *(f"without {modality_title(name)}" for name in names)]
    return ReportTable(
        "Domains of all modalities, by the control: highest Jaccard index with a domain found again", header, rows
    )
