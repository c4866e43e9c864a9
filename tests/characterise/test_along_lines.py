"""Domains along single rows or columns of a grid are told from layers, blocks and scattered spots."""

from __future__ import annotations

import numpy as np
import pytest

from spatialweave.characterise.along_lines import own_lines
from spatialweave.graphs.lattice import square_lattice

SIDE = 24
PLACES = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), -1).reshape(-1, 2)
X, Y = PLACES.T


def found(codes: np.ndarray, degrees: float = 0.0) -> list[tuple[int, str, int, int]]:
    """Domain, direction, position, spots of each own line."""
    angle = np.deg2rad(degrees)
    points = PLACES @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    places = square_lattice(points)
    assert places is not None
    lines = own_lines(points, places, codes, 3)
    return [(line.domain, line.direction, round(line.position), line.spots) for line in lines]


def test_a_row_with_some_spots_of_others_and_strays_elsewhere() -> None:
    codes = np.zeros(len(PLACES), dtype=np.int64)
    codes[(Y == 9) & (X < 20)] = 2
    codes[(Y == 3) & (X < 4)] = 2
    assert found(codes) == [(2, "row", 9, 20)]


def test_every_other_column_and_two_together() -> None:
    codes = np.zeros(len(PLACES), dtype=np.int64)
    codes[np.isin(X, [3, 5, 12, 13])] = 1
    # Column 4, between two of the domain's, is one of the other domain.
    assert found(codes) == [(0, "column", 4, SIDE), *((1, "column", x, SIDE) for x in (3, 5, 12, 13))]
    turned = [(domain, direction, spots) for domain, direction, _, spots in found(codes, 12.0)]
    assert turned == [(0, "column", SIDE)] + [(1, "column", SIDE)] * 4


@pytest.mark.parametrize("name", ["a layer of four rows", "a block", "a short bar", "blurred at its sides"])
def test_shapes_of_tissue(name: str) -> None:
    inside = {
        "a layer of four rows": (Y >= 8) & (Y < 12),
        "a block": (X < 9) & (Y > 12),
        "a short bar": (Y == 9) & (X < 10),
        "blurred at its sides": (Y == 9) | (np.isin(Y, [8, 10]) & (X % 3 > 0)),
    }[name]
    assert found(inside.astype(np.int64)) == []
