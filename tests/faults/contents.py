"""What a results folder holds: is every file whole, and is it what an undisturbed run leaves?"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path

import h5py
import numpy as np

# Measurements of the machine rather than of the data: they differ between any two runs.
MEASURED_COLUMNS = {"seconds", "peak_rss_mb", "peak_gpu_mb"}
MEASURED_KEYS = {"seconds", "peak_rss_mb", "peak_gpu_mb", "timings"}
# Written by Nextflow while and after it runs, with dates: a killed run leaves none, or those of the run before.
NEXTFLOW_REPORTS = {"execution_report.html", "timeline.html", "trace.txt", "dag.mmd"}
SEPARATORS = {".csv": ",", ".tsv": "\t"}
# Holds dates and seconds.
NOT_COMPARED = {".html"}


def published(results: Path) -> dict[str, Path]:
    """Every published file by its path in the results."""
    files = sorted(path for path in results.rglob("*") if path.is_file() and path.name not in NEXTFLOW_REPORTS)
    return {str(path.relative_to(results)): path for path in files}


def torn(results: Path) -> list[str]:
    """Published files that cannot be read to their end."""
    return [name for name, path in published(results).items() if not _whole(path)]


def fingerprints(results: Path) -> dict[str, str]:
    """A digest of every published file, apart from what differs between any two runs."""
    return {name: _fingerprint(path) if _whole(path) else "half-written" for name, path in published(results).items()}


def differences(expected: dict[str, str], found: dict[str, str]) -> list[str]:
    """What sets two results folders apart, in words."""
    missing = [f"{name} is missing" for name in expected.keys() - found.keys()]
    more = [name for name in found.keys() - expected.keys() if not _of_an_earlier_report(name, expected)]
    surplus = [f"{name} should not be there" for name in more]
    other = [f"{name} differs" for name in expected.keys() & found.keys() if expected[name] != found[name]]
    return sorted(missing + surplus + other)


def _of_an_earlier_report(name: str, expected: dict[str, str]) -> bool:
    """Whether this is a slide of a run that a report after a failure showed first: they stay beside the later ones."""
    run = Path(name).parent
    return run.parent.name == "passports" and not any(Path(other).parent == run for other in expected)


def _whole(path: Path) -> bool:
    data = path.read_bytes()
    if path.suffix == ".html":
        return data.rstrip().endswith(b"</html>")
    if path.suffix == ".png":
        return data.endswith(b"IEND\xaeB`\x82")
    if path.suffix == ".csv" and len({len(row) for row in csv.reader(io.StringIO(data.decode(errors="replace")))}) != 1:
        return False
    if path.suffix not in (".json", ".h5ad", ".h5mu"):
        return data.endswith(b"\n")
    try:
        _fingerprint(path)
    except (OSError, RuntimeError, KeyError, ValueError):
        return False
    return True


def _fingerprint(path: Path) -> str:
    if path.suffix in NOT_COMPARED:
        return "not compared"
    digest = hashlib.sha256()
    if path.suffix in (".h5ad", ".h5mu"):
        with h5py.File(path) as file:
            _add_attributes(file, digest)
            file.visititems(lambda name, item: _add_item(name, item, digest))
    elif path.suffix == ".json":
        json.loads(path.read_bytes())
        digest.update(path.read_bytes())
    elif path.suffix in SEPARATORS:
        digest.update(_without_measured(path))
    else:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _without_measured(path: Path) -> bytes:
    """The bytes of a table; where it has columns of measurements, what is left without them.

    Tables for MultiQC begin with lines that describe it, after a #.
    """
    data = path.read_bytes()
    lines = data.decode().splitlines(keepends=True)
    described = [line for line in lines if line.startswith("# ")]
    header, *rows = csv.reader(lines[len(described) :], delimiter=SEPARATORS[path.suffix])
    if MEASURED_COLUMNS.isdisjoint(header):
        return data
    kept = [index for index, column in enumerate(header) if column not in MEASURED_COLUMNS]
    return "\n".join([*described, *(",".join(row[index] for index in kept) for row in [header, *rows])]).encode()


def _add_item(name: str, item: h5py.Group | h5py.Dataset, digest: hashlib._Hash) -> None:
    digest.update(name.encode())
    _add_attributes(item, digest)
    if isinstance(item, h5py.Dataset):
        value = item[()]
        if name == "uns/training":
            record = json.loads(value)
            value = json.dumps({key: record[key] for key in sorted(record.keys() - MEASURED_KEYS)})
        array = np.asarray(value)
        digest.update(f"{item.dtype} {item.shape}".encode())
        # Texts are objects, whose bytes are addresses.
        digest.update(repr(array.tolist()).encode() if array.dtype.kind == "O" else array.tobytes())


def _add_attributes(item: h5py.Group | h5py.Dataset, digest: hashlib._Hash) -> None:
    for key in sorted(item.attrs):
        digest.update(f"{key}={item.attrs[key]!r}".encode())
