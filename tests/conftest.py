"""Fixtures of tests in several folders."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

MOST_WORKERS, GB_OF_WORKER = 4, 6
"""Most workers, and memory for each: some tests run the pipeline, with two or three tasks at a time."""

LONGEST = (
    "pipeline/test_datasets.py",
    "pipeline/test_flow.py",
    "docs/test_tutorial.py",
    "pipeline/test_checks.py",
    "pipeline/test_sections.py",
    "pipeline/test_profiles.py",
    "pipeline/test_environments.py",
    "pipeline/test_reference.py",
    "published/test_published.py",
)


def pytest_xdist_auto_num_workers() -> int:
    """A worker for each core, as far as memory goes; two at least, since Nextflow often waits."""
    gigabytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return max(2, min(MOST_WORKERS, os.cpu_count() or 1, int(gigabytes / GB_OF_WORKER)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first, so that no worker is left alone with one of them at the end."""

    def place(item: pytest.Item) -> int:
        name = f"{item.path.parent.name}/{item.path.name}"
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=place)


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Every test draws the same numbers every time, alone or among others."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(0)


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's root folder."""
    return ROOT


def _shared(name: str, what: str) -> Path:
    folder = Path(os.environ.get("SPATIALWEAVE_SHARED", ROOT.parent / "shared")) / name
    if not folder.is_dir():
        pytest.skip(f"{what} are not here: {folder} does not exist (set SPATIALWEAVE_SHARED to their parent folder)")
    return folder


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real tissues; tests that need them are skipped where it is absent."""
    return _shared("data", "the real tissues")


@pytest.fixture(scope="session")
def shared_methods() -> Path:
    """The folder of the methods' specifications with their conformance data."""
    return _shared("methods", "the methods' conformance data")
