"""The features that sections of one dataset share: by name, or by overlapping intervals for chromatin peaks.

Files of one tissue differ in the spelling of features: case differs, Ensembl identifiers have a version or not, and
peaks are called section by section, so that hardly any two begin and end at the same base.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from spatialweave.errors import InputError
from spatialweave.io.count_matrix import to_csr
from spatialweave.io.notices import warn
from spatialweave.modalities import MODALITY_KINDS

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 0.1
"""Sections of which some have names and others identifiers are refused if they share a smaller fraction of the features
of the one that has fewest."""

NOTABLE = 0.1
"""A section that loses a larger fraction of its features, since others lack them, causes a warning."""

MOSTLY = 0.5
"""Peaks are joined if at most this fraction of a section's names occur in all sections. With more, the sections have
the same set of peaks, from which quality control may have removed different ones. Chromatin features are treated as
peaks if more than this fraction of every section's names are intervals."""

EXAMPLES = 2
SECTIONS_SHOWN = 4

IDENTIFIER = r"ens[a-z]*\d{5,}"
ENSEMBL = re.compile(rf"({IDENTIFIER})\.\d+")
INTERVAL = re.compile(r"(.+?)[:_-](\d{1,12})[-_](\d{1,12})")

EXACT, PLAIN, PEAK = "exact", "plain", "peak"
Key = tuple[str, str]
"""Kind of comparison of a feature, and the text that is compared."""

Interval = tuple[str, int, int]
"""Chromosome, start and end in bases; the end is excluded."""


@dataclass(frozen=True)
class Common:
    """Features that all sections share.

    Attributes
    ----------
    names
        Names of the common features, in the order of the first section.
    columns
        Position of the common feature of each feature, for each section (int64); -1 = none.
    """

    names: pd.Index
    columns: list[np.ndarray]

    def counts(self, counts: sparse.csr_matrix, section: int) -> sparse.csr_matrix:
        """Return counts of a section (by number) on the common features; several that fall into one are summed."""
        columns = self.columns[section]
        if np.array_equal(columns, np.arange(len(self.names))):
            return counts
        kept = np.flatnonzero(columns >= 0)
        shape = (len(columns), len(self.names))
        return to_csr(counts @ sparse.csr_matrix((np.ones(len(kept), np.float32), (kept, columns[kept])), shape))


def common_features(modality: str, features: Sequence[pd.Index], sections: Sequence[str]) -> Common:
    """Find the features of `modality` that are shared by all sections with this modality.

    Names are the same if they are equal apart from case and the version of an Ensembl identifier; a spelling that would
    join two features of one section is compared exactly. Peaks (``chr1:100-600``, ``chr1-100-600``, ``chr1_100_600``;
    the end is not part of the interval) are joined across sections into the union of those that overlap, directly or
    through others, and kept if every section has at least one. If most names of every section occur in all sections,
    nothing is joined. Losses and names that differ cause warnings.

    Parameters
    ----------
    features
        Unique names, one index per section.
    sections
        The sections' names, for messages.

    Raises
    ------
    InputError
        When hardly anything is shared, with examples of the names of each section.
    """
    import pandas as pd

    keys = None
    equal = set(features[0]).intersection(*features[1:])
    if MODALITY_KINDS[modality].intervals and any(len(equal) <= MOSTLY * len(own) for own in features):
        keys = _peak_keys(modality, features)
    merged = keys is not None
    keys = keys or _name_keys(features)
    shared = set(keys[0]).intersection(*keys[1:])
    few = len(shared) < FEWEST * min(len(set(own)) for own in keys)
    if not shared or (few and len({_are_identifiers(own) for own in features}) > 1):
        _refuse(modality, features, sections, len(shared))
    order = {key: position for position, key in enumerate(dict.fromkeys(key for key in keys[0] if key in shared))}
    spelling = dict(zip(reversed(keys[0]), reversed(features[0]), strict=True))
    names = [key[1] if key[0] == PEAK else spelling[key] for key in order]
    columns = [np.fromiter((order.get(key, -1) for key in own), np.int64, len(own)) for own in keys]
    common = Common(pd.Index(names, dtype=object), columns)
    if merged:
        counted = ", ".join(
            f"{int((own >= 0).sum())} of section '{name}'" for name, own in zip(sections, columns, strict=True)
        )
        warn(f"modality {modality}", f"peaks that overlap were joined into {len(names)} common peaks: {counted}")
    else:
        _warn_of_spellings(modality, features, common)
    _warn_of_losses(modality, sections, common)
    return common


def columns_among(modality: str, known: pd.Index, names: pd.Index) -> np.ndarray:
    """Return, for each of `names`, the position in `known` of the same feature (int64); -1 = none.

    Names are compared as in :func:`common_features`. If few peaks have the name of a known peak, each is matched to the
    known peak with the largest overlap.
    """
    known_keys, others = _name_keys([known, names])
    position = {key: number for number, key in enumerate(known_keys)}
    by_name = np.fromiter((position.get(key, -1) for key in others), np.int64, len(names))
    if not MODALITY_KINDS[modality].intervals or (by_name >= 0).sum() > MOSTLY * min(len(known), len(names)):
        return by_name
    intervals = [[_interval(str(name)) for name in each] for each in (known, names)]
    if any(sum(one is not None for one in each) <= MOSTLY * len(each) for each in intervals):
        return by_name
    return _most_overlapping(*intervals)


def _most_overlapping(known: Sequence[Interval | None], others: Sequence[Interval | None]) -> np.ndarray:
    """Return, for each of `others`, the position of the interval in `known` that shares most bases with it; -1 = none.

    Known intervals may overlap each other.
    """
    by_chromosome: dict[str, list[tuple[int, int, int]]] = {}
    for number, interval in enumerate(known):
        if interval is not None:
            by_chromosome.setdefault(_chromosome(interval), []).append((interval[1], interval[2], number))
    starts, reach = {}, {}
    for name, peaks in by_chromosome.items():
        peaks.sort()
        starts[name] = [start for start, _, _ in peaks]
        # No interval up to here ends later.
        reach[name] = list(accumulate((end for _, end, _ in peaks), max))
    positions = np.full(len(others), -1, dtype=np.int64)
    for number, interval in enumerate(others):
        if interval is None or _chromosome(interval) not in by_chromosome:
            continue
        peaks, furthest, most = by_chromosome[_chromosome(interval)], reach[_chromosome(interval)], 0
        candidate = bisect_left(starts[_chromosome(interval)], interval[2]) - 1
        while candidate >= 0 and furthest[candidate] > interval[1]:
            start, end, position = peaks[candidate]
            shared = min(end, interval[2]) - max(start, interval[1])
            if shared > most:
                most, positions[number] = shared, position
            candidate -= 1
    return positions


def _chromosome(interval: Interval) -> str:
    return interval[0].casefold().removeprefix("chr")


def _name_keys(features: Sequence[pd.Index]) -> list[list[Key]]:
    """Return a key per feature, equal if names mean the same: the plain spelling, or the name if that is ambiguous."""
    plain = [[_plain(name) for name in own] for own in features]
    unsafe: set[str] = set()
    for own in plain:
        seen: set[str] = set()
        for key in own:
            (unsafe if key in seen else seen).add(key)
    return [
        [(EXACT, name) if key in unsafe else (PLAIN, key) for name, key in zip(own, keys, strict=True)]
        for own, keys in zip(features, plain, strict=True)
    ]


def _plain(name: str) -> str:
    """Return the name in lower case and without the version of an Ensembl identifier; dots of other names stay."""
    folded = name.casefold()
    versioned = ENSEMBL.fullmatch(folded)
    return versioned[1] if versioned else folded


def _peak_keys(modality: str, features: Sequence[pd.Index]) -> list[list[Key]] | None:
    """Return a key per feature: the merged interval for peaks, and that of :func:`_name_keys` for other names.

    Return None if few features of a section are intervals: they are then not peaks but, e.g., gene activities.
    """
    parsed = [[_interval(name) for name in own] for own in features]
    if any(sum(interval is not None for interval in own) <= MOSTLY * len(own) for own in parsed):
        return None
    keys = _name_keys(features)
    peaks = [(s, i, interval) for s, own in enumerate(parsed) for i, interval in enumerate(own) if interval]
    for (section, i, _), name in zip(peaks, merge_intervals([interval for _, _, interval in peaks]), strict=True):
        keys[section][i] = (PEAK, name)
    odd = [own[i] for own, part in zip(features, parsed, strict=True) for i, known in enumerate(part) if not known]
    if odd:
        warn(
            f"modality {modality}", f"{len(odd)} features are not intervals (e.g. '{odd[0]}') and are compared by name"
        )
    return keys


def _interval(name: str) -> Interval | None:
    """Return chromosome, start and end (bases, end excluded) of a peak's name; None for other or empty intervals."""
    match = INTERVAL.fullmatch(name)
    if not match or int(match[3]) <= int(match[2]):
        return None
    return match[1], int(match[2]), int(match[3])


def merge_intervals(intervals: Sequence[Interval]) -> list[str]:
    """Return, for each interval, the union of all that overlap it, directly or through others, as ``chr1:100-600``.

    The end is excluded: intervals that only touch do not overlap. "chr1" and "1" are the same chromosome, and its first
    name is used. Time is n log n.
    """
    import pandas as pd

    names = [name for name, _, _ in intervals]
    codes, _ = pd.factorize(np.array([name.casefold().removeprefix("chr") for name in names], dtype=object))
    start = np.array([start for _, start, _ in intervals], dtype=np.int64)
    end = np.array([end for _, _, end in intervals], dtype=np.int64)
    order = np.lexsort((start, codes))
    # The furthest end so far on the chromosome: an interval that starts there or beyond it begins a new union.
    reach = pd.Series(end[order]).groupby(codes[order]).cummax().to_numpy()
    begins = np.ones(len(order), dtype=bool)
    begins[1:] = (np.diff(codes[order]) != 0) | (start[order][1:] >= reach[:-1])
    first = np.flatnonzero(begins)
    ends = np.maximum.reduceat(end[order], first)
    spelling = dict(zip(reversed(codes.tolist()), reversed(names), strict=True))
    unions = [
        f"{spelling[code]}:{low}-{high}"
        for code, low, high in zip(
            codes[order][first].tolist(), start[order][first].tolist(), ends.tolist(), strict=True
        )
    ]
    group = np.empty(len(order), dtype=np.int64)
    group[order] = np.cumsum(begins) - 1
    return [unions[i] for i in group]


def _warn_of_spellings(modality: str, features: Sequence[pd.Index], common: Common) -> None:
    """Warn of features that are treated as the same although their names differ."""
    differ: dict[str, str] = {}
    for own, columns in zip(features[1:], common.columns[1:], strict=True):
        kept = columns >= 0
        differ |= {
            a: b for a, b in zip(common.names[columns[kept]], own[kept], strict=True) if a != b and a not in differ
        }
    if differ:
        first, second = next(iter(differ.items()))
        warn(
            f"modality {modality}",
            f"{len(differ)} features are named differently in the sections (e.g. '{first}' and '{second}') and treated "
            "as the same: names were compared without case and Ensembl versions",
        )


def _warn_of_losses(modality: str, sections: Sequence[str], common: Common) -> None:
    """Warn of sections that lose a notable fraction of their features because other sections lack them."""
    lost = [
        f"{int((columns < 0).sum())} of {len(columns)} in section '{section}'"
        for section, columns in zip(sections, common.columns, strict=True)
        if (columns < 0).mean() > NOTABLE
    ]
    if lost:
        warn(f"modality {modality}", f"features that not all sections have were left out: {', '.join(lost)}")


def _are_identifiers(names: pd.Index) -> bool:
    """Return whether most names are identifiers of Ensembl."""
    return bool(names.str.fullmatch(rf"{IDENTIFIER}(\.\d+)?", case=False).mean() > MOSTLY)


def _refuse(modality: str, features: Sequence[pd.Index], sections: Sequence[str], n_shared: int) -> None:
    shown = "; ".join(
        f"section '{section}' has " + ", ".join(f"'{name}'" for name in own[:EXAMPLES])
        for section, own in list(zip(sections, features, strict=True))[:SECTIONS_SHOWN]
    )
    raise InputError(
        "--section",
        f"the sections share {n_shared or 'no'} feature{'s' if n_shared > 1 else ''} of {modality}: {shown}",
        "the same feature names (peaks: overlapping intervals of the same genome)",
        "give all sections the same kind of names, or leave the modality out of some",
    )
