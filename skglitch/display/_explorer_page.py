"""The explorer's page: data that a browser reads, and the template around it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any

import numpy as np

from ._axes import COLORS

_SCRIPTS = ("points.js", "pictures.js", "controls.js")
# Without the last, black, which is not seen on black. With the seven markers that the page has,
# 42 classes look different: six and seven have no common divisor.
_COLORS = COLORS[:6]
# What clustering calls samples in no cluster.
_NO_CLUSTER = -1
# The code of samples without a class.
_NONE = 2**32 - 1


def text_of(value: Any) -> str:
    """Write a value as text; what is missing, or in no cluster, becomes the empty string.

    Examples
    --------
    >>> from skglitch.display._explorer_page import text_of
    >>> [text_of(value) for value in ("Blip", None, 3, 3.0, float("nan"), -1)]
    ['Blip', '', '3', '3', '', '']
    """
    # pandas' NA cannot be compared.
    if value is None or type(value).__name__ == "NAType" or value != value or value == _NO_CLUSTER:
        return ""
    # A float is what a cluster's number becomes in a column with gaps.
    is_whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if is_whole else str(value)


def encode_columns(columns: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the classes of each column numbers; columns of floats stay as they are.

    Parameters
    ----------
    columns : dict of str to array-like of shape (n_samples,)
        The classes of the column "label" have the same numbers, and so the same colours, in all
        other columns that have one of them.

    Returns
    -------
    encoded : list of dict
        With a name, and either ``numbers`` or ``classes`` and ``codes``.
    """
    labels: list[str] = []
    encoded = []
    for name, values in columns.items():
        array = np.asarray(values)
        if array.dtype.kind == "f" and name != "label":
            numbers = [value if np.isfinite(value) else None for value in array.tolist()]
            encoded.append({"name": name, "numbers": numbers})
            continue
        # As objects: numpy's own texts lose NUL characters at their end.
        texts = [text_of(value) for value in np.asarray(values, dtype=object).tolist()]
        classes = sorted(set(texts) - {""}, key=_by_number)
        if name == "label":
            labels = classes
        elif set(labels) & set(classes):
            classes = labels + [text for text in classes if text not in set(labels)]
        number_of = {text: number for number, text in enumerate(classes)}
        codes = np.array([number_of.get(text, _NONE) for text in texts])
        encoded.append({"name": name, "classes": classes, "codes": in_base64(codes, "<u4")})
    return encoded


def _by_number(text: str) -> tuple[float, str]:
    """Put 10 after 9, and numbers before words."""
    return (int(text), "") if text.isdecimal() else (np.inf, text)


def in_base64(array: Any, dtype: str) -> str:
    """Write numbers as a browser reads them."""
    return base64.b64encode(np.asarray(array).astype(dtype).tobytes()).decode()


def viridis() -> str:
    """Give the colours of all levels of energy, three bytes each."""
    import matplotlib

    return in_base64(matplotlib.colormaps["viridis"](np.arange(256), bytes=True)[:, :3], "u1")


def page(data: dict[str, Any], sheets: Iterable[str]) -> Iterator[str]:
    """Fill in the template, piece by piece, as the pictures of many glitches are large.

    Parameters
    ----------
    data : dict
        What the scripts read, but for the pictures.
    sheets : iterable of str
        Pictures as data URIs.

    Yields
    ------
    piece : str
        The next part of the file.
    """
    folder = resources.files(__package__) / "_explorer"
    script = "".join((folder / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    style = (folder / "style.css").read_text(encoding="utf-8")
    values = {
        "title": html.escape(data["title"]),
        # Nothing but this script runs, and nothing is fetched, whatever the texts hold.
        "policy": f"default-src 'none'; img-src data:; style-src '{_sha256(style)}'; "
        f"script-src '{_sha256(script)}'",
        "style": style,
        "script": script,
        "data": _json_in_html(data | {"colors": _COLORS}),
    }
    template = (folder / "page.html").read_text(encoding="utf-8")
    for number, piece in enumerate(re.split(r"\{\{(\w+)\}\}", template)):
        if number % 2 == 0:
            yield piece
        elif piece != "sheets":
            yield values[piece]
        else:
            for index, sheet in enumerate(sheets):
                yield f'<script type="text/plain" id="sheet-{index}">{sheet}</script>\n'


def _json_in_html(data: Any) -> str:
    """Write JSON that no text in it can end the element of, nor begin another."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _sha256(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
