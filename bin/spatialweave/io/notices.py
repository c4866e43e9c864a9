"""Things the user should know but need not fix: one line each on stderr."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InputWarning(UserWarning):
    """Input that was used, but not quite as it was given."""


NOTES = "SPATIALWEAVE_NOTICES"
"""The environment variable with the file in which a stage notes its warnings; unset: in none."""

_RECORDS: list[list[str]] = []


def warn(where: str, text: str) -> None:
    """Warn the user of `text` about `where` (a file or a slot in it)."""
    line = "".join(c if c.isprintable() else " " for c in f"{where}: {text}")
    for record in _RECORDS:
        record.append(line)
    warnings.warn(line, InputWarning, stacklevel=2)


@contextmanager
def recorded() -> Iterator[list[str]]:
    """The lines of all warnings that are given meanwhile, as a list that grows; they are shown all the same."""
    record: list[str] = []
    _RECORDS.append(record)
    try:
        yield record
    finally:
        # By place: lists of the same lines are equal.
        _RECORDS.pop()


def _note(line: str) -> None:
    path = os.environ.get(NOTES)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


@contextmanager
def notices_only() -> Iterator[None]:
    """Print every :class:`InputWarning` as one ``WARNING:`` line on stderr, and no warning of any library.

    They are also noted in the file that the environment names, for the pipeline to collect.
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
