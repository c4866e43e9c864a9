"""Errors that a user can act on.

Anything wrong with what the user gave (files, values, combinations of options) is raised as one of these; the
stage scripts print it as one line and exit with 2. Every other exception is a defect of ours.
"""

from __future__ import annotations

EXIT_BAD_INPUT = 2
# Same code as a kernel out-of-memory kill, so that schedulers and the pipeline retry both with more memory.
EXIT_OUT_OF_MEMORY = 137


class InputError(Exception):
    """Input that cannot be used: says where, what was found, what was expected and how to fix this.

    Parameters
    ----------
    where
        The file, and the row, column, slot or option in it, e.g. ``"rna.csv, row 12, column 'Actb'"``.
    found
        What is wrong there, e.g. ``"value -3 is negative"``.
    expected
        What would be right, e.g. ``"raw counts (0 or more)"``.
    fix
        What the user can do about it, e.g. ``"export the matrix before normalisation"``.
    """

    def __init__(self, where: str, found: str, expected: str = "", fix: str = "") -> None:
        self.where, self.found, self.expected, self.fix = where, found, expected, fix
        text = f"{where}: {found}"
        if expected:
            text += f"; expected {expected}"
        if fix:
            text += f"; to fix this, {fix}"
        # One line whatever the parts hold: file names and cells may carry line breaks and control characters.
        super().__init__("".join(c if c.isprintable() else " " for c in text))
