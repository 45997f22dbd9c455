"""The page of the explorer: data and pictures for a browser, and the template."""

from __future__ import annotations

import base64
import hashlib
import io
import math
from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any

import numpy as np
from jinja2 import StrictUndefined, Template
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from .._labels import is_labeled
from .._pictures import resize_energy
from .._validation import find_positions
from ._axes import COLORS
from ._maps import format_value, is_whole
from ._spectrogram import LEVELS_PER_ENERGY, check_views

# The average error is below three of 255 levels, at an eighth of the size of a PNG. Methods above 1
# save another eighth, but take three times as long.
_WEBP = {"quality": 50, "method": 1}
# A browser decodes a sheet of this size in some milliseconds.
_PIXELS_PER_SHEET = 250_000
# With fewer pixels, glitches cannot be distinguished by eye.
_SMALLEST_HEIGHT = 32
_STEP = 0.9
# The number of glitches that are encoded to predict the size of all.
_N_TRIAL = 48
# The largest width and height of a WebP.
_LONGEST_SIDE = 16_383
_SCRIPTS = ("points.js", "pictures.js", "controls.js")
# Without black, which is invisible on a dark page. With the seven markers of the page, combinations
# are unique for 42 classes, as six and seven are coprime.
_COLORS = COLORS[:6]


def encode_columns(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Encode classes as numbers. A class has the same number, and so color, in all columns."""
    labels: list[str] = []
    encoded = []
    for name, values in columns.items():
        is_known = is_labeled(values)
        known = [value for value, flag in zip(values, is_known, strict=True) if flag]
        are_numbers = all(isinstance(value, int | float) for value in known)
        have_fractions = any(isinstance(value, float) and not is_whole(value) for value in known)
        if name != "label" and are_numbers and (have_fractions or not known):
            numbers = [
                float(value) if isinstance(value, int | float) and math.isfinite(value) else None
                for value in values
            ]
            encoded.append({"name": name, "numbers": numbers})
            continue
        texts = [format_value(v) if flag else "" for v, flag in zip(values, is_known, strict=True)]
        # 9 before 10, and numbers before words.
        classes = sorted(
            set(texts) - {""}, key=lambda t: (int(t), "") if t.isdecimal() else (np.inf, t)
        )
        if name == "label":
            labels = classes
        elif set(labels) & set(classes):
            classes = labels + [text for text in classes if text not in set(labels)]
        # -1, no class, becomes the largest number.
        codes = in_base64(find_positions(texts, classes), "<u4")
        encoded.append({"name": name, "classes": classes, "codes": codes})
    return encoded


def in_base64(array: Any, dtype: str) -> str:
    """Encode numbers for a browser."""
    return base64.b64encode(np.asarray(array).astype(dtype).tobytes()).decode()


def page(data: dict[str, Any], sheets: Iterable[str]) -> Iterator[str]:
    """Render the template in parts, as sheets of pictures can be large."""
    folder = resources.files(__package__) / "_explorer"
    script = "".join((folder / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    style = (folder / "style.css").read_text(encoding="utf-8")
    template = (folder / "page.html").read_text(encoding="utf-8")
    data = data | {"colors": _COLORS}
    options: Any = {"autoescape": True, "undefined": StrictUndefined, "trim_blocks": True}
    return Template(template, **options).generate(
        title=data["title"],
        # Only this script runs and nothing is fetched, whatever the texts contain.
        policy=f"default-src 'none'; img-src data:; style-src {_sha256(style)}; "
        f"script-src {_sha256(script)}",
        style=Markup(style),
        script=Markup(script),
        data=htmlsafe_json_dumps(data, allow_nan=False, separators=(",", ":")),
        sheets=sheets,
    )


def _sha256(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def encode_pictures(
    X: Any, durations: tuple[float, ...], frange: tuple[float, float], max_megabytes: float
) -> tuple[dict[str, Any], Iterator[str]]:
    """Return what the page needs to know about the pictures, and their sheets."""
    import matplotlib

    height, width = size = fit_size(X, durations, max_megabytes)
    colors = matplotlib.colormaps["viridis"](np.arange(256), bytes=True)[:, :3]
    about = {
        "views": len(durations),
        "height": height,
        "width": width,
        "perSheet": count_per_sheet(len(durations), size),
        "durations": durations,
        "frange": frange,
        "viridis": in_base64(colors, "u1"),
    }
    return about, encode_sheets(X, range(len(X)), durations, size)


def fit_size(X: Any, durations: tuple[float, ...], max_megabytes: float) -> tuple[int, int]:
    """Find the largest height and width of views for which all pictures fit."""
    some = np.linspace(0, len(X) - 1, min(len(X), _N_TRIAL)).astype(int)
    height, width = full = np.shape(X[0])[-2:]
    smallest = min(height, _SMALLEST_HEIGHT)
    while True:
        n_bytes = sum(map(len, encode_sheets(X, some, durations, (height, width))))
        megabytes = n_bytes * len(X) / len(some) / 1e6
        if megabytes <= max_megabytes:
            return height, width
        if height <= smallest:
            raise ValueError(
                f"max_megabytes={max_megabytes!r} is too small: pictures of {len(X)} glitches take "
                f"about {megabytes:.3g} MB at least. Allow more, or pass fewer glitches or X=None."
            )
        height = max(smallest, int(_STEP * height))
        width = max(1, round(full[1] * height / full[0]))


def refuse_gaps(X: Any, rows: Any) -> None:
    """Refuse glitches with pixels that are NaN or infinite, reading one glitch at a time."""
    if X.dtype.kind != "f":
        return
    for row in rows:
        if not np.isfinite(X[row]).all():
            raise ValueError(
                f"X[{row}] has pixels that are NaN or infinite: numpy.nan_to_num replaces them."
            )


def count_per_sheet(n_views: int, size: tuple[int, int]) -> int:
    """Return the number of glitches per sheet."""
    height, width = size
    return max(1, min(_PIXELS_PER_SHEET // (n_views * height * width), _LONGEST_SIDE // height))


def encode_sheets(
    X: Any, rows: Any, durations: tuple[float, ...], size: tuple[int, int]
) -> Iterator[str]:
    """Yield gray pictures as data URIs: glitches one below the other, their views side by side."""
    from PIL import Image

    step = count_per_sheet(len(durations), size)
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        refuse_gaps(X, some)
        strips = [_strip(X[row], durations, size) for row in some]
        file = io.BytesIO()
        Image.fromarray(np.concatenate(strips)).save(file, "webp", **_WEBP)
        yield f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}"


def _strip(glitch: Any, durations: tuple[float, ...], size: tuple[int, int]) -> np.ndarray:
    views, _ = check_views(glitch, durations)
    if views.dtype != np.uint8:
        views = np.clip(np.rint(views * LEVELS_PER_ENERGY), 0, 255).astype(np.uint8)
    return np.hstack([resize_energy(view, size) for view in views])
