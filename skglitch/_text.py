"""Text tables for results."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np


class TextTable:
    """What results with a text form have in common."""

    def to_dict(self) -> dict[str, Any]:
        """Give the result as plain Python values.

        Returns
        -------
        result : dict
            Lists under the names of the columns and values under those of the rest: fit for
            ``json.dump`` and, where all columns are as long, for ``pandas.DataFrame``.
        """
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self).items()
        }

    def _repr_html_(self) -> str:
        # The text form is aligned already: it only needs a fixed-width font.
        return f"<pre>{html.escape(str(self))}</pre>"


def percent(value: float) -> str:
    """Write a fraction in percent with two decimals, "nan" included.

    Parameters
    ----------
    value : float
        A fraction, mostly from 0 to 1.

    Returns
    -------
    text : str
        For example ``"98.84"``.
    """
    return f"{100 * value:.2f}"


def align(rows: Sequence[Sequence[str]], left: Sequence[int] = ()) -> str:
    """Align the columns of a table.

    Parameters
    ----------
    rows : sequence of sequences of str
        The cells, row by row, as many in each.
    left : sequence of int, default=()
        Columns to align on the left; the others are aligned on the right.

    Returns
    -------
    text : str
        One line a row, without spaces at the end.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if index in left else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
