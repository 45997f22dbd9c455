"""The examples have the form that the gallery needs and use names that exist.

They run when the documentation is built, because together they take minutes.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

import skglitch

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
if not EXAMPLES.is_dir():
    pytest.skip("not a checkout", allow_module_level=True)
SCRIPTS = sorted(EXAMPLES.rglob("*.py"))

every_script = pytest.mark.parametrize(
    "script", SCRIPTS, ids=lambda script: script.relative_to(EXAMPLES).as_posix()
)


def parse(script: Path) -> ast.Module:
    return ast.parse(script.read_text(encoding="utf-8"), filename=str(script))


def test_there_are_some():
    assert len(SCRIPTS) >= 11


def test_each_is_found_by_the_gallery():
    # The gallery takes scripts with this prefix from folders that have a header.
    assert [script for script in SCRIPTS if not script.name.startswith("plot_")] == []
    folders = {EXAMPLES, *(script.parent for script in SCRIPTS)}
    assert [folder for folder in folders if not (folder / "GALLERY_HEADER.rst").is_file()] == []


def test_each_name_is_there_once():
    # Pages of the gallery are identified by folder and name, figures by name alone.
    names = [script.name for script in SCRIPTS]
    assert sorted(set(names)) == sorted(names)


@every_script
def test_starts_with_a_title_and_a_story(script):
    title, underline, empty, *story = ast.get_docstring(parse(script)).splitlines()
    assert title
    assert underline == "=" * len(title)
    assert empty == ""
    assert len(" ".join(story)) > 100


@every_script
def test_each_cell_begins_with_text(script):
    _, *cells = re.split(r"(?m)^# %%\n", script.read_text(encoding="utf-8"))
    assert len(cells) >= 2
    for cell in cells:
        assert re.match(r"# \w", cell)
        heading = re.match(r"# (.+)\n# (-+)\n", cell)
        assert heading is None or len(heading[1]) == len(heading[2])


@every_script
def test_names_and_parameters_exist(script):
    tree = parse(script)
    known: dict[str, object] = {"skglitch": skglitch}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            known |= imported(node)
        elif isinstance(node, ast.Import):
            for name in node.names:
                importlib.import_module(name.name)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert [word for call in calls for word in unknown_keywords(call, known)] == []


@every_script
def test_shows_figures_and_writes_no_files(script):
    source = script.read_text(encoding="utf-8")
    assert "plt.show()" in source
    assert "savefig" not in source
    assert "sys.argv" not in source


def imported(node: ast.ImportFrom) -> dict[str, object]:
    """Return the imported objects by name; a missing name is an error."""
    module = importlib.import_module(node.module)
    return {alias.asname or alias.name: getattr(module, alias.name) for alias in node.names}


def unknown_keywords(call: ast.Call, known: dict[str, object]) -> list[str]:
    """Return the keywords of a call that the called object does not accept."""
    called = resolve(call.func, known)
    if not callable(called):
        return []
    parameters = inspect.signature(called).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return []
    return [
        f"{ast.unparse(call.func)}({word.arg}=)"
        for word in call.keywords
        if word.arg and word.arg not in parameters
    ]


def resolve(node: ast.expr, known: dict[str, object]) -> object:
    """Return the object of a dotted name, None if it is not part of skglitch."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        parent = resolve(node.value, known)
        return None if parent is None else getattr(parent, node.attr, None)
    return None
