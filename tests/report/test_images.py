"""Images of the tissue on the maps of the report: what the page holds of them."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatialweave.report.dataset_results import DatasetSources

from .dataset_files import CYAN, GREY, RED
from .page import Page, dataset_page, loads_nothing


def pixel(source: str, x: float, y: float) -> np.ndarray:
    """The colour at fractions of the width and height of an image that is a data URI."""
    kind, content = source.split(",", 1)
    assert kind == "data:image/jpeg;base64"
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
    return image[int(y * image.shape[0]), int(x * image.shape[1])]


def check(page: Page, section: int, image: dict, spots: np.ndarray) -> None:
    """Under every fourth spot (map coordinates, in the order of the tissue) must be the colour of its region."""
    truth = (np.arange(12)[:, None] // 6) * 2 + np.arange(12)[None, :] // 6
    for (x, y), region in list(zip(spots, truth.ravel(), strict=True))[::4]:
        found = pixel(image["source"], (x - image["x"]) / image["width"], (y - image["y"]) / image["height"])
        np.testing.assert_allclose(found, RED if region % 2 == 0 else CYAN, atol=40)


def places(page: Page) -> np.ndarray:
    from .page import unpack

    data = page.data()
    return np.column_stack([unpack(data["x"]), unpack(data["y"])])


def test_an_image_lies_under_its_spots(make_dataset: Callable[..., DatasetSources], tmp_path: Path) -> None:
    page = dataset_page(make_dataset(image=True), tmp_path)
    (image,) = page.data()["images"]
    check(page, 0, image, places(page))
    # Around the spots is grey.
    np.testing.assert_allclose(pixel(image["source"], 0.02, 0.02), GREY, atol=40)
    assert page.data()["micrometres"] == [0.5]
    assert loads_nothing(page)
    assert "Opacity of the image" in page.text


def test_images_of_sections_side_by_side(make_dataset: Callable[..., DatasetSources], tmp_path: Path) -> None:
    page = dataset_page(make_dataset(image=True, sections=("a", "b")), tmp_path)
    one, other = page.data()["images"]
    spots = places(page).reshape(2, -1, 2)
    check(page, 0, one, spots[0])
    check(page, 1, other, spots[1])
    # They do not lie over each other.
    assert one["x"] + one["width"] <= other["x"] + 1e-6 or one["y"] + one["height"] <= other["y"] + 1e-6


def test_without_images_there_are_no_sliders(sources: DatasetSources, tmp_path: Path) -> None:
    page = dataset_page(sources, tmp_path)
    assert page.data()["images"] == [] and page.data()["micrometres"] == [None]
    assert "Opacity of the image" not in page.text


@pytest.fixture(autouse=True)
def _fast(fast_umap: None) -> None:
    """The embedding is not what is looked at here."""
