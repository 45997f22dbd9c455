"""Tables of the documentation that come from results are what the results say."""

from __future__ import annotations

import re
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
    text = (ROOT / "docs" / "benchmarks" / "discovery.md").read_text(encoding="utf-8")
    figure = re.search(r"\| (0\.\d{3}) ± ", tables.TABLES["novelty"]())
    assert figure is not None
    wrong = text.replace(figure[0], "| 0.111 ± ")
    assert wrong != text
    assert tables.filled(wrong) == text
