"""The wrapper that finds or fetches Nextflow."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def test_a_script_on_path_that_starts_the_wrapper_is_not_started_for_ever(project: Path, tmp_path: Path) -> None:
    starts = tmp_path / "starts"
    script = tmp_path / "nextflow"
    script.write_text(
        "#!/usr/bin/env bash\n"
        f"echo >>'{starts}'\n"
        f"[ $(wc -l <'{starts}') -le 5 ] || exit 1\n"
        f"exec '{project}/nextflow' \"$@\"\n"
    )
    script.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    environment.pop("SPATIALWEAVE_PINNED_NEXTFLOW", None)
    done = subprocess.run(
        [str(script), "-v"], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert "nextflow version" in done.stdout, done.stderr
    # The user's start, the wrapper's question for the version, and its start of what answered.
    assert len(starts.read_text()) == 3
