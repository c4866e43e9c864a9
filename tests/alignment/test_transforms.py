"""Transforms against hand-worked matrices, scipy and the definition of least squares."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from spatialweave.alignment import transforms
from spatialweave.errors import InputError

ANGLES = st.floats(-3.1, 3.1)
FACTORS = st.floats(0.1, 10.0)


def points(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(40, 2)) * (3.0, 1.0) + (5.0, -2.0)


def test_rigid_by_hand():
    """A quarter turn takes x to y; mirroring comes before it."""
    corner = np.array([[2.0, 1.0]])
    assert transforms.apply(transforms.rigid(np.pi / 2, (10, 0)), corner)[0] == pytest.approx([9, 2])
    assert transforms.apply(transforms.rigid(np.pi / 2, (10, 0), 3.0, reflect=True), corner)[0] == pytest.approx(
        [13, 6]
    )


@given(angle=ANGLES, factor=FACTORS, reflect=st.booleans())
@settings(max_examples=40, deadline=None)
def test_decompose_undoes_rigid(angle, factor, reflect):
    matrix = transforms.rigid(angle, (3.0, -4.0), factor, reflect)
    found = transforms.decompose(matrix)
    assert found[0] == pytest.approx(angle) and found[2] == pytest.approx(factor) and found[3] is reflect
    np.testing.assert_allclose(transforms.rigid(*found), matrix)


def test_about_leaves_the_centre_where_it_is():
    centre = np.array([4.0, 7.0])
    matrix = transforms.about(transforms.rigid(1.0, (0, 0), 2.0), centre)
    np.testing.assert_allclose(transforms.apply(matrix, centre[None])[0], centre)


@given(angle=ANGLES, factor=FACTORS, reflect=st.booleans())
@settings(max_examples=40, deadline=None)
def test_fit_recovers_a_transform(angle, factor, reflect):
    matrix = transforms.rigid(angle, (8.0, 1.0), factor, reflect)
    found = transforms.fit(points(), transforms.apply(matrix, points()), scale=True, reflect=reflect)
    np.testing.assert_allclose(found, matrix, atol=1e-9)


def test_fit_equals_scipy_with_weights():
    """Kabsch in three dimensions with z = 0 and both sides centred, as scipy solves it."""
    rng = np.random.default_rng(1)
    source, weights = points(), rng.random(40)
    target = transforms.apply(transforms.rigid(0.7, (1, 2)), source) + rng.normal(size=(40, 2))
    found = transforms.fit(source, target, weights)
    flat = [np.column_stack([p - np.average(p, axis=0, weights=weights), np.zeros(40)]) for p in (target, source)]
    truth = Rotation.align_vectors(*flat, weights=weights)[0].as_matrix()
    np.testing.assert_allclose(found[:2, :2], truth[:2, :2], atol=1e-6)
    np.testing.assert_allclose(transforms.apply(found, np.average(source, axis=0, weights=weights)[None])[0],
                               np.average(target, axis=0, weights=weights))  # fmt: skip


def test_fit_has_the_least_squares():
    """No small change of angle, shift or scale is better."""
    rng = np.random.default_rng(2)
    source = points()
    target = 1.5 * source[:, ::-1] + rng.normal(size=(40, 2))
    found = transforms.fit(source, target, scale=True)
    least = ((transforms.apply(found, source) - target) ** 2).sum()
    for step in (-1e-3, 1e-3):
        for change in (transforms.rigid(step, (0, 0)), transforms.rigid(0, (step, 0)), transforms.rigid(0, (0, step)),
                       transforms.rigid(0, (0, 0), 1 + step)):  # fmt: skip
            assert ((transforms.apply(change @ found, source) - target) ** 2).sum() > least


def test_fit_never_mirrors_by_default():
    mirrored = points() * (1.0, -1.0)
    assert not transforms.decompose(transforms.fit(points(), mirrored))[3]
    np.testing.assert_allclose(transforms.apply(transforms.fit(points(), mirrored, reflect=True), points()), mirrored)


@pytest.mark.parametrize("source", [np.zeros((5, 2)), np.zeros((1, 2)), np.full((7, 2), 100_000.1)])
def test_fit_refuses_what_has_no_angle(source):
    with pytest.raises(InputError, match="pairs of points"):
        transforms.fit(source, points()[: len(source)])


def test_disagreement_of_a_half_turn():
    """Turned by 180 degrees about the middle every point moves by twice its distance from it."""
    centre = points().mean(axis=0)
    half = transforms.about(transforms.rigid(np.pi, (0, 0)), centre)
    assert transforms.disagreement(np.eye(3), half, points()) == pytest.approx(2.0)
