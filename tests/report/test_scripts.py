"""The scripts of the reports: modules with imports on disk, one script in the page."""

import re

import pytest

from spatialweave.report.scripts import EXPORT, IMPORT, STATIC, linked, read

MODULES = sorted(path.name for path in STATIC.glob("*.js"))
DECLARED = re.compile(r"^(?:export )?(?:const|let|class|function|async function) (\w+)", re.MULTILINE)
EXPORTED = re.compile(EXPORT.pattern + r"(?:const|let|class|function|async function) (\w+)", re.MULTILINE)
# Not a property (.name, ...name is none), and not the key of one (name:).
NAME = re.compile(r"(?:(?<![\w$.])|(?<=\.\.\.))([A-Za-z_]\w*)\b(?!:)")
# Methods and parameters with the name of another module's export.
OWN = {("maps.js", "draw"), ("maps.js", "lasso"), ("save.js", "done")}


def imports(name: str) -> dict[str, str]:
    """The module that each imported name comes from."""
    return {one.strip(): module for names, module in IMPORT.findall(read(name)) for one in names.split(",")}


def used(name: str) -> set[str]:
    """Names in the code of a module, without its comments and strings."""
    code = re.sub(r'^\s*//.*$|  // .*$|"[^"\n]*"', "", IMPORT.sub("", read(name)), flags=re.MULTILINE)
    return set(NAME.findall(code))


@pytest.mark.parametrize("name", MODULES)
def test_a_module_imports_what_it_uses_and_nothing_else(name: str) -> None:
    exported = {one: module for module in MODULES if module != name for one in EXPORTED.findall(read(module))}
    asked = imports(name)
    assert {one: exported.get(one) for one in asked} == asked
    assert asked.keys() == {one for one in used(name) if one in exported and (name, one) not in OWN}


def test_modules_share_one_scope_and_are_all_in_a_page() -> None:
    names = [one for module in MODULES for one in DECLARED.findall(read(module))]
    assert sorted(names) == sorted(set(names))
    whole = linked(["start.js", "paper.js", "sort.js"])
    assert [whole.count(EXPORT.sub("", IMPORT.sub("", read(module)))) for module in MODULES] == [1] * len(MODULES)


def test_every_export_is_imported() -> None:
    exported = {(module, one) for module in MODULES for one in EXPORTED.findall(read(module))}
    imported = {(module, one) for name in MODULES for one, module in imports(name).items()}
    assert exported == imported


def test_a_module_comes_after_what_it_imports() -> None:
    script = linked(["start.js"])
    at = {
        module: script.index(EXPORT.sub("", IMPORT.sub("", read(module))))
        for module in MODULES
        if module not in ("paper.js", "sort.js")
    }
    for module in at:
        assert all(at[other] < at[module] for other in imports(module).values())
    assert not re.search(r"^(import|export) ", script, re.MULTILINE)
