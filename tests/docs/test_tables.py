"""Tables of the documentation that come from results are what the results say."""

from __future__ import annotations

import sys

import pytest

from .test_pages import PAGES, ROOT, named

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
    "page", [page for page in PAGES if MARK in page.read_text(encoding="utf-8")], ids=named
)
def test_they_are_what_was_measured(page, tables):
    text = page.read_text(encoding="utf-8")
    now = tables.filled(text)
    assert now == text, "python benchmarks/tables.py --write mends it"
    # A mark that is not written as it should be would never be filled.
    assert text.count(MARK) == len(tables._BLOCK.findall(text))


def test_another_figure_is_told(tables):
    page = ROOT / "docs" / "discover.md"
    text = page.read_text(encoding="utf-8")
    assert "| 0.975 |" in text
    assert tables.filled(text.replace("| 0.975 |", "| 0.999 |")) == text
