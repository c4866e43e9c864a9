"""Rows and columns of rotated, jittered and gappy lattices are those that the spots were made from."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spatialweave.graphs.lattice import line_positions, square_lattice


def places(columns: int, rows: int) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), -1).reshape(-1, 2)


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    angle = np.deg2rad(degrees)
    return points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


@settings(max_examples=30, deadline=None)
@given(
    degrees=st.floats(-44, 44),
    pitch=st.floats(0.3, 400),
    stretch=st.floats(0.8, 1.25),
    jitter=st.floats(0, 0.07),
    missing=st.floats(0, 0.5),
    seed=st.integers(0, 99),
)
def test_places_are_those_that_spots_were_made_from(
    degrees: float, pitch: float, stretch: float, jitter: float, missing: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    made = places(50, 44)
    made = made[rng.random(len(made)) >= missing]
    # A whole row and a whole column without spots: the numbers of the others go on behind them.
    made = made[(made[:, 0] != 17) & (made[:, 1] != 8)]
    points = turned((made + rng.normal(0, jitter, made.shape)) * [pitch, pitch * stretch], degrees)
    found = square_lattice(points + np.array([1e4, -3e3]))
    assert found is not None and (found == made - made.min(axis=0)).all()


def test_long_lattices_of_whole_pixels() -> None:
    """Over 2,000 rows an error of the angle by a thousandth would mix up rows."""
    made = places(40, 2000)
    found = square_lattice(np.rint(turned(made * 29.3, 0.7)))
    assert found is not None and (found == made).all()


@pytest.mark.parametrize("name", ["cells", "hexagonal", "two sections laid over each other", "few"])
def test_no_square_lattice(name: str) -> None:
    square = places(40, 40).astype(float)
    spots = {
        "cells": np.random.default_rng(0).random((1600, 2)) * 40,
        "hexagonal": np.stack([square[:, 0] + 0.5 * (square[:, 1] % 2), square[:, 1] * np.sqrt(3) / 2], -1),
        "two sections laid over each other": np.concatenate([square, square]),
        "few": square[:4],
    }[name]
    assert square_lattice(spots) is None


def test_positions_of_lines() -> None:
    assert line_positions(np.array([5.0, 1.0, 5.2, 4.9]), np.array([2, 0, 2, 2])).tolist()[::2] == [1.0, 5.0]
    assert np.isnan(line_positions(np.array([5.0, 1.0]), np.array([2, 0]))[1])
