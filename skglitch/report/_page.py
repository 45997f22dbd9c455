"""The folder of a page."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Mapping
from html import unescape
from pathlib import Path
from typing import Any

PAGE, PARTS = "report.html", "parts"


def write_folder(folder: Path, html: str, parts: Mapping[str, bytes]) -> Path:
    """Write a page and its parts, replace those of an earlier report, and return the page."""
    created = [path for path in (folder / PARTS, *(folder / PARTS).parents) if not path.exists()]
    (folder / PARTS).mkdir(parents=True, exist_ok=True)
    options: Any = {"prefix": ".report.", "dir": folder / PARTS, "ignore_cleanup_errors": True}
    try:
        with tempfile.TemporaryDirectory(**options) as aside:
            for name, content in parts.items():
                Path(aside, name).write_bytes(content)
            Path(aside, PAGE).write_text(html, encoding="utf-8")
            stale = parts_of(folder / PAGE) - set(parts)
            for name in parts:
                os.replace(Path(aside, name), folder / PARTS / name)
            for name in stale:
                (folder / PARTS / name).unlink(missing_ok=True)
            # Last, so that a page always has its parts.
            os.replace(Path(aside, PAGE), folder / PAGE)
    except BaseException:
        for path in created:
            with contextlib.suppress(OSError):  # others may have written to it
                path.rmdir()
        raise
    return folder / PAGE


def parts_of(page: Path) -> set[str]:
    """Return the names of the parts of an earlier report, by its page."""
    if not page.is_file():
        return set()
    text = page.read_text(encoding="utf-8", errors="replace")
    found = re.search(r'<meta name="skglitch-parts" content="([^"]*)">', text)
    names = unescape(found[1]).split() if found else []
    # Whoever wrote the page, no file outside of its folder is deleted.
    return {name for name in names if re.fullmatch(r"[\w-]+\.(png|csv)", name)}
