"""Pictures of many glitches in few small files, for the explorer."""

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
# What a browser decodes when one glitch of it is looked at: some milliseconds.
_PIXELS_A_SHEET = 250_000
# Below that many pixels a view, glitches are no longer told apart by eye.
_SMALLEST_HEIGHT = 32
_STEP = 0.9
# So many are encoded to foresee how large all will be.
_N_TRIAL = 48
# Neither side of a WebP can be longer.
_LONGEST_SIDE = 16_383


def fit_size(X: Any, durations: tuple[float, ...], max_megabytes: float) -> tuple[int, int]:
    """Find the largest size of a view with which all pictures fit into a file.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_views, height, width)
    durations : tuple of float
        One for each view.
    max_megabytes : float
        How large all pictures may be.

    Returns
    -------
    size : tuple of int
        Height and width in pixels.

    Raises
    ------
    ValueError
        If not even the smallest fit.
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
    """Refuse glitches with pixels that are no finite numbers.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_views, height, width)
        May be a memory map, of which one glitch is read at a time.
    rows : sequence of int
        Glitches to look at.

    Raises
    ------
    ValueError
        If there is such a pixel.
    """
    if X.dtype.kind != "f":
        return
    for row in rows:
        if not np.isfinite(X[row]).all():
            raise ValueError(
                f"X[{row}] has pixels that are NaN or infinite: leave such glitches out, or fill "
                "them in, as numpy.nan_to_num does."
            )


def count_per_sheet(n_views: int, size: tuple[int, int]) -> int:
    """Tell how many glitches share a sheet.

    Examples
    --------
    >>> from skglitch.display._explorer_pictures import count_per_sheet
    >>> count_per_sheet(4, (140, 170))
    2
    """
    height, width = size
    return max(1, min(_PIXELS_A_SHEET // (n_views * height * width), _LONGEST_SIDE // height))


def encode_sheets(
    X: Any, rows: Any, durations: tuple[float, ...], size: tuple[int, int]
) -> Iterator[str]:
    """Make pictures, several glitches in one.

    They are gray: colors are looked up in the browser, where they are exact.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_views, height, width)
        May be a memory map, of which one glitch is read at a time.
    rows : sequence of int
        Glitches to show.
    durations : tuple of float
        One for each view.
    size : tuple of int
        Height and width of a view.

    Yields
    ------
    sheet : str
        A data URI. Views of a glitch are side by side, glitches one below the other.
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
