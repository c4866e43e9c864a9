"""Errors that a user can act on.

Any fault of the user's input (files, values, combinations of options) is raised as an :class:`InputError`; the stage
scripts print it as one line and exit with 2. Every other exception is a bug of spatialweave.
"""

from __future__ import annotations

EXIT_BAD_INPUT = 2
# Same code as a kernel out-of-memory kill, so that schedulers and the pipeline retry both with more memory.
EXIT_OUT_OF_MEMORY = 137
# Not retried: more memory of the host does not help.
EXIT_OUT_OF_GPU_MEMORY = 3


class InputError(Exception):
    """Error about input that cannot be used: where, what was found, what was expected and how to fix it.

    Parameters
    ----------
    where
        The file, and the row, column, slot or option in it, e.g. ``"rna.csv, row 12, column 'Actb'"``.
    found
        What is wrong there, e.g. ``"value -3 is negative"``.
    expected
        What would be right, e.g. ``"raw counts (0 or more)"``.
    fix
        How the user can fix it, e.g. ``"export the matrix before normalisation"``.
    """

    def __init__(self, where: str, found: str, expected: str = "", fix: str = "") -> None:
        self.where, self.found, self.expected, self.fix = where, found, expected, fix
        text = f"{where}: {found}"
        if expected:
            text += f"; expected {expected}"
        if fix:
            text += f"; to fix this, {fix}"
        # The message stays one line even if file names and cells hold line breaks or control characters.
        super().__init__("".join(c if c.isprintable() else " " for c in text))
