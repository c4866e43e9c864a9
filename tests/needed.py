"""Which of the long tests a change needs (make needed): those of whose subject it touches a file."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable

FLOW = r"main\.nf|workflows/.*|modules/.*\.nf|nextflow\.config|conf/(environment|resources|publish)\.config"
TARGETS = {
    # The image, the options of engines, and a training's software.
    "test-containers": r"containers/.*|environments/.*|pyproject\.toml|uv\.lock|modules/train\.nf"
    r"|modules/checks/environments\.nf|conf/(environment|container|docker|podman|charliecloud)\.config",
    # What jobs ask for, how they are tried again, and what a resumed run finds.
    "test-slurm": rf"{FLOW}|conf/(slurm|scheduler|gpu)\.config|tests/slurm/.*|tests/pipeline/conftest\.py",
    # What is written when, and what a task that is tried again starts from.
    "test-faults": rf"{FLOW}|bin/spatialweave/(io/files|cli)\.py"
    r"|bin/spatialweave/training/(checkpoint|loop|run|session)\.py|bin/[a-z_]+\.py|tests/faults/.*",
    # The libraries of other methods, and how they are called.
    "test-baselines": r"environments/.*|tests/baselines/.*"
    r"|assets/preprocess/(counts|smart|spatialfuser|spatialglue)\.yml"
    r"|bin/spatialweave/methods/(banksy|cellcharter|graphst|mofa|multivi|snf|spatialglue|stagate|totalvi|wnn)\.py"
    r"|bin/spatialweave/graphs/(complete|spectral)\.py",
    # Every process by itself, and every profile.
    "test-nf": rf"{FLOW}|conf/.*|bin/[a-z_]+\.py|nextflow_schema\.json|nf-test\.config|assets/.*"
    r"|tests/(modules|lib)/.*|tests/[a-z_]+\.nf\.test|tests/profiles\.config|tests/with_stubs\.sh|tests/pipeline/stubs/.*",
}
"""Every long target of the Makefile, and the files that it is for."""


def needed(changed: Iterable[str]) -> dict[str, list[str]]:
    """The long targets that a change needs, each with the changed files that are its reason."""
    files = sorted(set(changed))
    reasons = {name: [file for file in files if re.fullmatch(pattern, file)] for name, pattern in TARGETS.items()}
    return {name: found for name, found in reasons.items() if found}


def main() -> None:
    """Print the targets for the files that are named as arguments."""
    found = needed(sys.argv[1:])
    print("Besides make test, this change needs " + ("these:" if found else "nothing."))
    for name, files in found.items():
        more = f" and {len(files) - 3} more" if len(files) > 3 else ""
        print(f"make {name:16} because of {', '.join(files[:3])}{more}")


if __name__ == "__main__":
    main()
