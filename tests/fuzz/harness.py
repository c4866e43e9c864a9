"""What every test here requires of a stage: sane output, or one line that names the culprit and nothing left behind."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path

from click.testing import CliRunner

Build = Callable[[Path], list[str]]
"""Makes a case's files in a folder and returns the arguments of the stage."""


LOG = ("training on ", "pca_smooth", "methods on ")
"""What the lines of a training's log begin with."""


def text(path: Path, content: str | bytes) -> Path:
    """Write a file and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def assert_ends_well(
    stage: str,
    arguments: Sequence[str],
    out: Path,
    names: str | tuple[str, ...],
    check: Callable[[], None] | None = None,
) -> int:
    """Run a stage in this process and hold it to the rules; `out` is the folder that it writes to, absent before.

    Parameters
    ----------
    names
        What a refusal has to name: the file or the option; of several, one.
    check
        Looks at the output of a run that was not refused.

    Returns
    -------
    The exit code: 0 or 2.
    """
    result = CliRunner().invoke(importlib.import_module(stage).main, list(arguments))
    judge(result.exit_code, result.stdout, result.stderr, out, names)
    if result.exit_code == 0 and check:
        check()
    return result.exit_code


def judge(code: int, stdout: str, stderr: str, out: Path, names: str | tuple[str, ...]) -> None:
    """Hold a stage that has ended to the rules."""
    lines = stderr.splitlines()
    errors = [line for line in lines if line.startswith("ERROR: ")]
    others = [line for line in lines if not line.startswith(("ERROR: ", "WARNING: ", *LOG))]
    assert code in (0, 2), f"exit code {code}\n{stderr[-3000:]}"
    assert not others, stderr[-3000:]
    left = sorted(path.name for path in out.rglob("*")) if out.exists() else []
    if code == 0:
        assert not errors, stderr[-3000:]
        assert left and not any(name.startswith(".") for name in left), left
    else:
        assert len(errors) == 1, stderr[-3000:]
        assert any(name in errors[0] for name in ((names,) if isinstance(names, str) else names)), errors[0][:3000]
        assert not left, left
        assert not stdout, stdout[-3000:]


def holds(out: Path) -> None:
    """The section that INGEST wrote must be good enough for the stages that follow."""
    from spatialweave.io.section_file import read_section_file

    section = read_section_file(out)
    assert section.data.n_obs > 0
    for counts in section.counts.values():
        assert sum(block.nnz for block in counts.blocks()) > 0
