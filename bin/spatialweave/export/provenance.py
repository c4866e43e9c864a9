"""How the results were made, for formats that have no place for it."""

from __future__ import annotations

import json
from typing import Any

from spatialweave.errors import InputError
from spatialweave.io.integrated import PARAMETERS, VERSIONS, Integrated
from spatialweave.io.stage_checks import AGAIN


def provenance(content: Integrated) -> dict[str, Any]:
    """Return the `parameters` of the run and the `versions` of its software; {} of what the file does not have.

    Raises
    ------
    InputError
        When the file holds something else there.
    """
    return {key: _read(key, content.data.uns.get(key, "{}")) for key in (PARAMETERS, VERSIONS)}


def _read(key: str, text: Any) -> Any:
    try:
        return json.loads(str(text))
    except ValueError as error:
        raise InputError(f"uns['{key}'] of the integrated file", f"is not JSON ({error})", fix=AGAIN) from error
