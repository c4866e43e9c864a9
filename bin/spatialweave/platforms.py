"""The measuring platforms: the arrangement of their spots, and the default number of neighbours of a spot."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from spatialweave.errors import InputError

NEIGHBOURS_BY_LAYOUT = {"hexagonal": 6, "square": 4, "cells": 8}
"""Neighbours per spot: the touching spots on a lattice; 8 among cells (SMART's STARmap/RIBOmap setting)."""


@dataclass(frozen=True)
class Platform:
    """Measuring platform.

    Attributes
    ----------
    layout
        Arrangement of its spots.
    image_based
        Whether it images a panel, whose features are all kept.
    intensities
        The modalities whose intensities it measures; the values of others are the default of the modality.
    pitch
        Micrometres between the centres of neighbouring spots, if all spots have the same distance.
    """

    name: str
    layout: str
    image_based: bool = False
    intensities: tuple[str, ...] = ()
    pitch: float | None = None

    @property
    def n_neighbours(self) -> int:
        """Neighbours per spot in the spatial graph."""
        return NEIGHBOURS_BY_LAYOUT[self.layout]


STAINED = ("adt",)
"""Modalities whose proteins are stained or measured by mass spectrometry, and not counted by tags."""

PLATFORMS = {
    platform.name: platform
    for platform in (
        Platform("visium", "hexagonal", pitch=100.0),
        Platform("visium_hd", "square"),
        Platform("stereo_seq", "square"),
        Platform("slide_seq", "cells"),
        Platform("slide_tags", "cells"),
        Platform("dbit", "square"),
        Platform("misar", "square"),
        Platform("spots", "hexagonal"),
        Platform("plato", "square", intensities=STAINED),
        Platform("starmap", "cells", image_based=True, intensities=STAINED),
        Platform("merfish", "cells", image_based=True, intensities=STAINED),
        Platform("seqfish", "cells", image_based=True, intensities=STAINED),
        Platform("osmfish", "cells", image_based=True, intensities=STAINED),
        Platform("baristaseq", "cells", image_based=True, intensities=STAINED),
        Platform("codex", "cells", image_based=True, intensities=STAINED),
        Platform("xenium", "cells", image_based=True, intensities=STAINED),
        Platform("cosmx", "cells", image_based=True, intensities=STAINED),
        Platform("maldi", "square", image_based=True),
        Platform("hexagonal", "hexagonal"),
        Platform("square", "square"),
        Platform("cells", "cells"),
    )
}

OTHER_NAMES = {"merscope": "merfish", "vizgen": "merfish", "phenocycler": "codex", "imc": "codex", "curio": "slide_seq"}
"""Platforms by names of machines and companies, which messages translate."""


def platform(name: str, where: str = "platform") -> Platform:
    """Look up a platform by name; an unknown name is refused, at `where`, with the list of platforms."""
    try:
        return PLATFORMS[name]
    except KeyError:
        near = OTHER_NAMES.get(name.lower()) or next(iter(get_close_matches(name.lower(), PLATFORMS, n=1)), None)
        fix = f"write {near}, if that is meant" if near else ""
        raise InputError(where, f"'{name}' is not known", "one of " + ", ".join(PLATFORMS), fix) from None
