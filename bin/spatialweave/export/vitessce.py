"""View configurations for Vitessce, one per section, of what `integrated.zarr` holds.

The JSON of http://vitessce.io: files of a dataset, values that views share (the coordination space), and the layout.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spatialweave.export.element_names import IMAGE, element_names
from spatialweave.export.sections import Section, section_names, sections
from spatialweave.io.files import write_json
from spatialweave.io.integrated import LABEL, Integrated
from spatialweave.io.layout import spacing
from spatialweave.io.result_tables import WEAVE

SCHEMA = "1.0.18"
"""The version of the configuration's schema."""

ADDRESS = "http://localhost:8000"
"""Where the folder of `integrated.zarr` is served: Vitessce opens stores by complete addresses only."""

ONE = "A"
"""The name of a coordination scope that all views share."""

IMAGE_FILE = "image"


def write_views(content: Integrated, folder: Path) -> None:
    """Write `vitessce/<section>.json` of every section."""
    names = element_names(section_names(content))
    for section in sections(content):
        write_json(folder / "vitessce" / f"{section.name}.json", view_config(section, names[section.name]))


def view_config(section: Section, table: str) -> dict[str, Any]:
    """The configuration of one section.

    Parameters
    ----------
    table
        The name of its table in the store.

    Returns
    -------
    Spots coloured by the domains of the consensus, or else of the first run, in their colours, on the image where there
    is one; the UMAP of that run; the features; and the domains of all runs and the labels to choose from.
    """
    runs = sorted(section.content.runs, key=lambda run: run.method != WEAVE)
    groups = [run.key for run in runs if run.key in section.obs] + [LABEL] * (LABEL in section.obs)
    umap = next((run.umap_key for run in runs if run.umap_key in section.content.data.obsm), None)
    radius = spacing(section.coordinates()) / 2 or 1.0
    space: dict[str, Any] = {
        "dataset": {ONE: section.name},
        "obsType": {ONE: "spot"},
        "spotLayer": {ONE: "__dummy__"},
        "spatialSpotRadius": {ONE: radius},
        "spatialLayerOpacity": {ONE: 0.8},
    }
    shared = ["dataset", "obsType"]
    if groups:
        space["obsColorEncoding"] = {ONE: "cellSetSelection"}
        space["obsSetSelection"] = {ONE: [[groups[0], name] for name in _names(section, groups[0])]}
        space["obsSetColor"] = {ONE: [entry for group in groups for entry in _colours(section, group)]}
        shared += ["obsColorEncoding", "obsSetSelection", "obsSetColor"]
    spot_scopes = ["obsType", "spatialSpotRadius", "spatialLayerOpacity", *shared[2:]]
    layers = {"spotLayer": {name: {ONE: ONE} for name in spot_scopes}}
    if section.image is not None:
        space |= {"imageLayer": {ONE: "__dummy__"}, "fileUid": {ONE: IMAGE_FILE}}
        space["photometricInterpretation"] = {ONE: "RGB"}
        layers["imageLayer"] = {name: {ONE: ONE} for name in ("fileUid", "photometricInterpretation")}
    space["metaCoordinationScopes"] = {ONE: {layer: [ONE] for layer in layers}}
    space["metaCoordinationScopesBy"] = {ONE: layers}
    if umap:
        space["embeddingType"] = {ONE: "UMAP"}
    scopes: dict[str, Any] = dict.fromkeys(shared, ONE)
    in_space = scopes | {"metaCoordinationScopes": [ONE], "metaCoordinationScopesBy": [ONE]}
    views = [
        _view("spatialBeta", in_space, 0, 0, 7 if umap else 12, 7),
        *([_view("scatterplot", scopes | {"embeddingType": ONE}, 7, 0, 5, 7)] if umap else []),
        _view("layerControllerBeta", in_space, 0, 7, 4, 5),
        _view("obsSets", scopes, 4, 7, 4, 5),
        _view("featureList", scopes, 8, 7, 4, 5),
    ]
    files = _files(section, table, groups, umap)
    return {
        "version": SCHEMA,
        "name": section.name,
        "description": "",
        "datasets": [{"uid": section.name, "name": section.name, "files": files}],
        "coordinationSpace": space,
        "layout": views,
        "initStrategy": "auto",
    }


def _files(section: Section, table: str, groups: list[str], umap: str | None) -> list[dict[str, Any]]:
    """The section's table, with its coordinates, and its image."""
    options: dict[str, Any] = {"obsFeatureMatrix": {"path": "X"}, "obsSpots": {"path": "obsm/spatial"}}
    if groups:
        options["obsSets"] = [{"name": group, "path": f"obs/{group}"} for group in groups]
    if umap:
        options["obsEmbedding"] = [{"path": f"obsm/{umap}", "dims": [0, 1], "embeddingType": "UMAP"}]
    store = f"{ADDRESS}/integrated.zarr"
    spots = {"fileType": "anndata.zarr", "url": f"{store}/tables/{table}", "options": options}
    files: list[dict[str, Any]] = [spots | {"coordinationValues": {"obsType": "spot"}}]
    if section.image is not None:
        image = {"path": f"images/{table}{IMAGE}", "coordinateSystem": section.name}
        values = {"fileUid": IMAGE_FILE}
        files.append(
            {"fileType": "image.spatialdata.zarr", "url": store, "options": image, "coordinationValues": values}
        )
    return files


def _names(section: Section, group: str) -> list[str]:
    return [str(name) for name in section.obs[group].cat.categories]


def _colours(section: Section, group: str) -> list[dict[str, Any]]:
    pairs = zip(_names(section, group), section.colours[group], strict=True)
    return [{"path": [group, name], "color": list(bytes.fromhex(colour[1:]))} for name, colour in pairs]


def _view(component: str, scopes: dict[str, Any], x: int, y: int, w: int, h: int) -> dict[str, Any]:
    return {"component": component, "coordinationScopes": dict(scopes), "x": x, "y": y, "w": w, "h": h}
