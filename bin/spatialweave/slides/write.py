"""Writing of the slides of a dataset's domains from the files of its stages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from spatialweave.domains import palette
from spatialweave.domains.palette import colour_classes
from spatialweave.errors import InputError
from spatialweave.io.result_tables import WEAVE
from spatialweave.passport.dataset import passports
from spatialweave.passport.passport import Passport
from spatialweave.passport.tables import read_tables
from spatialweave.report.images import micrometres_on_map
from spatialweave.report.layout import arrange
from spatialweave.results.counts import read_features
from spatialweave.results.first_run import first_run
from spatialweave.results.records import read_presets
from spatialweave.results.runs import read_methods, read_metrics, read_runs
from spatialweave.results.spots import read_spots
from spatialweave.results.titles import method_titles
from spatialweave.slides.slide import MarkerMap, Slide
from spatialweave.slides.spot_map import SpotMap


def write_slides(
    dataset: str,
    latents: Path,
    counts: Path | None,
    files: Path,
    presets: Path | None,
    formats: Sequence[str],
    out_dir: Path,
) -> list[Path]:
    """Write one slide per domain of the run that the report shows first and of characterised runs.

    Parameters
    ----------
    files
        Folder with the files of the runs, and the tables of CHARACTERISE and COHORT.
    out_dir
        Receives a folder per run.

    Raises
    ------
    InputError
        When a file breaks the data contract, or no run has domains.
    """
    spots = read_spots(latents)
    runs = read_runs(files, spots, embeddings_of=(WEAVE,))
    _, first = first_run(runs, read_metrics(files, dataset), read_methods(files))
    if first is None:
        raise InputError(str(files), "no run has domains", "<method>.seed<k>.domains.csv with its metrics")
    titles = method_titles(read_presets(presets), (run.method for run in runs))
    found = passports(spots, runs, first, read_tables(files), titles)
    wanted = {best for pages in found.values() for page in pages for best in _best_markers(page)}
    sections, values = read_features(counts, spots, wanted)
    codes, names = spots.stack()
    arrangement = arrange(spots.coordinates, codes, len(names))
    lengths = micrometres_on_map(sections, {"names": names, "scales": arrangement.scales})
    known = [length for length in lengths if length]
    same = len(known) == len(lengths) and bool(known) and max(known) < 1.01 * min(known)
    headings = [(name, x, y) for name, (x, y) in zip(names, arrangement.titles, strict=True)]
    spot_map = SpotMap.of(
        arrangement.coordinates, arrangement.spacing, spots.layout, headings, known[0] if same else None
    )
    _, classes = colour_classes(spots.labels, [run.domains for run in runs], first)
    written = []
    for run, own in zip(runs, classes, strict=True):
        pages = found.get(run.id, [])
        labels = {page.number: page.label for page in pages}
        for page in pages:
            code = own.names.index(str(page.number))
            slide = Slide(
                page, dataset, spot_map, own.codes == code, palette.colour(own.colours[code]),
                [MarkerMap(best[1], values[best]) for best in _best_markers(page) if best in values], labels, titles,
            )  # fmt: skip
            written += slide.write(out_dir / run.id, formats)
    return written


def _best_markers(page: Passport) -> list[tuple[str, str]]:
    """Return modality and name of the best marker of each modality that has one."""
    return [(found.modality, found.best[0].feature) for found in page.markers if found.best]
