"""The table of aligned coordinates: what is written is read back, whatever the order; anything else is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spatialweave.errors import InputError
from spatialweave.io.aligned import aligned_table, read_aligned

OBS = pd.DataFrame({"section": ["s1", "s1", "s2"], "barcode": ["a", "007", "a"]}, index=["s1:a", "s1:007", "s2:a"])
POINTS = np.array([[0.1, -2.0], [3.0, 1e-7], [1 / 3, 5.0]])


def test_written_coordinates_are_read_back_in_the_order_of_the_spots(tmp_path: Path) -> None:
    path = tmp_path / "coordinates.csv"
    aligned_table(OBS, POINTS).iloc[[2, 0, 1]].to_csv(path, index=False)
    np.testing.assert_array_equal(read_aligned(path, OBS), POINTS)
    np.testing.assert_array_equal(read_aligned(path, OBS.iloc[[1, 2]]), POINTS[[1, 2]])
    with pytest.raises(InputError, match="line 3: spot 'a' of section 's1' is not in the dataset"):
        read_aligned(path, OBS.iloc[[1, 2]], others=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("section,barcode,x\ns1,a,1\n", "no column 'y'"),
        (
            "section,barcode,x,y\ns1,a,1,2\ns1,007,3,four\ns2,a,5,6\n",
            "line 3, column 'y': value 'four' is not a finite number",
        ),
        (
            "section,barcode,x,y\ns1,a,1,2\ns1,007,3,inf\ns2,a,5,6\n",
            "line 3, column 'y': value 'inf' is not a finite number",
        ),
        ("section,barcode,x,y\ns1,a,1,2\ns1,a,3,4\ns2,a,5,6\n", "line 3: its spot has a line before"),
        ("section,barcode,x,y\ns1,a,1,2\ns2,a,5,6\n", "1 spots are missing, the first is 's1:007'"),
        ("", "is not a readable CSV file"),
    ],
)
def test_another_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "coordinates.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_aligned(path, OBS)
