"""Ids of runs, and the files that are named after them."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatialweave.errors import InputError
from spatialweave.io.run_names import method_and_seed, run_id, run_of_file, split_file_name


@pytest.mark.parametrize(
    ("method", "seed", "run"), [("smart", 1, "smart.seed1"), ("smart_paper", 20, "smart_paper.seed20")]
)
def test_an_id_names_the_method_and_the_seed(method: str, seed: int, run: str) -> None:
    assert run_id(method, seed) == run
    assert method_and_seed(run) == (method, seed)
    assert run_of_file(Path(f"files/{run}.domains.csv"), ".domains.csv") == run


@pytest.mark.parametrize(
    "name", ["smart.domains.csv", "smart.seed1.csv", "smart.seed1", "Smart.seed1.domains.csv", ".domains.csv"]
)
def test_a_file_of_another_name_is_refused(name: str) -> None:
    with pytest.raises(InputError, match=r"<method>\.seed<k>\.domains\.csv"):
        run_of_file(Path(name), ".domains.csv")


def test_a_file_name_is_split_into_its_run_and_the_rest():
    assert split_file_name("smart_ms.seed12.h5ad") == ("smart_ms", 12, "h5ad")
    assert split_file_name("smart.seed1.a.seed2--b.pairs.csv") == ("smart", 1, "a.seed2--b.pairs.csv")
    assert [split_file_name(name) for name in ("graph.h5ad", "smart.seed1", "smart.seed.h5ad")] == [None] * 3
