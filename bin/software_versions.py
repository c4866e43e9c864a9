#!/usr/bin/env python3
"""Print the versions of this pipeline, of Python and of the named packages as one line, without importing them."""

from __future__ import annotations

import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from spatialweave import __version__


def installed(package: str) -> str:
    """Return the version of an installed distribution, or "absent" (stub runs need no packages)."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


if __name__ == "__main__":
    found = {"spatialweave": __version__, "python": platform.python_version()}
    found.update((package, installed(package)) for package in sys.argv[1:])
    print("; ".join(f"{name} {number}" for name, number in found.items()))
