"""The measuring platforms: how their spots are arranged, and how many neighbours a spot has by default."""

from __future__ import annotations

from dataclasses import dataclass

from spatialweave.errors import InputError

NEIGHBOURS_BY_LAYOUT = {"hexagonal": 6, "square": 4, "cells": 8}
"""Neighbours per spot: the touching spots on a lattice; 8 among cells (SMART's STARmap/RIBOmap setting)."""


@dataclass(frozen=True)
class Platform:
    """A measuring platform.

    Attributes
    ----------
    layout
        How its spots are arranged.
    image_based
        Whether it images a panel, whose features are all kept.
    intensities
        The modalities of which it measures intensities; of others, what they usually are.
    pitch
        Micrometres from the centre of a spot to the next, where all its spots are so far apart.
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
"""Proteins that are stained, or measured by mass spectrometry, and not counted by tags."""

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


def platform(name: str, where: str = "platform") -> Platform:
    """Look a platform up by name; one that is not known is refused, at `where`, with the list of those that are."""
    try:
        return PLATFORMS[name]
    except KeyError:
        raise InputError(where, f"'{name}' is not known", "one of " + ", ".join(PLATFORMS)) from None
