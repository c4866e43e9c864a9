"""One thread within, and as many as before outside."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np  # noqa: F401 (loads OpenBLAS)
from threadpoolctl import threadpool_info, threadpool_limits

from spatialweave.threads import one_thread


def threads() -> set[int]:
    """Threads of the libraries that are loaded."""
    return {library["num_threads"] for library in threadpool_info()}


def test_one_thread_within_and_the_former_number_outside() -> None:
    with threadpool_limits(limits=2):
        with one_thread():
            assert threads() == {1}
            with one_thread():
                assert threads() == {1}
        assert threads() == {2}


def test_a_library_that_is_loaded_later_is_limited_too(project: Path) -> None:
    """In a process of its own: OpenMP comes with scikit-learn, after the first call."""
    code = """
from threadpoolctl import threadpool_info
from spatialweave.threads import one_thread
import numpy
with one_thread():
    pass
before = len(threadpool_info())
import sklearn.cluster
assert len(threadpool_info()) > before
with one_thread():
    print({library["num_threads"] for library in threadpool_info()})
"""
    environment = {"PYTHONPATH": str(project / "bin"), "OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "3"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "{1}\n", done.stderr
