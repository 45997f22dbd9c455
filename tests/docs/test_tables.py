"""Tables in the documentation equal the stored results."""

from __future__ import annotations

import re
import sys

import pytest

from .test_pages import PAGES, ROOT, relative_name

MARK = "<!-- table "


@pytest.fixture(scope="module")
def tables():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    try:
        import tables
    finally:
        sys.path.remove(str(ROOT / "benchmarks"))
    return tables


@pytest.mark.parametrize(
    "page", [page for page in PAGES if MARK in page.read_text(encoding="utf-8")], ids=relative_name
)
def test_tables_equal_the_results(page, tables):
    text = page.read_text(encoding="utf-8")
    assert tables.filled(text) == text, "run python benchmarks/tables.py --write"
    # A malformed mark would never be filled.
    assert text.count(MARK) == len(tables._BLOCK.findall(text))


def test_wrong_figures_are_found(tables):
    text = (ROOT / "docs" / "benchmarks" / "discovery.md").read_text(encoding="utf-8")
    figure = re.search(r"\| (0\.\d{3}) ± ", tables.TABLES["novelty"]())
    assert figure is not None
    wrong = text.replace(figure[0], "| 0.111 ± ")
    assert wrong != text
    assert tables.filled(wrong) == text
