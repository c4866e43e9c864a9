"""Common parts of all stage scripts: the command decorator, its error handling and its exit codes."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from spatialweave import __version__
from spatialweave.errors import EXIT_BAD_INPUT, EXIT_OUT_OF_GPU_MEMORY, EXIT_OUT_OF_MEMORY, InputError
from spatialweave.io.notices import notices_only

SEED = click.IntRange(0, 2**31 - 1)
"""Range of the seeds that every command accepts."""

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
"""A file to read."""

FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
"""A folder to read."""

ANY_FOLDER = click.Path(file_okay=False, path_type=Path)
"""A folder to read, which is absent where Nextflow had no file to put into it."""

PATH = click.Path(path_type=Path)
"""A file or folder to read; its reader says what is wrong with it, in one line."""

OUT_FILE = click.Path(dir_okay=False, path_type=Path)
"""A file to write."""

OUT_FOLDER = click.Path(file_okay=False, path_type=Path)
"""A folder to write, or to write into."""


def stage(function: Callable[..., None]) -> click.Command:
    """Turn a function into a stage command with ``--debug``, ``--version`` and one-line errors.

    An :class:`InputError` ends the process with code 2, memory exhaustion with 137 and that of a GPU with 3, each with
    one clear line on stderr. Any other exception ends it with code 1 and names the exception. A traceback appears only
    with ``--debug``.
    Warnings of libraries are hidden; notices to the user (:mod:`spatialweave.io.notices`) are shown as one line each.
    """

    @click.option("--debug", is_flag=True, help="Show the full traceback of an error.")
    @functools.wraps(function)
    def guarded(*args: Any, debug: bool, **kwargs: Any) -> None:
        try:
            with notices_only():
                function(*args, **kwargs)
        except (click.exceptions.Exit, click.ClickException):
            raise
        except Exception as error:
            if debug:
                traceback.print_exc()
            message, code = _describe(error)
            click.echo(f"ERROR: {message}", err=True)
            sys.exit(code)

    command = click.command(context_settings={"show_default": True, "max_content_width": 110})(guarded)
    return click.version_option(__version__, prog_name="spatialweave")(command)


def _describe(error: Exception) -> tuple[str, int]:
    """Return a line that describes the error, and the exit code."""
    if isinstance(error, InputError):
        return str(error), EXIT_BAD_INPUT
    text = " ".join(str(error).split())
    if isinstance(error, MemoryError):
        return f"out of memory: {text or 'the system refused an allocation'}", EXIT_OUT_OF_MEMORY
    # torch is not imported here, since commands that do not use it should start fast.
    if type(error).__name__ == "OutOfMemoryError":
        fix = "set batch_spots of the method to a smaller number, to train by smaller parts, or use --device cpu"
        return f"the GPU{_gpu_memory()} is out of memory; to fix this, {fix} ({text})", EXIT_OUT_OF_GPU_MEMORY
    return f"{type(error).__name__}: {text} (run again with --debug for the traceback)", 1


def _gpu_memory() -> str:
    """Return the memory of the GPU in use in words, to follow its name; empty if it is not known."""
    cuda = sys.modules["torch"].cuda if "torch" in sys.modules else None
    if cuda is None or not cuda.is_available():
        return ""
    return f" of {cuda.get_device_properties(cuda.current_device()).total_memory / 2**30:.1f} GiB"
