"""Encoding of the explorer's pictures: many glitches in few small images."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from .._pictures import resize_energy
from ._spectrogram import LEVELS_PER_ENERGY, check_views

# Energies come back to within three levels of 255 on average, in an eighth of the bytes that a
# PNG takes. Slower methods than 1 save another eighth, in three times the time.
_WEBP = {"quality": 50, "method": 1}
# A browser decodes a sheet in some milliseconds to show one of its glitches.
_PIXELS_PER_SHEET = 250_000
# With fewer pixels, glitches can no longer be distinguished by eye.
_SMALLEST_HEIGHT = 32
_STEP = 0.9
# The number of glitches that are encoded to predict the size of all.
_N_TRIAL = 48
# Neither side of a WebP can be longer.
_LONGEST_SIDE = 16_383


def fit_size(X: Any, durations: tuple[float, ...], max_megabytes: float) -> tuple[int, int]:
    """Find the largest height and width of views with which all pictures fit into a file.

    Raises
    ------
    ValueError
        If not even the smallest size fits.
    """
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
                f"about {megabytes:.3g} MB at the smallest size. Allow more, pass fewer glitches, "
                "or X=None for a page without pictures."
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
                f"X[{row}] has pixels that are NaN or infinite: leave such glitches out, or "
                "replace them with numpy.nan_to_num."
            )


def count_per_sheet(n_views: int, size: tuple[int, int]) -> int:
    """Return the number of glitches per sheet."""
    height, width = size
    return max(1, min(_PIXELS_PER_SHEET // (n_views * height * width), _LONGEST_SIDE // height))


def encode_sheets(
    X: Any, rows: Any, durations: tuple[float, ...], size: tuple[int, int]
) -> Iterator[str]:
    """Yield pictures as data URIs, several glitches per sheet, reading one glitch at a time.

    Views of a glitch are next to each other, glitches one below the other. Pictures are gray:
    the browser looks up colors, where they are exact.
    """
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
