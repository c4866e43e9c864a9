"""Section files on the fly, for the tests of PREPROCESS."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import anndata as ad
import mudata as md
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from spatialweave.io.contract import stamp

SectionWriter = Callable[..., Path]


@pytest.fixture
def write_section(tmp_path: Path) -> SectionWriter:
    """A function that writes a section file from {modality: (barcodes, features, counts)}."""

    def write(
        parts: dict[str, tuple[list[str], list[str], np.ndarray]],
        section: str = "s1",
        platform: str = "square",
        layout: str = "square",
        dataset: str = "d",
        labels: dict[str, str] | None = None,
        change: Callable[[md.MuData], None] | None = None,
    ) -> Path:
        md.set_options(pull_on_update=False)
        barcodes = list(dict.fromkeys(b for spots, _, _ in parts.values() for b in spots))
        xy = {b: (float(i % 5), float(i // 5)) for i, b in enumerate(barcodes)}
        mods = {}
        for name, (spots, features, counts) in parts.items():
            mods[name] = ad.AnnData(
                X=sparse.csr_matrix(counts, dtype=np.float32),
                obs=pd.DataFrame(index=spots),
                var=pd.DataFrame(index=features),
                obsm={"spatial": np.array([xy[b] for b in spots])},
            )
        obs = pd.DataFrame({"section": section}, index=barcodes)
        if labels is not None:
            obs["label"] = [labels.get(b, "") for b in barcodes]
        data = md.MuData(mods, obs=obs)
        data.obsm["spatial"] = np.array([xy[b] for b in barcodes])
        data.uns["spatialweave"] = stamp("section", dataset=dataset, section=section, platform=platform, layout=layout)
        if change is not None:
            change(data)
        path = tmp_path / f"{section}.h5mu"
        data.write(path)
        return path

    return write


@pytest.fixture
def recipe_file(tmp_path: Path) -> Callable[[str], Path]:
    """A function that writes a recipe."""

    def write(text: str) -> Path:
        path = tmp_path / "recipe.yml"
        path.write_text(text)
        return path

    return write
