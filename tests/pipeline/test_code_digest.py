"""An edit of the package, or of a file in an input folder, re-runs what depends on it; nothing else is repeated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ..checks import ends
from .conftest import TO_DOMAINS, Pipeline


def test_what_is_changed_is_run_again_and_nothing_else(pipeline_copy: Callable[[], Pipeline]) -> None:
    pipeline = pipeline_copy()
    matrix = pipeline.folder / "outs" / "filtered" / "matrix.mtx"
    matrix.parent.mkdir(parents=True)
    matrix.write_text("1")
    (pipeline.folder / "sheet.csv").write_text("dataset,rna\none,outs\n")
    # A name of digits, which Nextflow takes for a number
    arguments = ("-stub-run", "--input", "sheet.csv", "--control", "false", "--outdir", "2026", *TO_DOMAINS)
    first = pipeline.run(*arguments)
    assert first.code == 0, first.text
    assert (pipeline.folder / "2026" / "report.html").exists()

    source = pipeline.project / "bin" / "spatialweave" / "platforms.py"
    source.touch()
    touched = pipeline.run(*arguments, "-resume")
    assert touched.tasks("Submitted") == []
    assert sorted(touched.tasks("Cached")) == sorted(first.tasks("Submitted"))

    # The folder itself, of which Nextflow looks at the date, stays as it is.
    matrix.write_text("12")
    assert "INGEST (one/one)" in pipeline.run(*arguments, "-resume").tasks("Submitted")

    source.write_text(source.read_text() + "\n# an edit\n")
    edited = pipeline.run(*arguments, "-resume")
    assert edited.tasks("Cached") == []
    assert sorted(edited.tasks("Submitted")) == sorted(first.tasks("Submitted"))


def test_the_digest_is_of_every_file_of_the_package_and_of_the_lock(tmp_path: Path) -> None:
    def project(name: str, **files: str) -> str:
        written = {"bin/spatialweave/a.py": "a = 1\n", "uv.lock": "numpy 2\n"} | files
        for path, text in written.items():
            (tmp_path / name / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / path).write_text(text)
        return str(tmp_path / name)

    same = [project("one"), project("two", **{"bin/spatialweave/__pycache__/a.pyc": "compiled", "README.md": "text"})]
    others = [
        project("a line", **{"bin/spatialweave/a.py": "a = 1\n# an edit\n"}),
        project("a table", **{"bin/spatialweave/io/table.yml": "key: value\n"}),
        project("the lock", **{"uv.lock": "numpy 3\n"}),
        project("a file", **{"bin/spatialweave/b.py": "a = 1\n"}),
        project("a name", **{"bin/spatialweave/c.py": "a = 1\n"}),
    ]
    digests = [end["accepted"] for end in ends(tmp_path, digests=[*same, *others])["digests"]]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 1 + len(others)
