"""A report as a folder: the page, with its tables and pictures beside it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from html import unescape
from pathlib import Path

PAGE, PARTS = "report.html", "parts"


def write_folder(folder: Path, html: str, parts: Mapping[str, bytes]) -> Path:
    """Write a page and its parts, replace those of an earlier report, and return the page."""
    created = [path for path in (folder / PARTS, *(folder / PARTS).parents) if not path.exists()]
    (folder / PARTS).mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=".report.", dir=folder / PARTS))
    try:
        for name, content in parts.items():
            (aside / name).write_bytes(content)
        (aside / PAGE).write_text(html, encoding="utf-8")
        stale = parts_of(folder / PAGE) - set(parts)
        for name in parts:
            os.replace(aside / name, folder / PARTS / name)
        for name in stale:
            (folder / PARTS / name).unlink(missing_ok=True)
        # Last, so that a page always has its parts.
        os.replace(aside / PAGE, folder / PAGE)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        for path in created:
            with contextlib.suppress(OSError):  # others may have written to it
                path.rmdir()
        raise
    shutil.rmtree(aside, ignore_errors=True)
    return folder / PAGE


def parts_of(page: Path) -> set[str]:
    """Return the names of the parts of an earlier report, by its page."""
    if not page.is_file():
        return set()
    text = page.read_text(encoding="utf-8", errors="replace")
    found = re.search(r'<meta name="skglitch-parts" content="([^"]*)">', text)
    names = unescape(found[1]).split() if found else []
    # Whoever wrote the page, no file elsewhere is deleted.
    return {name for name in names if re.fullmatch(r"[\w-]+\.(png|csv)", name)}
