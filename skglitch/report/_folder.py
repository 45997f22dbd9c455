"""A report as a folder: the page, and its tables and pictures beside it."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from html import unescape
from pathlib import Path

PAGE, PARTS = "report.html", "parts"


def write_folder(folder: Path, text: str, parts: dict[str, bytes]) -> Path:
    """Write a page and its parts, and take away the parts of an earlier one.

    Parameters
    ----------
    folder : pathlib.Path
        Made if it is not there.
    text : str
        The page.
    parts : dict of str to bytes
        By the name of the file.

    Returns
    -------
    page : pathlib.Path
        Where the page is.
    """
    with _made(folder / PARTS):
        _write(folder, text, parts)
    return folder / PAGE


@contextlib.contextmanager
def _made(folder: Path) -> Iterator[None]:
    """Make a folder, and take it away again if what it is for fails."""
    new = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        for path in new:
            with contextlib.suppress(OSError):  # somebody else may have put something there
                path.rmdir()
        raise


def _write(folder: Path, text: str, parts: dict[str, bytes]) -> None:
    aside = Path(tempfile.mkdtemp(prefix=".report.", dir=folder))
    try:
        for name, content in parts.items():
            (aside / name).write_bytes(content)
        (aside / PAGE).write_text(text, encoding="utf-8")
        stale = parts_of(folder / PAGE) - set(parts)
        for name in parts:
            os.replace(aside / name, folder / PARTS / name)
        for name in stale:
            (folder / PARTS / name).unlink(missing_ok=True)
        # Last, so that a page that is there has its parts.
        os.replace(aside / PAGE, folder / PAGE)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def parts_of(path: Path) -> set[str]:
    """Names of the files that an earlier report wrote beside its page.

    Parameters
    ----------
    path : pathlib.Path
        The page, which need not be there.

    Returns
    -------
    names : set of str
    """
    if not path.is_file():
        return set()
    text = path.read_text(encoding="utf-8", errors="replace")
    found = re.search(r'<meta name="skglitch-parts" content="([^"]*)">', text)
    names = unescape(found[1]).split() if found else []
    # Whoever wrote the page, nothing elsewhere is meant.
    return {name for name in names if re.fullmatch(r"[\w-]+\.(png|csv)", name)}
