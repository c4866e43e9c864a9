"""Records of a run: parameters, versions, presets, failures, preprocessing, and what was left out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from spatialweave.errors import InputError
from spatialweave.io.dataset import open_latents
from spatialweave.io.files import read_json
from spatialweave.modalities import MODALITIES
from spatialweave.presets import MethodPreset, read_preset

if TYPE_CHECKING:
    pass

Kind = TypeVar("Kind", list[Any], dict[str, Any])


def read_preprocessing(latents: Iterable[Path]) -> dict[str, dict[str, Any]]:
    """Read the preprocessing record of each modality from latents files, by the name of their recipe."""
    from anndata.io import read_elem

    recipes = {}
    for path in latents:
        with open_latents(path) as file:
            records = {name: file[f"mod/{name}"].get("uns/preprocess") for name in MODALITIES if name in file["mod"]}
            recipes[str(read_elem(file["uns/spatialweave"]).get("recipe", ""))] = {
                name: {} if record is None else _json_text(read_elem(record)) for name, record in records.items()
            }
    return recipes


def _json_text(text: Any) -> Any:
    try:
        return json.loads(str(text))
    except ValueError:
        return {}


def read_failures(path: Path | None) -> list[dict[str, Any]]:
    """Read the failures of the run, one record per failed step; empty if there is no file."""
    return [] if path is None else _read_json(path, list, "a list of failures")


def read_left_out(path: Path | None) -> list[dict[str, Any]]:
    """Read the methods that were not run on a dataset, with the reason; empty if there is no file."""
    return [] if path is None else _read_json(path, list, "a list of methods that were left out")


def read_params(path: Path | None) -> dict[str, Any]:
    """Read the parameters of the run; empty if there is no file."""
    return {} if path is None else _read_json(path, dict, "names and values")


def _read_json(path: Path, kind: type[Kind], expected: str) -> Kind:
    value = read_json(path)
    if not isinstance(value, kind):
        raise InputError(str(path), f"holds {type(value).__name__}", expected)
    return value


def read_versions(path: Path | None) -> dict[str, Any]:
    """Read software versions: names to versions, or processes to such mappings; empty if there is no file."""
    import yaml

    if path is None or not path.is_file():
        return {}
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(str(path), f"is not valid YAML ({' '.join(str(error).split())})") from error
    return value if isinstance(value, dict) else {}


def read_presets(folder: Path | None) -> dict[str, MethodPreset]:
    """Read the methods' presets by name; the report uses their title, summary, citation and DOI."""
    if folder is None or not folder.is_dir():
        return {}
    return {path.stem: read_preset(path) for path in sorted(folder.glob("*.yml"))}
