"""What the elements of a section are called in a SpatialData store."""

from __future__ import annotations

from collections.abc import Iterable

SPOTS, IMAGE = "_spots", "_image"
"""What the names of a section's circles and of its image have behind that of its table."""


def element_names(sections: Iterable[str]) -> dict[str, str]:
    """Return the name of the table of each section: the section's own, unless the store cannot have it.

    No two elements of a store may differ in upper and lower case only, and none may begin with "__": such a name gets
    "section" before it, and one that is taken as many "_" behind it as make it free.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for section in sections:
        name = f"section{section}" if section.startswith("__") else section
        while not taken.isdisjoint(_elements(name)):
            name += "_"
        taken |= _elements(name)
        names[section] = name
    return names


def _elements(name: str) -> set[str]:
    return {f"{name}{end}".lower() for end in ("", SPOTS, IMAGE)}
