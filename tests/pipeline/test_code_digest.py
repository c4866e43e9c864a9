"""An edit of the package re-runs what depends on it; nothing of older code is ever served."""

from __future__ import annotations

from collections.abc import Callable

from .conftest import Pipeline


def test_an_edit_reruns_tasks_and_a_touch_does_not(pipeline_copy: Callable[[], Pipeline]) -> None:
    pipeline = pipeline_copy()
    arguments = ("-stub-run", "-profile", "test", "--seeds", "1", "--control", "false")
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

    for edit in (add_a_line, add_a_table):
        edit()
        edited = pipeline.run(*arguments, "-resume")
        assert edited.tasks("Cached") == []
        assert sorted(edited.tasks("Submitted")) == sorted(first.tasks("Submitted"))
