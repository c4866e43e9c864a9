"""Facts that INGEST found in the files of a section, as one line for the log and a table for the results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from spatialweave.io.result_tables import ALL, UNDERSTOOD

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Understood:
    """Facts about a section.

    Attributes
    ----------
    rows
        Modality (or :data:`ALL`), item, value, and the source of or reason for the value.
    """

    section: str
    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def add(self, item: str, value: object, source: str = "", modality: str = ALL) -> None:
        """Add one fact."""
        self.rows.append((modality, item, str(value), source))

    def shorten(self, paths: Iterable[Path]) -> None:
        """Remove the folders from the names of files."""
        for path in paths:
            self.rows = [
                (modality, item, value.replace(str(path), path.name), source.replace(str(path), path.name))
                for modality, item, value, source in self.rows
            ]

    def table(self) -> pd.DataFrame:
        """Return one row per fact (:data:`~spatialweave.io.result_tables.UNDERSTOOD`)."""
        return UNDERSTOOD.frame((self.section, *row) for row in self.rows)

    def line(self) -> str:
        """Return all facts in one line."""
        values = {(modality, item): (value, source) for modality, item, value, source in self.rows}
        modalities = list(dict.fromkeys(modality for modality, *_ in self.rows if modality != ALL))
        parts = [
            f"{name} {values[name, 'spots'][0]} spots x {values[name, 'features'][0]} features "
            f"({values[name, 'features'][1]})"
            for name in modalities
        ]
        if len(modalities) > 1:
            parts.append(f"{values[ALL, 'shared spots'][0]} spots in all modalities")
        for item in ("platform", "spacing", "coordinates", "image", "labels"):
            if (ALL, item) in values:
                value, source = values[ALL, item]
                parts.append(f"{item} {value}" + (f" ({source})" if source else ""))
        left_out = [value for _modality, item, value, _source in self.rows if item == "notice"]
        parts.append("notices: " + (" | ".join(left_out) if left_out else "none"))
        return f"{self.section}: {values[ALL, 'spots'][0]} spots; " + "; ".join(parts)


def understood(table: pd.DataFrame) -> Understood:
    """Return the facts in a table of :data:`~spatialweave.io.result_tables.UNDERSTOOD`."""
    columns = ("modality", "item", "value", "source")
    rows = [(str(a), str(b), str(c), str(d)) for a, b, c, d in table[list(columns)].itertuples(index=False)]
    return Understood(str(table["section"].iloc[0]), rows)
