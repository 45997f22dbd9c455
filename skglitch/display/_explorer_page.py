"""The explorer's page: data that a browser reads, and the template around it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._labels import is_labeled
from ._axes import COLORS
from ._columns import is_whole, text_of

_SCRIPTS = ("points.js", "pictures.js", "controls.js")
# Without the last, black, which is not seen on black. With the seven markers that the page has,
# 42 classes look different: six and seven have no common divisor.
_COLORS = COLORS[:6]
# The code of samples without a class.
_NONE = 2**32 - 1


def encode_columns(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Give the classes of each column numbers; columns of floats stay as they are.

    Parameters
    ----------
    columns : dict of str to list of length n_samples
        The classes of the column "label" have the same numbers, and so the same colors, in all
        other columns that have one of them.

    Returns
    -------
    encoded : list of dict
        With a name, and either ``numbers`` or ``classes`` and ``codes``.
    """
    labels: list[str] = []
    encoded = []
    for name, values in columns.items():
        is_known = is_labeled(values)
        if name != "label" and _are_measured(values, is_known):
            encoded.append({"name": name, "numbers": list(map(_finite_or_none, values))})
            continue
        texts = [text_of(v) if known else "" for v, known in zip(values, is_known, strict=True)]
        classes = sorted(set(texts) - {""}, key=_by_number)
        if name == "label":
            labels = classes
        elif set(labels) & set(classes):
            classes = labels + [text for text in classes if text not in set(labels)]
        number_of = {text: number for number, text in enumerate(classes)}
        codes = np.array([number_of.get(text, _NONE) for text in texts])
        encoded.append({"name": name, "classes": classes, "codes": in_base64(codes, "<u4")})
    return encoded


def _are_measured(values: list[Any], is_known: NDArray[np.bool_]) -> bool:
    """Tell numbers with a fraction, or nothing at all, from what has classes."""
    known = [value for value, there in zip(values, is_known, strict=True) if there]
    if not all(isinstance(value, int | float) for value in known):
        return False
    return not known or any(isinstance(value, float) and not is_whole(value) for value in known)


def _finite_or_none(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _by_number(text: str) -> tuple[float, str]:
    """Put 10 after 9, and numbers before words."""
    return (int(text), "") if text.isdecimal() else (np.inf, text)


def in_base64(array: Any, dtype: str) -> str:
    """Write numbers as a browser reads them."""
    return base64.b64encode(np.asarray(array).astype(dtype).tobytes()).decode()


def viridis() -> str:
    """Give the colors of all levels of energy, three bytes each."""
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
