"""What a report consists of, whatever is in it: sections of text, tables and pictures."""

from __future__ import annotations

import csv
import io
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Table:
    """A table, of which the page may show the first rows only; its CSV has all.

    Parameters
    ----------
    name : str
        Of the CSV file, without its suffix.
    caption : str
        What is in it.
    columns : mapping of str to sequence
        Of one length. The first column names the rows.
    percent : tuple of str, default=()
        Columns with fractions, which the page shows in percent.
    n_shown : int, default=None
        How many rows the page shows. None are all.
    wraps : bool, default=False
        Whether long values are broken into lines; else the table is scrolled where it is too wide.
    """

    name: str
    caption: str
    columns: Mapping[str, Sequence[Any] | np.ndarray]
    percent: tuple[str, ...] = ()
    n_shown: int | None = None
    wraps: bool = False

    @property
    def n_rows(self) -> int:
        """Number of rows, shown or not."""
        return len(next(iter(self.columns.values())))

    def header(self) -> list[str]:
        """Names of the columns for readers, with their units."""
        return [f"{name} [%]" if name in self.percent else name for name in self.columns]

    def rows(self) -> list[list[str]]:
        """Cells of the rows that the page shows, as text."""
        shown = [
            [self._text(name, value) for value in _plain(values)[: self.n_shown]]
            for name, values in self.columns.items()
        ]
        return [list(row) for row in zip(*shown, strict=True)]

    def numeric(self) -> list[bool]:
        """Tell which columns hold numbers, and are aligned as such."""
        return [
            all(type(value) in (int, float, type(None)) for value in _plain(values))
            for values in self.columns.values()
        ]

    def to_csv(self) -> bytes:
        """Write all rows; numbers that are missing are empty cells."""
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        cells = [["" if _is_missing(v) else v for v in _plain(c)] for c in self.columns.values()]
        writer.writerows(zip(*cells, strict=True))
        return text.getvalue().encode()

    def _text(self, name: str, value: Any) -> str:
        if _is_missing(value):
            return "–"
        if isinstance(value, bool):
            return "yes" if value else "no"
        if name in self.percent:
            return f"{100 * value:.1f}"
        return f"{value:.3g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Picture:
    """A figure with what it shows in words.

    Parameters
    ----------
    name : str
        Of the PNG file, without its suffix.
    alt : str
        What is to be seen, for those who do not see it.
    caption : str
        What to write below.
    png : bytes
        The file.
    is_wide : bool, default=False
        Whether it is scrolled on narrow screens, where it could not be read at their width.
    """

    name: str
    alt: str
    caption: str
    png: bytes = field(repr=False)
    is_wide: bool = False

    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as the header of the file has them."""
        return struct.unpack(">II", self.png[16:24])


@dataclass(frozen=True)
class Gallery:
    """Small pictures side by side."""

    pictures: list[Picture]


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Parameters
    ----------
    name : str
        What links lead to.
    title : str
    text : list of str
        Paragraphs.
    content : list of Table, Picture or Gallery
    """

    name: str
    title: str
    text: list[str]
    content: list[Table | Picture | Gallery] = field(default_factory=list)

    def tables(self) -> list[Table]:
        """All tables of the section."""
        return [item for item in self.content if isinstance(item, Table)]

    def pictures(self) -> list[Picture]:
        """All pictures of the section, those of galleries included."""
        found: list[Picture] = []
        for item in self.content:
            if isinstance(item, Picture):
                found.append(item)
            elif isinstance(item, Gallery):
                found += item.pictures
        return found


def facts_table(name: str, caption: str, facts: Mapping[str, str]) -> Table:
    """Make a table of single facts."""
    columns = {"what": list(facts), "value": list(facts.values())}
    return Table(name, caption, columns, wraps=True)


def counted(n: int, what: str) -> str:
    """Write a number with its noun.

    Examples
    --------
    >>> from skglitch.report._document import counted
    >>> counted(1, "glitch"), counted(1200, "glitch"), counted(2, "epoch")
    ('1 glitch', '1,200 glitches', '2 epochs')
    """
    plural = "es" if what.endswith(("tch", "ss")) else "s"
    return f"{n:,} {what}{plural if n != 1 else ''}"


def listed(names: Sequence[Any] | np.ndarray, n_shown: int = 30) -> str:
    """Write names one after the other, and how many more there are."""
    shown = ", ".join(map(str, names[:n_shown]))
    return shown if len(names) <= n_shown else f"{shown} and {len(names) - n_shown} more"


def _plain(values: Sequence[Any] | np.ndarray) -> list[Any]:
    return values.tolist() if isinstance(values, np.ndarray) else list(values)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
