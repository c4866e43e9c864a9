#!/usr/bin/env python3
"""ALIGN: find the transform from one section's coordinates to another's."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from spatialweave.cli import FILE, OUT_FILE, stage


@stage
@click.option("--latents", type=FILE, required=True, help="Latents file (.h5mu) of PREPROCESS.")
@click.option("--fixed", required=True, help="The section whose coordinates stay.")
@click.option("--moving", required=True, help="The section that is moved.")
@click.option(
    "--align-by",
    type=click.Choice(["auto", "icp", "ndt", "fgw", "none"]),
    default="auto",
    help="auto: by coordinates and features; icp, ndt: by coordinates only; fgw: by fused "
    "Gromov-Wasserstein; none: they are aligned already.",
)
@click.option("--align-reflection", is_flag=True, help="The section may have been turned over.")
@click.option("--align-scale", is_flag=True, help="The units of the two sections may differ.")
@click.option("--out", type=OUT_FILE, required=True, help="Transform (.json) to write.")
def main(
    latents: Path,
    fixed: str,
    moving: str,
    align_by: Literal["auto", "icp", "ndt", "fgw", "none"],
    align_reflection: bool,
    align_scale: bool,
    out: Path,
) -> None:
    """Find the transform from one section's coordinates to another's."""
    from spatialweave.alignment.prematch_settings import PrematchSettings
    from spatialweave.alignment.register import align_sections
    from spatialweave.alignment.stack import write_transform

    settings = PrematchSettings(method=align_by, reflection=align_reflection, scale=align_scale)
    found = align_sections(latents, fixed, moving, settings)
    record = {"score": found.score, "method": found.method, "record": found.record}
    write_transform(out, fixed, moving, found.matrix, record)


if __name__ == "__main__":
    main()
