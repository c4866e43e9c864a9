"""The HTML of a report as a test reads it, without a browser."""

from __future__ import annotations

import base64
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np

from spatialweave.report.dataset import write_dataset_report
from spatialweave.report.dataset_results import DatasetSources

LOADING = {"src", "srcset", "poster", "data", "background"}
EVIL = "<script>window.hacked = 1</script>\"'&</script>"


class Page(HTMLParser):
    """Collects what a test checks on a page: tags with attributes, script texts, table rows, visible text."""

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


def loads_nothing(page: Page) -> bool:
    """Whether no tag fetches anything but data URIs."""
    urls = [value for _, attrs in page.tags for name, value in attrs.items() if name in LOADING]
    links = [attrs.get("href", "") for tag, attrs in page.tags if tag == "link"]
    styles = re.findall(r"<style>(.*?)</style>", page.html, re.DOTALL)
    imported = any("url(" in style or "@import" in style for style in styles)
    return all(url.startswith("data:") for url in urls + links) and not imported
