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

# These stand by themselves, but for X, y and a classifier. howto/grid-search does too, and takes
# minutes: its workers do not know that they should be quick.
RUN = ["faq", "save", "scale", "howto/add-a-class", "howto/own-backbone"]


def blocks(page: Path) -> list[str]:
    """Python code of a page; that within a list is indented."""
    found = re.findall(r"(?ms)^( *)```python\n(.*?)^ *```", page.read_text(encoding="utf-8"))
    return [re.sub(f"(?m)^{indent}", "", code) for indent, code in found]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def quick(monkeypatch):
    """Train for one epoch where nobody says how long."""
    monkeypatch.setattr(_recipe, "_MIN_EPOCHS", 1)
    monkeypatch.setattr(_recipe, "_MIN_STEPS", 1)


@pytest.fixture
def _signals_of_before():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def names() -> dict[str, Any]:
    """X and y of a few tiny images, which differ by where they are bright, and a classifier."""
    X = np.random.default_rng(0).integers(0, 60, (12, 1, 32, 32), dtype=np.uint8)
    for number in range(len(X)):
        X[number, :, :, 10 * (number % 3) : 10 * (number % 3) + 8] += 180
    y = np.array(["Blip", "Fast_Scattering", "Koi_Fish"] * 4)
    net = skglitch.CNNClassifier("test_efficientnet", weights=None, max_epochs=1, random_state=0)
    return {"X": X, "y": y, "classifier": net.fit(X, y)}


class TestCode:
    def test_there_is_some(self):
        assert sum(len(blocks(page)) for page in PAGES) > 50
        assert all((ROOT / "docs" / f"{name}.md").is_file() for name in RUN)

    @pytest.mark.parametrize("page", PAGES, ids=named)
    def test_names_and_parameters_exist(self, page):
        known: dict[str, object] = {"skglitch": skglitch}
        wrong = []
        for code in blocks(page):
            nodes = list(ast.walk(ast.parse(code)))
            for node in nodes:
                if isinstance(node, ast.ImportFrom) and node.module.startswith("skglitch"):
                    known |= imported(node)
            wrong += [
                told
                for node in nodes
                if isinstance(node, ast.Call)
                for told in unknown(node, known)
            ]
        assert wrong == []

    @pytest.mark.usefixtures("quick", "_signals_of_before")
    @pytest.mark.parametrize("page", RUN)
    def test_runs(self, page, names, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        for code in blocks(ROOT / "docs" / f"{page}.md"):
            exec(compile(code, f"{page}.md", "exec"), names)

    @pytest.mark.parametrize("page", PAGES, ids=named)
    def test_doctests(self, page):
        options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        failed, _ = doctest.testfile(str(page), module_relative=False, optionflags=options)
        assert failed == 0


class TestLinks:
    @pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=named)
    def test_lead_somewhere(self, page):
        targets = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        inside = [target for target in targets if not target.startswith(("http://", "https://"))]
        assert [target for target in inside if not (page.parent / target).exists()] == []


def imported(node: ast.ImportFrom) -> dict[str, object]:
    """What an import brings; an error where the name is not there."""
    module = importlib.import_module(node.module)
    return {alias.asname or alias.name: getattr(module, alias.name) for alias in node.names}


def unknown(call: ast.Call, known: dict[str, object]) -> list[str]:
    """Keywords of a call that what is called does not take."""
    called = resolved(call.func, known)
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


def resolved(node: ast.expr, known: dict[str, object]) -> object:
    """What a dotted name stands for, None where it is not of skglitch."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        of = resolved(node.value, known)
        return None if of is None else getattr(of, node.attr, None)
    return None
