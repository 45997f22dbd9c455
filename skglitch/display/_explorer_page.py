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
from ._map_classes import format_value, is_whole

_SCRIPTS = ("points.js", "pictures.js", "controls.js")
# Without black, which is invisible on a dark page. With the seven markers of the page, 42 classes
# look different: six and seven are coprime.
_COLORS = COLORS[:6]
# The code of samples without a class.
_NONE = 2**32 - 1


def encode_columns(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Encode classes of columns as numbers; columns of measured floats stay numbers.

    Classes that are among the labels (the column "label", which is first) have the same codes,
    and so the same colors, in all columns.
    """
    labels: list[str] = []
    encoded = []
    for name, values in columns.items():
        is_known = is_labeled(values)
        if name != "label" and _are_measured(values, is_known):
            encoded.append({"name": name, "numbers": list(map(_finite_or_none, values))})
            continue
        texts = [
            format_value(v) if known else "" for v, known in zip(values, is_known, strict=True)
        ]
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
    """Return whether a column has floats with a fraction, or no values, instead of classes."""
    known = [value for value, flag in zip(values, is_known, strict=True) if flag]
    if not all(isinstance(value, int | float) for value in known):
        return False
    return not known or any(isinstance(value, float) and not is_whole(value) for value in known)


def _finite_or_none(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _by_number(text: str) -> tuple[float, str]:
    """Sort 10 after 9, and numbers before words."""
    return (int(text), "") if text.isdecimal() else (np.inf, text)


def in_base64(array: Any, dtype: str) -> str:
    """Encode numbers for a browser."""
    return base64.b64encode(np.asarray(array).astype(dtype).tobytes()).decode()


def viridis() -> str:
    """Return the colors of all levels of energy, three bytes each."""
    import matplotlib

    return in_base64(matplotlib.colormaps["viridis"](np.arange(256), bytes=True)[:, :3], "u1")


def page(data: dict[str, Any], sheets: Iterable[str]) -> Iterator[str]:
    """Fill in the template and yield it in parts, as sheets of pictures can be large."""
    folder = resources.files(__package__) / "_explorer"
    script = "".join((folder / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    style = (folder / "style.css").read_text(encoding="utf-8")
    values = {
        "title": html.escape(data["title"]),
        # Only this script runs and nothing is fetched, whatever the texts contain.
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
    """Write JSON whose texts cannot end the HTML element that contains it."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _sha256(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
