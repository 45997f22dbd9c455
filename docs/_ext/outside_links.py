"""Rewrite links that lead out of ``docs``, which work only in the repository.

In the built pages, links to an example lead to its gallery page, links to a page that is included
in ``docs`` lead there, and all others become plain text, since their targets are not published.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

_LINK = re.compile(r"(?<!!)\[(?P<text>[^\]]+)\]\((?P<target>[^)#\s:]+)(?P<anchor>#[^)\s]*)?\)")
_PAGES = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "examples": "auto_examples/index.rst",
}


def rewrite(text: str, folder: Path, docs: Path) -> str:
    """Rewrite the links in the text of a file in ``folder``."""

    def replace(link: re.Match) -> str:
        target = (folder / link["target"]).resolve()
        if not target.exists() or (folder == target.parent == docs):
            return link[0]
        page = _page(target, docs)
        return f"[{link['text']}](/{page}{link['anchor'] or ''})" if page else link["text"]

    return _LINK.sub(replace, text)


def _page(target: Path, docs: Path) -> str | None:
    """Return the page of a file, relative to the source folder."""
    if target.is_relative_to(docs):
        return target.relative_to(docs).as_posix()
    inside = target.relative_to(docs.parent)
    if inside.parts[0] == "examples" and inside.suffix == ".py":
        return Path("auto_examples", *inside.parts[1:]).with_suffix(".rst").as_posix()
    return _PAGES.get(inside.as_posix())


def _rewrite_page(app: Sphinx, docname: str, source: list[str]) -> None:
    path = Path(app.env.doc2path(docname))
    if path.suffix == ".md":
        source[0] = rewrite(source[0], path.parent.resolve(), Path(app.srcdir).resolve())


def _rewrite_included(app: Sphinx, path: Path, parent: str, source: list[str]) -> None:
    full = Path(app.srcdir, path).resolve()
    if full.suffix == ".md":
        source[0] = rewrite(source[0], full.parent, Path(app.srcdir).resolve())


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the extension."""
    app.connect("source-read", _rewrite_page)
    app.connect("include-read", _rewrite_included)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
