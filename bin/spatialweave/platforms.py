"""The measuring platforms: how their spots are arranged, and how many neighbours a spot has by default."""

from __future__ import annotations

from dataclasses import dataclass

from spatialweave.errors import InputError

NEIGHBOURS_BY_LAYOUT = {"hexagonal": 6, "square": 4, "cells": 8}
"""Neighbours per spot: the touching spots on a lattice; 8 among cells (SMART's STARmap/RIBOmap setting)."""


@dataclass(frozen=True)
class Platform:
    """The arrangement of a platform's spots (`layout`), and whether it images a panel, whose features are all kept."""

    name: str
    layout: str
    image_based: bool = False

    @property
    def n_neighbours(self) -> int:
        """Neighbours per spot in the spatial graph."""
        return NEIGHBOURS_BY_LAYOUT[self.layout]


PLATFORMS = {
    platform.name: platform
    for platform in (
        Platform("visium", "hexagonal"),
        Platform("visium_hd", "square"),
        Platform("stereo_seq", "square"),
        Platform("slide_seq", "cells"),
        Platform("slide_tags", "cells"),
        Platform("dbit", "square"),
        Platform("misar", "square"),
        Platform("spots", "hexagonal"),
        Platform("starmap", "cells", image_based=True),
        Platform("merfish", "cells", image_based=True),
        Platform("seqfish", "cells", image_based=True),
        Platform("osmfish", "cells", image_based=True),
        Platform("baristaseq", "cells", image_based=True),
        Platform("codex", "cells", image_based=True),
        Platform("xenium", "cells", image_based=True),
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
