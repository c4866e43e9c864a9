"""Gene sets of the user, and which of them are enriched among the markers of a domain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spatialweave.characterise.rounding import short
from spatialweave.errors import InputError
from spatialweave.io.result_tables import joined_names

MOST_MARKERS = 200
"""Markers of a domain that are compared with the sets: those with the highest scores, because with thousands of spots
nearly every feature differs a little."""

FEWEST_MEASURED = 3
"""Sets with fewer measured features are left out."""

GENES_SHOWN = 50
"""Number of common features that the table names per set."""


def read_gmt(path: Path) -> dict[str, list[str]]:
    """Read a GMT file as sets by name: one line per set, with a name, a description and the genes, separated by tabs.

    Raises
    ------
    InputError
        When the file is not such a text, contains no set, a line has no genes, or two sets have the same name.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(str(path), f"is not a readable text file ({error})", "a GMT file in UTF-8") from error
    sets: dict[str, list[str]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        name, *rest = (cell.strip() for cell in line.split("\t"))
        genes = list(dict.fromkeys(gene for gene in rest[1:] if gene))
        if not name:
            raise InputError(where, "has no name", "a name, a description and genes, separated by tabs")
        if not genes:
            fix = "separate them with tabs" if not rest and " " in line else "add its genes, or remove the line"
            raise InputError(
                where, f"set '{name[:60]}' has no genes", "a name, a description and genes, separated by tabs", fix
            )
        if name in sets:
            raise InputError(where, f"set '{name[:60]}' occurs twice", "each set once", "rename or remove one")
        sets[name] = genes
    if not sets:
        raise InputError(str(path), "holds no gene set", "a line per set: name, description, genes, separated by tabs")
    return sets


@dataclass(frozen=True)
class MeasuredSets:
    """Gene sets among the features of one modality.

    Attributes
    ----------
    members
        Name -> indices of the features in the set, ignoring case (CD3E matches Cd3e).
    """

    n_features: int
    members: dict[str, np.ndarray]

    @classmethod
    def of(cls, sets: Mapping[str, Sequence[str]], features: Sequence[str]) -> MeasuredSets:
        """Return the sets with at least :data:`FEWEST_MEASURED` measured features."""
        index = {name.upper(): number for number, name in reversed(list(enumerate(features)))}
        found = {
            name: np.array(sorted({index[gene.upper()] for gene in genes if gene.upper() in index}), dtype=np.int64)
            for name, genes in sets.items()
        }
        return cls(len(features), {name: rows for name, rows in found.items() if len(rows) >= FEWEST_MEASURED})


def enrichment(sets: MeasuredSets, markers: np.ndarray, features: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the enrichment of each set among the markers of a domain, by p value; sets without a marker are left out.

    p is the probability of at least as many common features if the markers were drawn at random from all measured
    features (hypergeometric, one-sided), adjusted for all sets (Benjamini and Hochberg, 1995).

    Parameters
    ----------
    markers
        Indices of features, best first.
    """
    from scipy.stats import false_discovery_control, hypergeom

    if not sets.members or not len(markers):
        return
    rank_of = {int(feature): rank for rank, feature in enumerate(markers)}
    names = list(sets.members)
    common = [sorted(set(rank_of) & set(sets.members[name].tolist()), key=rank_of.__getitem__) for name in names]
    sizes = np.array([len(sets.members[name]) for name in names])
    overlap = np.array([len(features_in_both) for features_in_both in common])
    p = hypergeom.sf(overlap - 1, sets.n_features, sizes, len(markers))
    p_adjusted = false_discovery_control(np.clip(p, 0.0, 1.0))
    for row in np.lexsort((np.arange(len(names)), p)):
        if overlap[row]:
            expected = len(markers) * sizes[row] / sets.n_features
            yield {
                "gene_set": names[row],
                "overlap": int(overlap[row]),
                "markers": len(markers),
                "set_size": int(sizes[row]),
                "background": sets.n_features,
                "enrichment": short(overlap[row] / expected),
                "p": short(p[row]),
                "p_adjusted": short(p_adjusted[row]),
                "genes": joined_names(features[feature] for feature in common[row][:GENES_SHOWN]),
            }
