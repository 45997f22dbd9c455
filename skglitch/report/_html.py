"""The page: sections as HTML, within the template."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape
from importlib import resources
from string import Template

from ._document import Gallery, Picture, Section, Table

# Wider pictures, in pixels, have several views.
_LARGE = 400


def page(title: str, lead: Sequence[str], sections: Sequence[Section], parts: str) -> str:
    """Write the page.

    Parameters
    ----------
    title : str
    lead : sequence of str
        Paragraphs in front of all sections.
    sections : sequence of Section
    parts : str
        Names of the files with the parts, for :func:`skglitch.report._folder.parts_of`.

    Returns
    -------
    text : str
        HTML that needs no other file.
    """
    folder = resources.files(__package__) / "_page"
    style = (folder / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    template = Template((folder / "page.html").read_text(encoding="utf-8"))
    links = "\n".join(f'<li><a href="#{s.name}">{escape(s.title)}</a></li>' for s in sections)
    return template.substitute(
        title=escape(title),
        parts=escape(parts),
        # Nothing runs and nothing is fetched, whatever the texts hold.
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'",
        style=style,
        lead=_paragraphs(lead),
        links=links,
        sections="\n".join(map(_section, sections)),
    )


def _text(text: str) -> str:
    """Escape, and keep numbers with their unit."""
    return escape(text).replace(" %", "&nbsp;%")


def _section(section: Section) -> str:
    content = "\n".join(map(_item, section.content))
    return (
        f'<section id="{section.name}" aria-labelledby="{section.name}-title">\n'
        f'<h2 id="{section.name}-title">{escape(section.title)}</h2>\n'
        f"{_paragraphs(section.text)}\n{content}\n</section>"
    )


def _paragraphs(text: Sequence[str]) -> str:
    return "\n".join(f"<p>{_text(paragraph)}</p>" for paragraph in text)


def _item(item: Table | Picture | Gallery) -> str:
    if isinstance(item, Table):
        return _table(item) if item.n_shown != 0 else ""
    if isinstance(item, Picture):
        return _picture(item)
    cards = "\n".join(map(_picture, item.pictures))
    size = "large" if item.pictures[0].size()[0] > _LARGE else "small"
    return f'<div class="{size} gallery">\n{cards}\n</div>'


def _table(table: Table) -> str:
    numeric = [' class="number"' if is_number else "" for is_number in table.numeric()]
    head = "".join(
        f'<th scope="col"{align}>{escape(name)}</th>'
        for name, align in zip(table.header(), numeric, strict=True)
    )
    rows = "\n".join(_row(row, numeric) for row in table.rows())
    caption = _text(table.caption)
    if table.n_shown is not None and table.n_rows > table.n_shown:
        caption += f" The first {table.n_shown} of {table.n_rows:,}; the CSV has all."
    # Not within the table, with which it would be scrolled. What is scrolled must be reached by
    # keys.
    name = f"{table.name}-caption"
    kind = ' class="wrapped"' if table.wraps else ""
    return (
        f'<p class="caption" id="{name}">{caption}</p>\n'
        f'<div class="scrolled" tabindex="0" role="region" aria-labelledby="{name}">\n'
        f'<table aria-labelledby="{name}"{kind}>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>\n</div>"
    )


def _row(row: Sequence[str], numeric: Sequence[str]) -> str:
    first = f'<th scope="row"{numeric[0]}>{escape(row[0])}</th>'
    rest = (
        f"<td{align}>{escape(cell)}</td>" for cell, align in zip(row[1:], numeric[1:], strict=True)
    )
    return f"<tr>{first}{''.join(rest)}</tr>"


def _picture(picture: Picture) -> str:
    width, height = picture.size()
    data = base64.b64encode(picture.png).decode()
    image = (
        f'<img src="data:image/png;base64,{data}" alt="{escape(picture.alt)}" width="{width}" '
        f'height="{height}">'
    )
    if picture.is_wide:
        image = (
            f'<div class="scrolled wide" tabindex="0" role="region" '
            f'aria-label="{escape(picture.alt)}">{image}</div>'
        )
    return f"<figure>{image}<figcaption>{_text(picture.caption)}</figcaption></figure>"
