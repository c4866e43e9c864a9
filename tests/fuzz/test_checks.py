"""Samplesheets and parameters of every wrong kind, all in one process of Nextflow."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from ..checks import ends
from .text_damage import DAMAGES, LONG

SHEET = (
    b"dataset,section,rna,labels,platform,n_domains,order\n"
    b"one,s1,a.h5ad,region,visium,7,1\n"
    b"one,s2,b.h5ad,region,visium,7,2\n"
)
COLUMNS = (
    "dataset", "section", "rna", "adt", "atac", "histone", "metabolite", "morphology", "multi", "spatial", "image",
    "scale", "image_features", "labels", "platform", "genome", "n_domains", "order",
)  # fmt: skip
VALUES = (
    "", " ", "../up", "/", "a/../../etc/passwd", "$(touch hacked)", "`touch hacked`", "a;touch hacked", "a|b", "a&b",
    "a'b", "a\\b", "a\x07b", "\u202eb", "ｆull", "é", "-rf", "--help", "*", "~", "a b", ".hidden",
    "x" * 65, "x" * 100_000,
    "NaN", "1e3", "-1", "99999999999999999999", "0x7", "7.0", "true", "null", "a.h5ad", "loop", "dangling", "folder",
    "http://[bad", "s3://", "file:///etc/passwd", "a.h5ad\x00", "%00", "${params}", "{{7*7}}", "<script>", "a.h5ad?x#y",
)  # fmt: skip
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
GIVEN: tuple[Any, ...] = (
    "", "x", "1", "-1", "1e400", True, False, -1, 0, 7, 10**12, 10**30, 0.5, -0.5, 1e308, [], [1], {}, {"a": 1}, "a'b",
    "$(touch hacked)", "smart,../x", "\x00", "x" * 10_000, "é", "none", "null", "mclust", "a\nb", " smart", "--help",
)  # fmt: skip


def sheets() -> dict[str, bytes]:
    """All samplesheets of one run, by what is wrong with them."""
    found = {f"sheet: {name}": damage(SHEET) for name, damage in DAMAGES.items()}
    for column in COLUMNS:
        for number, value in enumerate(VALUES):
            row = {"dataset": "one", "section": "s1", "rna": "a.h5ad"} | {column: value}
            text = ",".join(COLUMNS) + "\n" + ",".join(row.get(name, "") for name in COLUMNS) + "\n"
            found[f"{column}: value {number}, {value[:20]!a}"] = text.encode()
    for seed in range(2000 if LONG else 60):
        draw = random.Random(seed)
        words = [*VALUES[:20], *COLUMNS, "one", "a.h5ad", '"', "\t", "\r", "\ufeff", "7"]
        rows = [[draw.choice(words) for _ in range(draw.randrange(1, 6))] for _ in range(draw.randrange(5))]
        found[f"seed {seed}"] = ("dataset,rna,section\n" * (seed % 2) + "\n".join(map(",".join, rows))).encode()
    return found


@pytest.fixture(scope="module")
def schema(project: Path) -> dict[str, dict[str, Any]]:
    groups = json.loads((project / "nextflow_schema.json").read_text())["$defs"].values()
    return {name: rule for group in groups for name, rule in group["properties"].items()}


@pytest.fixture(scope="module")
def found(schema: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Every case with what the checks made of it."""
    folder = tmp_path_factory.mktemp("checks")
    here = folder / "sheets"
    (here / "folder").mkdir(parents=True)
    (here / "a.h5ad").touch()
    (here / "b.h5ad").touch()
    (here / "loop").symlink_to("loop")
    (here / "dangling").symlink_to("nowhere")
    paths = {}
    for number, (name, content) in enumerate(sheets().items()):
        paths[name] = here / f"{number}.csv"
        paths[name].write_bytes(content)
    paths |= {"a folder": here, "a loop": here / "loop", "absent": here / "none.csv", "a\nname": here / "a\nb.csv"}
    params = [
        {"simulate": "test", name: value} for name in [*schema, "sedes", "", "a-b", "__proto__"] for value in GIVEN
    ]
    result = ends(folder, sheets=[str(path) for path in paths.values()], params=params)
    assert not list(folder.rglob("hacked"))
    return {
        "sheets": [(name, path, end) for (name, path), end in zip(paths.items(), result["sheets"], strict=True)],
        "params": list(zip(params, result["params"], strict=True)),
    }


def test_sheets_are_refused_by_name_or_safe(found: dict[str, Any]) -> None:
    wrong = []
    for name, path, end in found["sheets"]:
        if "accepted" in end:
            safe = all(safe_section(meta) for meta in end["accepted"])
        else:
            safe = end.get("refused", "").startswith(f"Samplesheet {path}") and "Exception:" not in end["refused"]
        if not safe:
            wrong.append((name, json.dumps(end)[:300]))
    assert not wrong, f"{len(wrong)} of {len(found['sheets'])}: " + "\n".join(map(str, wrong[:40]))


def safe_section(meta: dict[str, Any]) -> bool:
    """Whether what reaches command lines and file names of tasks can be no more than that."""
    names = [meta["dataset"], meta["section"], *meta["stack"]]
    labels = meta["labels"] or ""
    if meta["image_features"] not in (None, "patches") or not re.fullmatch(r"[0-9.eE-]*", meta["scale"] or ""):
        return False
    if meta["genome"]:
        names.append(meta["genome"])
    return all(SAFE_NAME.fullmatch(name) for name in names) and not re.search(r"['\"\\$`\x00-\x1f]", labels)


def valid(rule: dict[str, Any], value: Any) -> bool:
    """Whether a value fits a rule of the schema, as the schema's types say."""
    kinds = {"boolean": bool, "integer": int, "number": (int, float), "string": (str, int, float)}
    if not isinstance(value, kinds[rule["type"]]) or (isinstance(value, bool) and rule["type"] != "boolean"):
        return False
    if "enum" in rule and str(value) not in rule["enum"]:
        return False
    if "pattern" in rule and not re.fullmatch(rule["pattern"], str(value)):
        return False
    return rule.get("minimum", value) <= value <= rule.get("maximum", value) if rule["type"] != "string" else True


def test_params_are_refused_by_name_or_fit_the_schema(found: dict[str, Any], schema: dict[str, Any]) -> None:
    wrong = []
    for given, end in found["params"]:
        name, value = list(given.items())[-1]
        if "accepted" in end:
            good = name in schema and (valid(schema[name], value) or name == "help")
        else:
            text = end.get("refused", "")
            good = (
                text.startswith("Parameters:")
                and "Exception:" not in text
                and not (name in schema and fits(schema, name, value))
            )
            good = good and (f"--{name}" in text or name in ("input", "simulate"))
        if not good:
            wrong.append((name, value if len(str(value)) < 50 else "long", json.dumps(end)[:200]))
    assert not wrong, f"{len(wrong)} of {len(found['params'])}: " + "\n".join(map(str, wrong[:60]))


def fits(schema: dict[str, Any], name: str, value: Any) -> bool:
    """Whether a parameter that was refused would have fitted; the input excludes a simulation."""
    return name != "input" and valid(schema[name], value)
