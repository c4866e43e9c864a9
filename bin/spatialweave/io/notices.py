"""Warnings about input that the user need not fix, printed as one line each on stderr."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InputWarning(UserWarning):
    """Warning about input that was changed, or partly left out, before use."""


NOTES = "SPATIALWEAVE_NOTICES"
"""Environment variable with the path of the file to which a stage appends its warnings; unset: no file."""

_RECORDS: list[list[str]] = []


def warn(where: str, text: str) -> None:
    """Warn the user of `text` about `where` (a file or a slot in it)."""
    line = "".join(c if c.isprintable() else " " for c in f"{where}: {text}")
    for record in _RECORDS:
        record.append(line)
    warnings.warn(line, InputWarning, stacklevel=2)


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Yield a list to which the line of each warning in the context is added; the warnings are also shown."""
    record: list[str] = []
    _RECORDS.append(record)
    try:
        yield record
    finally:
        # Not `remove`, which would also find another list with the same lines.
        _RECORDS.pop()


def _note(line: str) -> None:
    path = os.environ.get(NOTES)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


@contextmanager
def notices_only() -> Iterator[None]:
    """Print every :class:`InputWarning` as one ``WARNING:`` line on stderr, and no warnings of libraries.

    The lines are also appended to the file named in the environment (:data:`NOTES`), which the pipeline collects.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", InputWarning)
        show = warnings.showwarning

        def one_line(message: Warning | str, category: type[Warning], *rest: object, **named: object) -> None:
            if issubclass(category, InputWarning):
                print(f"WARNING: {message}", file=sys.stderr)
                _note(str(message))

        warnings.showwarning = one_line
        try:
            yield
        finally:
            warnings.showwarning = show
