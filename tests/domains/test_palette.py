"""Colours that mean the same region in every map."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from spatialweave.domains import palette
from spatialweave.domains.palette import LOOKS, PALETTE, colour_classes, encode_classes, match_colours, stripes


def test_match_colours_by_hand() -> None:
    # Overlaps (rows: reference A, B; columns: classes x, y): A-x 3, A-y 2, B-x 3, B-y 0. Greedy matching would pair
    # A with x (3 + 0 = 3); the best total pairs A with y and B with x (2 + 3 = 5).
    reference = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    codes = np.array([0, 0, 0, 1, 1, 0, 0, 0])
    assert match_colours(reference, 2, codes, 2) == [1, 0]


def test_classes_left_over_get_colours_of_their_own() -> None:
    reference = np.array([0, 0, 0, 1, 1, -1])
    codes = np.array([2, 2, 0, 1, 1, 3])
    # Class 2 is reference 0, class 1 is reference 1; class 0 lost to 2, class 3 is where there is no label.
    assert match_colours(reference, 2, codes, 4) == [2, 1, 0, 3]


def test_a_small_overlap_gives_no_colour() -> None:
    # Label A has 112 spots, of which one is in domain x; the rest of x, and all of domain y, are where label B is.
    reference = np.array([0] * 112 + [1] * 100)
    codes = np.array([0] + [1] * 111 + [0] * 40 + [1] * 60)
    # One to one, y (171 spots, of which 111 in A) is A. What is left for x is B: they share 40 of 101 spots, enough.
    assert match_colours(reference, 2, codes, 2) == [1, 0]
    # Were it a single spot, or less than a fifth of the spots in either, x would have a colour of its own.
    few = np.array([1] * 112 + [0] * 1 + [1] * 99)
    assert match_colours(reference, 2, few, 2) == [2, 0]
    fifth = np.array([1] * 112 + [0] * 20 + [1] * 80)
    assert match_colours(reference, 2, fifth, 2) == [1, 0]
    less = np.array([1] * 112 + [0] * 19 + [1] * 81)
    assert match_colours(reference, 2, less, 2) == [2, 0]


def test_colours_beyond_the_safe_ones_are_striped() -> None:
    assert [stripes(index) for index in (0, 7, 8, 29, 30, 60)] == [0, 0, 1, 1, 2, 2]
    looks = [(palette.colour(index), stripes(index)) for index in range(LOOKS + 1)]
    # As many as there are; the next one repeats.
    assert len(set(looks[:-1])) == LOOKS and looks[-1] in looks[:-1]


def test_renumbered_domains_keep_their_colours() -> None:
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 6, 300)
    new_number = rng.permutation(6)
    colours = match_colours(truth, 6, new_number[truth], 6)
    assert [colours[new_number[k]] for k in range(6)] == list(range(6))


def test_encode_classes_sorts_numbers_as_numbers() -> None:
    codes, names = encode_classes(["10", "2", "", "1", "L1", "2"])
    assert names == ["1", "2", "10", "L1"]
    assert codes.tolist() == [2, 1, -1, 0, 3, 1]


def simulate_vision(rgb: np.ndarray, kind: str) -> np.ndarray:
    """Linear RGB as a dichromat sees it: Viénot, Brettel and Mollon (1999)."""
    to_lms = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
    reduce = {
        "protan": np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]]),
        "deutan": np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]]),
    }[kind]
    return np.clip(np.linalg.inv(to_lms) @ reduce @ to_lms @ rgb, 0, 1)


def to_lab(linear: np.ndarray) -> np.ndarray:
    """CIE L*a*b* (D65) of linear sRGB."""
    matrix = np.array(
        [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
    )
    x, y, z = (np.cbrt(v) if v > 0.008856 else 7.787 * v + 16 / 116 for v in matrix @ linear / (matrix @ np.ones(3)))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("kind", ["normal", "protan", "deutan"])
def test_first_twelve_colours_differ_for_every_kind_of_vision(kind: str) -> None:
    seen = []
    for colour in PALETTE[:12]:
        srgb = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
        seen.append(to_lab(linear if kind == "normal" else simulate_vision(linear, kind)))
    nearest = min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))
    # 2.3 is just noticeable; colours of areas on a map need several times that.
    assert nearest > 10


def test_palette_has_no_colour_twice() -> None:
    assert len(set(PALETTE)) == len(PALETTE)


def test_a_domain_that_is_missing_leaves_the_others_their_colours():
    _, (found,) = colour_classes(None, [np.array([1, 3, 10, 3])], 0)
    assert (found.names, found.colours) == (["1", "3", "10"], [0, 2, 9])


def test_lines_are_seen_on_dark_pages() -> None:
    """By the contrast of WCAG 2.1 with a card of the page."""

    def light(shade: str) -> float:
        srgb = np.array([int(shade[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    def contrast(shade: str) -> float:
        return (light(shade) + 0.05) / (light("#1b2129") + 0.05)

    assert {shade for shade in PALETTE if contrast(shade) < 2.1} == set(PALETTE) - set(palette.LINES)
