"""The data of a page."""

from __future__ import annotations

import pytest

from spatialweave.report.page_data import thin_losses


def test_long_loss_curves_are_thinned_ends_kept() -> None:
    thinned = thin_losses({"total": [1 / (k + 1) for k in range(5000)], "empty": []})
    assert list(thinned) == ["total"]
    epochs = thinned["total"]["epoch"]
    assert (epochs[0], epochs[-1]) == (1, 5000)
    assert len(epochs) <= 400
    assert thinned["total"]["value"][-1] == pytest.approx(1 / 5000)
