#!/usr/bin/env python3
"""CHOOSE: choose the number of domains of a dataset from the criteria of all its runs."""

from __future__ import annotations

from pathlib import Path

import click

from spatialweave.cli import FILE, OUT_FILE, stage


@stage
@click.option("--criteria", "files", type=FILE, multiple=True, required=True, help="Criteria of one run, of SCAN.")
@click.option("--partitions", type=FILE, multiple=True, required=True, help="Domains of one run, of SCAN.")
@click.option("--out", required=True, type=OUT_FILE, help="The choice (.json) to write.")
@click.option("--table", required=True, type=OUT_FILE, help="Criteria of all runs (.csv) to write.")
def main(files: tuple[Path, ...], partitions: tuple[Path, ...], out: Path, table: Path) -> None:
    """Choose the largest number of domains that is about as stable as the most stable one."""
    from dataclasses import asdict

    import pandas as pd

    from spatialweave.domains.number import between_methods, choose
    from spatialweave.io.files import write_json
    from spatialweave.io.notices import warn
    from spatialweave.io.result_tables import NUMBERS, PARTITIONS
    from spatialweave.io.run_names import run_id
    from spatialweave.prose import listing

    rows = NUMBERS.read_all(files)
    choice = choose(rows)
    found = PARTITIONS.read_all(partitions)
    runs = [run_id(method, seed) for method, seed in zip(found["method"], found["seed"], strict=True)]
    between = between_methods(found[~pd.Series(runs, index=found.index).isin(choice.left_out)])
    if between:
        rows = pd.concat([rows, NUMBERS.frame(between)], ignore_index=True)
    if choice.at_the_end:
        tried = f"{min(choice.stability)} to {max(choice.stability)}"
        warn(
            "number of domains",
            f"{choice.number} was chosen, at the end of the numbers tried ({tried}): {choice.beyond}",
        )
    if choice.left_out:
        warn(
            "number of domains",
            f"{listing(choice.left_out)} took no part in the choice: collapsed, with fewer distinct groups of spots "
            f"than the {max(choice.stability)} domains tried; look at the embedding before using its domains",
        )
    NUMBERS.write(table, rows)
    write_json(out, asdict(choice))


if __name__ == "__main__":
    main()
