"""The Python in the README and in the pages of ``docs``."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import re
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import skglitch
from skglitch._training import _recipe

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts and "auto_examples" not in page.parts]
if len(PAGES) < 2:
    pytest.skip("not a checkout", allow_module_level=True)

# Pages that need only X, y and a classifier. howto/grid-search is left out, since it takes minutes:
# the fixture that shortens training does not reach its worker processes.
RUN = ["faq", "save", "scale", "howto/add-a-class", "howto/own-backbone"]


def blocks(page: Path) -> list[str]:
    """Return the blocks of Python code of a page, without the indentation of lists."""
    matches = re.findall(r"(?ms)^( *)```python\n(.*?)^ *```", page.read_text(encoding="utf-8"))
    return [re.sub(f"(?m)^{indent}", "", code) for indent, code in matches]


def relative_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def quick(monkeypatch):
    """Train for one epoch unless max_epochs is given."""
    monkeypatch.setattr(_recipe, "_MIN_EPOCHS", 1)
    monkeypatch.setattr(_recipe, "_MIN_STEPS", 1)
    monkeypatch.setattr(_recipe, "_MIN_STEPS_FROM_ZEROS", 1)


@pytest.fixture
def _restored_signals():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def names() -> dict[str, Any]:
    """Return X and y of a few tiny images, bright in columns set by the class, and a net."""
    X = np.random.default_rng(0).integers(0, 60, (12, 1, 32, 32), dtype=np.uint8)
    for number in range(len(X)):
        X[number, :, :, 10 * (number % 3) : 10 * (number % 3) + 8] += 180
    y = np.array(["Blip", "Fast_Scattering", "Koi_Fish"] * 4)
    net = skglitch.CNNClassifier("test_efficientnet", weights=None, max_epochs=1, random_state=0)
    return {"X": X, "y": y, "classifier": net.fit(X, y)}


class TestCode:
    def test_pages_have_code(self):
        assert sum(len(blocks(page)) for page in PAGES) > 50
        assert all((ROOT / "docs" / f"{name}.md").is_file() for name in RUN)

    @pytest.mark.parametrize("page", PAGES, ids=relative_name)
    def test_names_and_parameters_exist(self, page):
        known: dict[str, object] = {"skglitch": skglitch}
        wrong = []
        for code in blocks(page):
            nodes = list(ast.walk(ast.parse(code)))
            for node in nodes:
                if isinstance(node, ast.ImportFrom) and node.module.startswith("skglitch"):
                    known |= imported(node)
            wrong += [
                keyword
                for node in nodes
                if isinstance(node, ast.Call)
                for keyword in unknown_keywords(node, known)
            ]
        assert wrong == []

    @pytest.mark.usefixtures("quick", "_restored_signals")
    @pytest.mark.parametrize("page", RUN)
    def test_runs(self, page, names, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for code in blocks(ROOT / "docs" / f"{page}.md"):
            exec(compile(code, f"{page}.md", "exec"), names)

    @pytest.mark.parametrize("page", PAGES, ids=relative_name)
    def test_doctests(self, page):
        options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        failed, _ = doctest.testfile(str(page), module_relative=False, optionflags=options)
        assert failed == 0


class TestLinks:
    @pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=relative_name)
    def test_targets_exist(self, page):
        targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        local = [target for target in targets if not target.startswith(("http://", "https://"))]
        assert [target for target in local if not (page.parent / target).exists()] == []


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
