"""Damaged tables behind passports: each is refused in one line, or there is still a passport per domain."""

from __future__ import annotations

from pathlib import Path

import pytest

from spatialweave.errors import InputError
from spatialweave.passport.dataset import passports
from spatialweave.passport.tables import CHARACTERISED, COHORT, read_tables
from spatialweave.report.passports import passport_pages

from ..passport.made import CODES, SHIFTED, run, spots, write_cohort, write_composition
from ..report.characterised_files import write_characterised
from .text_damage import DAMAGES, LONG

CASES = [(name, damage) for name in (*CHARACTERISED, *COHORT) for damage in DAMAGES]
LOOK = {"names": ["1", "2", "3"], "colours": ["#0072B2"] * 3, "stripes": [0] * 3}


@pytest.mark.parametrize(("name", "damage"), CASES if LONG else CASES[::3])
def test_damaged_tables(name: str, damage: str, tmp_path: Path) -> None:
    write_characterised(tmp_path)
    write_composition(tmp_path, "smart.seed1")
    write_cohort(tmp_path)
    path = tmp_path / f"{name}.csv"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    try:
        found = passports(spots(), [run("a", 1, SHIFTED), run("smart", 1, CODES)], 1, read_tables(tmp_path), {})
        pages = passport_pages(found, {}, {"smart.seed1": LOOK, "a.seed1": LOOK})
    except InputError as refusal:
        assert str(refusal).startswith(str(path)) and "\n" not in str(refusal)
    else:
        assert len(pages) >= 3
