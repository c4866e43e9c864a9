"""An edit of the package re-runs what depends on it; nothing of older code is ever served."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .conftest import TO_DOMAINS, Pipeline


def test_an_edit_reruns_tasks_and_a_touch_does_not(pipeline_copy: Callable[[], Pipeline]) -> None:
    pipeline = pipeline_copy()
    arguments = ("-stub-run", "-profile", "test", "--seeds", "1", "--control", "false", *TO_DOMAINS)
    first = pipeline.run(*arguments)
    assert first.code == 0, first.text
    source = pipeline.project / "bin" / "spatialweave" / "platforms.py"

    source.touch()
    touched = pipeline.run(*arguments, "-resume")
    assert touched.tasks("Submitted") == []
    assert sorted(touched.tasks("Cached")) == sorted(first.tasks("Submitted"))

    def add_a_line() -> None:
        source.write_text(source.read_text() + "\n# an edit\n")

    def add_a_table() -> None:
        (source.parent / "table.yml").write_text("key: value\n")

    def change_the_lock() -> None:
        (pipeline.project / "uv.lock").write_text("other versions\n")

    for edit in (add_a_line, add_a_table, change_the_lock):
        edit()
        edited = pipeline.run(*arguments, "-resume")
        assert edited.tasks("Cached") == []
        assert sorted(edited.tasks("Submitted")) == sorted(first.tasks("Submitted"))


def test_a_changed_file_in_a_folder_is_read_again(pipeline: Pipeline, tmp_path: Path) -> None:
    """The folder itself, of which Nextflow looks at the date, stays as it is."""
    matrix = tmp_path / "outs" / "filtered" / "matrix.mtx"
    matrix.parent.mkdir(parents=True)
    matrix.write_text("1")
    (tmp_path / "sheet.csv").write_text("dataset,rna\none,outs\n")
    # A name of digits, which Nextflow takes for a number
    arguments = (
        "-stub-run",
        "--input",
        str(tmp_path / "sheet.csv"),
        "--control",
        "false",
        "--outdir",
        "2026",
        *TO_DOMAINS,
    )
    first = pipeline.run(*arguments)
    assert first.code == 0, first.text
    assert (tmp_path / "2026" / "report.html").exists()
    assert pipeline.run(*arguments, "-resume").tasks("Submitted") == []
    matrix.write_text("12")
    assert "INGEST (one/one)" in pipeline.run(*arguments, "-resume").tasks("Submitted")
