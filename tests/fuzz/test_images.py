"""INGEST with images that are damaged, or that claim more than there is memory."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import sparse

from .harness import assert_ends_well, holds, text
from .hdf5_damage import DAMAGES, apply
from .text_damage import LONG

pytestmark = pytest.mark.filterwarnings("ignore")

SIDE = 40


def picture(kind: str) -> bytes:
    noise = np.random.default_rng(1).integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, format=kind)
    return buffer.getvalue()


def adata() -> anndata.AnnData:
    data = anndata.AnnData(
        sparse.csr_matrix(np.arange(1, 37, dtype=np.float32).reshape(12, 3)),
        obs=pd.DataFrame(index=[f"b{i}" for i in range(12)]),
        var=pd.DataFrame(index=["A", "B", "C"]),
    )
    data.obsm["spatial"] = np.array([(9.0 * (i % 4), 9.0 * (i // 4)) for i in range(12)])
    return data


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def huge_png(side: int) -> bytes:
    """A PNG that says it has side x side pixels, and holds a few rows."""
    head = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )


IMAGE_DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "half": lambda content: content[: len(content) // 2],
    "a header only": lambda content: content[:40],
    "shuffled": lambda content: bytes(np.random.default_rng(0).permutation(np.frombuffer(content, np.uint8))),
    "text": lambda _: b"barcode,x,y\n",
    "zeros": lambda content: bytes(len(content)),
    "cut in the middle": lambda content: content[: len(content) // 3] + content[len(content) // 2 :],
    "flipped bits": lambda content: bytes(b ^ 0xFF if i % 97 == 50 else b for i, b in enumerate(content)),
    "many pixels": lambda _: huge_png(30_000),
    "all pixels": lambda _: huge_png(2**31 - 1),
    "no pixels": lambda _: huge_png(0),
    "a script": lambda _: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
}


def ingest(arguments: list[str], out: Path, names: str | tuple[str, ...]) -> int:
    given = ["--dataset", "d", "--section", "s", *arguments, "--out", str(out)]
    return assert_ends_well("ingest", given, out.parent, names, lambda: holds(out))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF"])
@pytest.mark.parametrize("damage", IMAGE_DAMAGES)
def test_damaged_image(kind: str, damage: str, tmp_path: Path) -> None:
    adata().write_h5ad(tmp_path / "rna.h5ad")
    bad = text(tmp_path / f"bad.{kind.lower()}", IMAGE_DAMAGES[damage](picture(kind)))
    arguments = ["--rna", str(tmp_path / "rna.h5ad"), "--image", str(bad)]
    code = ingest(arguments, tmp_path / "out" / "s.h5mu", bad.name)
    assert code == 2 or damage in ("flipped bits", "cut in the middle", "half")


def test_a_folder_and_no_file_as_image(tmp_path: Path) -> None:
    adata().write_h5ad(tmp_path / "rna.h5ad")
    (tmp_path / "folder.png").mkdir()
    for name in ("folder.png", "absent.png"):
        arguments = ["--rna", str(tmp_path / "rna.h5ad"), "--image", str(tmp_path / name)]
        assert ingest(arguments, tmp_path / "out" / "s.h5mu", name) == 2


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "inf", "1e300", "1e-300", "x"])
def test_scales_that_are_none(scale: str, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from ingest import main

    adata().write_h5ad(tmp_path / "rna.h5ad")
    Image.new("RGB", (9, 9)).save(tmp_path / "i.png")
    out = tmp_path / "out" / "s.h5mu"
    arguments = ["--dataset", "d", "--section", "s", "--rna", str(tmp_path / "rna.h5ad"), "--out", str(out)]
    result = CliRunner().invoke(main, [*arguments, "--image", str(tmp_path / "i.png"), "--scale", scale])
    assert result.exit_code in (0, 2) and "Traceback" not in result.stderr
    assert (result.exit_code == 0) == (scale == "1e-300")


SCALAR_DAMAGES = ("absent", "group", "dangling link", "link to itself", "hole")
CASES = [
    *(("images/hires", damage) for damage in DAMAGES),
    *((f"scalefactors/{name}", damage) for name in ("tissue_hires_scalef", "spot_diameter_fullres")
      for damage in SCALAR_DAMAGES),
]  # fmt: skip


@pytest.mark.parametrize(("target", "damage"), CASES if LONG else CASES[::2])
def test_damaged_image_in_an_h5ad(target: str, damage: str, tmp_path: Path) -> None:
    """The counts are good: the image is left out, or the file is refused where it promises more than it holds."""
    data = adata()
    factors = {"tissue_hires_scalef": 1.0, "spot_diameter_fullres": 5.0}
    image = np.asarray(Image.open(io.BytesIO(picture("PNG"))))
    data.uns["spatial"] = {"l": {"images": {"hires": image}, "scalefactors": factors}}
    data.write_h5ad(tmp_path / "bad.h5ad")
    path = f"uns/spatial/l/{target}"
    apply(tmp_path / "bad.h5ad", damage, path)
    ingest(["--rna", str(tmp_path / "bad.h5ad")], tmp_path / "out" / "s.h5mu", "bad.h5ad")


@pytest.mark.parametrize("content", ["", "[]", "{", '{"tissue_hires_scalef": null}', '{"tissue_hires_scalef": -1}',
                                     '{"tissue_hires_scalef": [1, 2]}', '{"tissue_hires_scalef": "inf"}'])  # fmt: skip
def test_scale_factors_that_are_none(content: str, tmp_path: Path) -> None:
    adata().write_h5ad(tmp_path / "rna.h5ad")
    text(tmp_path / "tissue_hires_image.png", picture("PNG"))
    text(tmp_path / "scalefactors_json.json", content)
    arguments = ["--rna", str(tmp_path / "rna.h5ad"), "--image", str(tmp_path / "tissue_hires_image.png")]
    names = ("scalefactors_json.json", "tissue_hires_image.png")
    assert ingest(arguments, tmp_path / "out" / "s.h5mu", names) == 2
