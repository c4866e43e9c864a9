"""The HTML of the reports, without a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import zlib
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.result_tables import METRICS, RUNS
from spatialweave.report.dataset import DatasetSources, write_dataset_report
from spatialweave.report.encode import pack, pack_codes, script_json
from spatialweave.report.page_data import thin_losses
from spatialweave.report.run import RunSources, write_run_report

LOADING = {"src", "srcset", "poster", "data", "background"}
EVIL = "<script>window.hacked = 1</script>\"'&</script>"


class Page(HTMLParser):
    """Collects what a test asks of a page: tags with attributes, script texts, table rows, visible text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.scripts: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._stack: list[str] = []
        self.html = path.read_text(encoding="utf-8")
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        self._stack.append(tag)
        if tag == "script":
            self.scripts.append("")
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        while self._stack and self._stack.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "script" in self._stack:
            self.scripts[-1] += data
        elif "style" not in self._stack:
            self.text += data
            if {"td", "th"} & set(self._stack) and self.rows and self.rows[-1]:
                self.rows[-1][-1] += data

    def data(self) -> dict[str, Any]:
        index = [tag for tag in self.tags if tag[0] == "script"].index(
            ("script", {"type": "application/json", "id": "data"})
        )
        return dict(json.loads(self.scripts[index]))


def unpack(packed: dict[str, Any]) -> Any:
    raw = zlib.decompress(base64.b64decode(packed["bytes"]))
    return json.loads(raw) if packed["dtype"] == "text" else np.frombuffer(raw, packed["dtype"])


def dataset_page(sources: DatasetSources, folder: Path) -> Page:
    write_dataset_report(sources, folder / "report.html")
    return Page(folder / "report.html")


@pytest.fixture(autouse=True)
def fast_umap(monkeypatch: pytest.MonkeyPatch) -> None:
    """UMAP has a test of its own; elsewhere the first two dimensions replace it."""
    monkeypatch.setattr("spatialweave.report.page_data.project", lambda points: np.asarray(points[:, :2]))


@pytest.fixture(scope="module")
def sources(make_dataset: Callable[..., DatasetSources]) -> DatasetSources:
    return make_dataset()


def loads_nothing(page: Page) -> bool:
    """Whether no tag fetches anything but data URIs."""
    urls = [value for _, attrs in page.tags for name, value in attrs.items() if name in LOADING]
    links = [attrs.get("href", "") for tag, attrs in page.tags if tag == "link"]
    styles = re.findall(r"<style>(.*?)</style>", page.html, re.DOTALL)
    imported = any("url(" in style or "@import" in style for style in styles)
    return all(url.startswith("data:") for url in urls + links) and not imported


def test_page_is_self_contained_and_allows_its_own_scripts_only(sources: DatasetSources, tmp_path: Path) -> None:
    page = dataset_page(sources, tmp_path)
    assert loads_nothing(page)
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    assert "'unsafe-inline'" not in policy.split("style-src")[0]
    code = [
        text for text, tag in zip(page.scripts, (t for t in page.tags if t[0] == "script"), strict=True) if not tag[1]
    ]
    assert len(code) == 8
    for text in code:
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy


def test_same_input_same_page(sources: DatasetSources, tmp_path: Path) -> None:
    first, second = dataset_page(sources, tmp_path).html, dataset_page(sources, tmp_path).html
    assert first == second


def test_metrics_table_equals_the_metrics_files(sources: DatasetSources, tmp_path: Path) -> None:
    page = dataset_page(sources, tmp_path)
    assert sources.files is not None
    table = pd.concat(pd.read_csv(path) for path in sources.files.glob("*.metrics.csv"))
    header = next(row for row in page.rows if row[0] == "metric")
    assert header == ["metric", "pca_smooth", "SMART"]
    for metric, title in [
        ("ari", "Adjusted Rand index"),
        ("pas", "PAS"),
        ("knn_overlap_rna", "Neighbourhood overlap, RNA"),
    ]:
        row = next(row for row in page.rows if row[0].strip().startswith(title))
        for cell, method in zip(row[1:], ["pca_smooth", "smart"], strict=True):
            values = table.loc[(table["metric"] == metric) & (table["method"] == method), "value"]
            shown = [float(part) for part in cell.split(" ± ")]
            assert shown == pytest.approx([values.mean(), values.std()], abs=6e-4)


def test_embedded_domains_and_coordinates_equal_the_files(sources: DatasetSources, tmp_path: Path) -> None:
    data = dataset_page(sources, tmp_path).data()
    assert sources.files is not None
    barcodes = unpack(data["barcodes"])
    for run in data["runs"]:
        table = pd.read_csv(sources.files / f"{run['method']}.seed{run['seed']}.domains.csv", dtype=str)
        codes = unpack(run["domains"]["codes"])
        assert [run["domains"]["names"][code] for code in codes] == table["domain"].tolist()
        assert barcodes == table["barcode"].tolist()
    assert unpack(data["x"])[13] == pytest.approx(10)
    assert unpack(data["y"])[13] == pytest.approx(10)


def test_same_colours_in_all_runs(sources: DatasetSources, tmp_path: Path) -> None:
    data = dataset_page(sources, tmp_path).data()

    def colours(classes: dict[str, Any]) -> np.ndarray:
        return np.array([*classes["colours"], "none"])[unpack(classes["codes"])]

    labels = colours(data["labels"])
    for run in data["runs"]:
        # The made-up domains are the labels, numbered anew, with 5 or 20 per cent of the spots wrong.
        assert (colours(run["domains"]) == labels).mean() > 0.75


def test_top_features_are_those_of_the_spots_region(sources: DatasetSources, tmp_path: Path) -> None:
    data = dataset_page(sources, tmp_path).data()
    top = data["topFeatures"][0]
    names = [*unpack(top["names"]), None]
    first = [names[code] for code in unpack(top["codes"]).reshape(-1, 3)[:, 0]]
    region = unpack(data["labels"]["codes"])
    # Region r raises the features whose number is r modulo 4.
    right = [int(name.removeprefix("rna")) % 4 == code for name, code in zip(first, region, strict=True) if name]
    assert np.mean(right) > 0.6


def values_of(drawn: dict[str, Any]) -> np.ndarray:
    return drawn["low"] + unpack(drawn["steps"]) / 254 * (drawn["top"] - drawn["low"])


def test_per_spot_outputs(sources: DatasetSources, tmp_path: Path) -> None:
    page = dataset_page(sources, tmp_path)
    assert "Per-spot outputs of the method" in page.text
    data = page.data()
    runs = {(run["method"], run["seed"]): run["perSpot"] for run in data["runs"]}
    assert runs["pca_smooth", 1] is None
    shown = [seed for (method, seed), outputs in runs.items() if method == "smart" and outputs]
    best = data["runs"][data["best"]]["seed"]
    assert shown == sorted({1, best})
    outputs = runs["smart", 1]
    names = [column["name"] for column in outputs["extras"]]
    assert names[:3] == ["Weight of RNA", "Weight of protein (ADT)", "Weight of view rna spatial"]
    assert names[3:] == [f"Probability of cluster {k}" for k in range(1, 5)]
    region = unpack(data["labels"]["codes"])  # 4 = no label, of the first spot
    weights = values_of(outputs["extras"][1])[1:]
    assert weights == pytest.approx((region[1:] + 1) / 5, abs=3e-3)
    assert (outputs["extras"][0]["low"], outputs["extras"][0]["top"]) == (
        outputs["extras"][1]["low"],
        outputs["extras"][1]["top"],
    )
    assert values_of(outputs["extras"][5])[1:] == pytest.approx((region[1:] == 2).astype(float), abs=0.01)
    assert [column["name"] for column in outputs["denoised"]] == [f"{m}{k}" for m in ("rna", "adt") for k in range(6)]
    assert values_of(outputs["denoised"][7])[1:] == pytest.approx(np.where(region[1:] == 1, 2, -0.5), abs=0.01)


def test_measured_features_stand_beside_their_own_denoised_ones(
    make_dataset: Callable[..., DatasetSources], tmp_path: Path
) -> None:
    """With names that HDF5 cannot hold too."""
    data = dataset_page(make_dataset(prefix="a/b "), tmp_path).data()
    by_name = {(feature["modality"], feature["name"]): feature for feature in data["features"]}
    compared = 0
    for column in data["runs"][data["best"]]["perSpot"]["denoised"]:
        assert column["name"].startswith("a/b ")
        measured = data["measured"][column["measured"]]
        assert measured["name"] == column["name"]
        same = by_name.get((column["modality"], column["name"]))
        if same:
            compared += 1
            assert unpack(measured["steps"]).tolist() == unpack(same["steps"]).tolist()
    assert compared > 3


def test_tables_of_many_columns_and_runs_are_cut(
    make_dataset: Callable[..., DatasetSources], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("spatialweave.report.per_spot.MAX_VALUES", 1.5 * 144)
    data = dataset_page(make_dataset(n_domains=16, seeds=(1, 2, 3)), tmp_path).data()
    shown = [index for index, run in enumerate(data["runs"]) if run["perSpot"]]
    assert shown == [data["best"]]
    assert len(data["runs"][data["best"]]["perSpot"]["extras"]) == 12


def test_no_section_where_no_method_has_per_spot_outputs(
    make_dataset: Callable[..., DatasetSources], tmp_path: Path
) -> None:
    page = dataset_page(make_dataset(methods=("pca_smooth",)), tmp_path)
    assert "Per-spot outputs" not in page.text
    assert not [attrs for _, attrs in page.tags if attrs.get("id") == "per-spot"]


def test_failures_of_this_dataset_only(sources: DatasetSources, tmp_path: Path) -> None:
    page = dataset_page(sources, tmp_path)
    rows = [row for row in page.rows if "TRAIN" in row]
    assert rows == [["demo", "smart", "9", "TRAIN", "1", "loss is NaN at step 3", "/tmp/w/.command.err"]]


def test_names_cannot_become_markup(make_dataset: Callable[..., DatasetSources], tmp_path: Path) -> None:
    page = dataset_page(make_dataset(dataset=f"d{EVIL}", prefix=EVIL), tmp_path)
    assert sum(tag == "script" for tag, _ in page.tags) == 9
    assert not any("hacked" in script for script in page.scripts if script not in (page.scripts[0],))
    assert unpack(page.data()["barcodes"])[0] == f"{EVIL}spot0"
    assert EVIL in page.text


def test_all_runs_failed(make_dataset: Callable[..., DatasetSources], tmp_path: Path) -> None:
    made = make_dataset(rows=2, columns=5, modalities={"rna": 9}, n_domains=2, labels=False, methods=())
    page = dataset_page(made, tmp_path)
    assert "No run of this dataset has domains" in page.text
    assert "loss is NaN at step 3" in page.text
    assert page.data()["features"]


def test_only_latents(sources: DatasetSources, tmp_path: Path) -> None:
    page = dataset_page(DatasetSources(sources.dataset, latents=sources.latents), tmp_path)
    assert "No run of this dataset has domains" in page.text


def test_embedding_without_domains(make_dataset: Callable[..., DatasetSources], tmp_path: Path) -> None:
    made = make_dataset()
    assert made.files is not None
    (made.files / "smart.seed2.domains.csv").unlink()
    data = dataset_page(made, tmp_path).data()
    run = next(run for run in data["runs"] if (run["method"], run["seed"]) == ("smart", 2))
    assert run["domains"] is None
    assert run["umap"]


def test_sections_lie_side_by_side(make_dataset: Callable[..., DatasetSources], tmp_path: Path) -> None:
    data = dataset_page(make_dataset(sections=("s1", "s2", "s3")), tmp_path).data()
    x, y, section = unpack(data["x"]), unpack(data["y"]), unpack(data["sections"]["codes"])
    boxes = [
        (x[section == k].min(), x[section == k].max(), y[section == k].min(), y[section == k].max()) for k in range(3)
    ]
    for i, a in enumerate(boxes):
        for b in boxes[i + 1 :]:
            assert a[1] < b[0] or b[1] < a[0] or a[3] < b[2] or b[3] < a[2]
    for k, (dx, dy) in enumerate(data["sections"]["offsets"]):
        assert x[section == k].min() - dx == pytest.approx(0, abs=1e-3)
        assert y[section == k].min() - dy == pytest.approx(0, abs=1e-3)


def test_embedding_of_other_spots_is_refused(
    make_dataset: Callable[..., DatasetSources], sources: DatasetSources, tmp_path: Path
) -> None:
    other = make_dataset(rows=5)
    assert other.files is not None
    shutil.copy(other.files / "smart.seed1.h5ad", tmp_path)
    with pytest.raises(InputError, match="its spots are not those of the latents"):
        write_dataset_report(replace(sources, files=tmp_path), tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_run_report(sources: DatasetSources, tmp_path: Path) -> None:
    metrics, runs = tmp_path / "metrics.csv", tmp_path / "runs.csv"
    assert sources.files is not None
    table = METRICS.read_all(sorted(sources.files.glob("*.metrics.csv")))
    unlabelled = table[table["metric"] != "ari"].assign(dataset=f"a b{EVIL}")
    pd.concat([table, unlabelled]).to_csv(metrics, index=False)
    rows = [
        (d, m, s, "completed", 50, 12.0, 700.0 if (m, s) == ("smart", 1) else 512.0, 0.0)
        for d in ("demo", f"a b{EVIL}")
        for m in ("smart", "pca_smooth")
        for s in (1, 2)
    ]
    rows.append(("demo", "spamo", 1, "failed", None, None, None, None))  # type: ignore[arg-type]
    RUNS.write(runs, RUNS.frame(rows))
    write_run_report(
        RunSources(metrics, runs, sources.presets, sources.failures, sources.params, sources.versions),
        tmp_path / "report.html",
    )
    page = Page(tmp_path / "report.html")
    assert loads_nothing(page)
    assert not page.scripts
    links = [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    assert "demo/report.html" in links
    assert any(link.startswith("a%20b%3Cscript") for link in links)
    board = [row for row in page.rows if len(row) == 9 and row[0] in ("SMART", "pca_smooth", "spamo")]
    assert [row[0] for row in board] == ["SMART", "pca_smooth", "spamo"]
    assert [float(part) for part in board[0][1].split(" ± ")] == pytest.approx(
        table.query("method == 'smart' and metric == 'ari'")["value"].agg(["mean", "std"]).tolist(), abs=6e-4
    )
    # Two seeds, mean time and largest memory: of SMART 512 and 700 MB.
    assert [cell.strip() for cell in board[0][-3:]] == ["2", "12 s", "700 MB"]
    assert "0 of 1" in board[2][-3]
    assert "Du et al. SMART. 2026." in page.text


def test_run_report_of_nothing(tmp_path: Path) -> None:
    METRICS.write(tmp_path / "metrics.csv", METRICS.frame([]))
    RUNS.write(tmp_path / "runs.csv", RUNS.frame([]))
    write_run_report(RunSources(tmp_path / "metrics.csv", tmp_path / "runs.csv"), tmp_path / "report.html")
    assert "No run has a result" in Page(tmp_path / "report.html").text


@pytest.mark.parametrize(
    "array", [np.arange(5, dtype=np.uint16), np.array([1.5, -2], np.float32), np.array([[1], [2]], np.uint8)]
)
def test_pack_round_trip(array: np.ndarray) -> None:
    assert (unpack(pack(array)) == array.ravel()).all()


def test_pack_codes_puts_missing_after_the_last_class() -> None:
    packed = pack_codes(np.array([0, -1, 299]), 300)
    assert packed["dtype"] == "uint16"
    assert unpack(packed).tolist() == [0, 300, 299]


def test_script_json_is_json_without_markup() -> None:
    value = {"a": ["</script><!--", float("nan"), 1.5, np.int64(3), "&\u2028"]}
    text = str(script_json(value))
    assert not set("<>&\u2028") & set(text)
    assert json.loads(text) == {"a": ["</script><!--", None, 1.5, 3, "&\u2028"]}


def test_long_loss_curves_are_thinned_ends_kept() -> None:
    thinned = thin_losses({"total": [1 / (k + 1) for k in range(5000)], "empty": []})
    assert list(thinned) == ["total"]
    epochs = thinned["total"]["epoch"]
    assert (epochs[0], epochs[-1]) == (1, 5000)
    assert len(epochs) <= 400
    assert thinned["total"]["value"][-1] == pytest.approx(1 / 5000)
