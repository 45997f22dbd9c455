"""Doctests and links in the README and in the pages of ``docs``."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts and "auto_examples" not in page.parts]
if len(PAGES) < 2:
    pytest.skip("not a checkout", allow_module_level=True)


def relative_name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


class TestCode:
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
