"""The README's pictures of reports of real tissues: docs/pictures/readme.py <folder of the real tissues>.

The folder has `dbitseq_mouse_embryo/rna.h5ad` and `protein.h5ad`, and `dlpfc_visium/151507_rna.h5ad`. The pictures show
what the pipeline makes of the counts, and neither the images nor the annotations of the tissues' authors.
"""

from __future__ import annotations

import csv
import subprocess
import sys
import tempfile
from pathlib import Path

from screen import NO_CHROMIUM, PANELS, chromium, open_report, save

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "results" / "pictures"
TISSUES = {
    "embryo": ("dbitseq_mouse_embryo/rna.h5ad", "dbitseq_mouse_embryo/protein.h5ad", "dbit", "domain", 13),
    "cortex": ("dlpfc_visium/151507_rna.h5ad", "", "visium", "domain", 7),
}
"""Name of a dataset -> the other columns of the samplesheet."""

COLUMNS = ("dataset", "rna", "adt", "platform", "labels", "n_domains")
PICTURES = {"cortex": (("nav", *PANELS), True), "embryo": (PANELS, False)}
"""Name of a dataset -> the elements on its picture, and whether it is as wide as the page."""


def run(data: Path) -> None:
    """Run the pipeline on both tissues: three methods, two seeds."""
    OUT.mkdir(parents=True, exist_ok=True)
    sheet = OUT / "samplesheet.csv"
    with sheet.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([COLUMNS, *((name, *columns) for name, columns in TISSUES.items())])
    command = [str(ROOT / "nextflow"), "run", str(ROOT), "-resume", "--methods", "smart,spamca,mcgate", "--seeds", "2"]
    command += ["--input", str(sheet), "--data", str(data.resolve()), "--outdir", str(OUT)]
    subprocess.run(command, cwd=OUT, check=True)


def main() -> None:
    """Run, and save the maps of the domains and of their confidence."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(f"ERROR: {sys.argv[0]} takes the folder of the real tissues")
    run(Path(sys.argv[1]))
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as browser:
        if browser is None:
            sys.exit(f"ERROR: {NO_CHROMIUM}")
        for name, (selectors, whole_width) in PICTURES.items():
            open_report(browser, OUT / name / "report.html", 1280)
            save(browser, selectors, ROOT / "docs" / "images" / f"report_{name}.png", whole_width)


if __name__ == "__main__":
    main()
