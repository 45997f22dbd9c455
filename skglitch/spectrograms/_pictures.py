"""Gravity Spy pictures as arrays."""

from __future__ import annotations

import io
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .._files import check_path
from .._pictures import NATIVE_SIZE, resize_energy
from ._colormap import DecodedColors, colors_to_energy

# Height and width of the layout with axes, of the largest picture, of two releases without axes.
_WITH_AXES = (600, 800)
_LARGEST = (1800, 2400)
_WITHOUT_AXES = ((479, 569), NATIVE_SIZE)
_TOLERANCE = 10
# Left, upper, right and lower edge of the frame in the layout with axes, and a white line.
_FRAME_BOX = (99, 59, 676, 542)
# Height and width of the plot inside this frame, and the first row and column of the spectrogram.
_PLOT_SIZE = (479, 573)
_FIRST = (5, 4)
# Number of lines of a plot that blurred colors may hide.
_BLURRED = 3
# Largest width of a line drawn across a plot, such as a grid line.
_WIDEST_LINE = 4
# Number of lines above and below, and left and right of the spectrogram, without the outermost
# lines of the plot, which the frame darkens.
_MARGIN_ROWS = (4, 7)
_MARGIN_COLUMNS = (3, 2)
_WIDEST_BORDER = 16
# First row and column of the spectrogram in the release of 569x479, if blur hides its frame.
_FIRST_WITHOUT_AXES = (5, 0)
# Average brightness of the lines of a frame, black or gray, and lowest one of white lines outside.
# Lines in viridis have 30 to 215, however blurred, and are never both uniform and foreign.
_BLACK, _GRAY, _WHITE = 0, 128, 230
_SPREAD = 15
# Largest fractions of colors that are not in viridis, in all and in an outermost line. Of 598 real
# pictures none has such colors, nor have copies with 256 colors. Copies as JPEG, whose other colors
# are not exact either, have them around narrow bright lines: up to 0.062 for quality 75. Copies
# with 64 colors may have 0.011 and are refused, as so many may also be a grid or a label.
_FOREIGN = 0.001
_FOREIGN_IF_BLURRED = 0.07
_FOREIGN_EDGE = 0.9


class PictureError(ValueError):
    """Error for a file that cannot be read as a Gravity Spy picture.

    Attributes
    ----------
    path : str
        The file.
    reason : str
        What is wrong with the file.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> from skglitch.spectrograms import PictureError, read_picture
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "photograph.png")
    ...     Image.new("L", (566, 466)).save(path)
    ...     try:
    ...         read_picture(path)
    ...     except PictureError as error:
    ...         print(error.reason)
    has mode 'L', but must be in color (RGB, RGBA or palette).
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        self.path = os.fspath(path)
        self.reason = reason
        super().__init__(f"{self.path}: {reason}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.path, self.reason)


def read_picture(
    path: str | os.PathLike[str], size: tuple[int, int] | None = (140, 170)
) -> np.ndarray:
    """Read the normalized energy from a Gravity Spy picture.

    The same part of the plot is read from all releases: rows 66 to 531 and columns 105 to 670 of
    the picture of 800x600 pixels.

    Parameters
    ----------
    path : path
        PNG file (RGB, RGBA or palette) drawn in viridis from 0 to 25.5, with axes, of 800x600 or
        other sizes up to 2400x1800 pixels, or without axes, of 569x479 or 566x466 (each within 10
        pixels). Up to 7 % of the spectrogram may have other colors, as in JPEG copies, or 0.1 % if
        all other colors are exact.
    size : tuple of (height, width) or None, default=(140, 170)
        Size in pixels of the result. None is the size of the spectrogram, ``(466, 566)``.

    Returns
    -------
    energy : ndarray of shape (height, width), dtype uint8
        Normalized Q-transform energy times 10, from the highest frequency to the lowest.

    Raises
    ------
    PictureError
        If the file is broken, not PNG or not in viridis, or the spectrogram cannot be located.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> import matplotlib, numpy as np
    >>> from PIL import Image
    >>> from skglitch.spectrograms import read_picture
    >>> energy = np.zeros((466, 566), dtype=np.uint8)
    >>> energy[:, 283:] = 200
    >>> picture = matplotlib.colormaps["viridis"](energy, bytes=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder) / "H1_abc_spectrogram_0.5.png"
    ...     Image.fromarray(picture).save(path)
    ...     read_picture(path, size=(2, 4))
    array([[  0,  25, 175, 200],
           [  0,  25, 175, 200]], dtype=uint8)
    """
    image = _read_image(check_path(path, "path"))
    # If the frame is in its usual place, the axes around it need not be decoded.
    usual = image.size[::-1] == _WITH_AXES
    part = image.crop(_FRAME_BOX) if usual else image
    decoded = colors_to_energy(np.asarray(part))
    plot = _find_plot(decoded.foreign)
    if usual and isinstance(plot, str):
        part = image
        decoded = colors_to_energy(np.asarray(part))
        plot = _find_plot(decoded.foreign)
    try:
        if isinstance(plot, str):
            energy = _read_without_frame(decoded, part, plot)
        else:
            energy = _read_inside_frame(decoded, part, plot)
    except ValueError as error:
        raise PictureError(path, str(error)) from None
    return resize_energy(energy, NATIVE_SIZE if size is None else size)


def _read_image(path: Path) -> Image.Image:
    """Read an RGBA image, after checking the size and all checksums of the file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PictureError(path, f"cannot be read ({error.strerror or error}).") from error
    if not content:
        raise PictureError(path, "is empty.")
    try:
        # Only verify() compares checksums; load() accepts a flipped bit.
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            (width, height), mode = image.size, image.mode
            image.verify()
        if height > _LARGEST[0] or width > _LARGEST[1]:
            raise PictureError(
                path,
                f"is {width}x{height} pixels (width x height), but must be at most "
                f"{_LARGEST[1]}x{_LARGEST[0]}.",
            )
        if mode not in ("RGB", "RGBA", "P"):
            reason = f"has mode {mode!r}, but must be in color (RGB, RGBA or palette)."
            raise PictureError(path, reason)
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            image.load()
            return image if mode == "RGBA" else image.convert("RGBA")
    except Image.UnidentifiedImageError as error:
        raise PictureError(path, "is not a PNG picture.") from error
    except (MemoryError, PictureError):
        raise
    # The decoder may raise any exception for corrupt content.
    except Exception as error:
        raise PictureError(path, f"is broken or truncated ({error}).") from error


def _find_plot(foreign: np.ndarray) -> tuple[slice, slice] | str:
    """Rows and columns of the only large area in viridis with a border, or why there is none."""
    if foreign.all():
        return "none of it is in viridis"
    columns = _find_runs(foreign, 0)[0]
    row_runs = _find_runs(foreign[:, columns], 1)
    rows = row_runs[0]
    column_runs = _find_runs(foreign[rows], 0)
    columns = column_runs[0]
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if 2 * height < _PLOT_SIZE[0] or 2 * width < _PLOT_SIZE[1]:
        return f"the largest area in viridis is {width}x{height}"
    if len(row_runs) > 1 or len(column_runs) > 1:
        return "there are several areas in viridis"
    edges = {
        "top": rows.start == 0,
        "bottom": rows.stop == foreign.shape[0],
        "left": columns.start == 0,
        "right": columns.stop == foreign.shape[1],
    }
    if any(edges.values()):
        names = ", ".join(name for name, touched in edges.items() if touched)
        return f"the area in viridis is cut off at the {names}"
    return rows, columns


def _find_runs(foreign: np.ndarray, axis: int) -> list[slice]:
    """Find runs of lines that are mostly in viridis: the longest, and others half as long."""
    share = 1 - _mean(foreign, axis)
    lines = np.flatnonzero(share > 0.5 * share.max())
    # Lines of a grid do not end a run.
    parts = np.split(lines, np.flatnonzero(np.diff(lines) > _WIDEST_LINE + 1) + 1)
    runs = sorted((slice(int(p[0]), int(p[-1]) + 1) for p in parts), key=_length, reverse=True)
    return [run for run in runs if 2 * _length(run) > _length(runs[0])]


def _length(lines: slice) -> int:
    return int(lines.stop - lines.start)


def _mean(mask: np.ndarray, axis: int) -> np.ndarray:
    """Fraction of each line that is true. ``mask.mean(axis)`` takes ten times as long."""
    return mask.view(np.uint8).sum(axis, dtype=np.uint16) / np.float32(mask.shape[axis])


def _is_frame(
    decoded: DecodedColors, image: Image.Image, axis: int, plot: tuple[slice, slice] | None = None
) -> np.ndarray:
    """Whether each line may be part of a frame or white, in the whole picture or along the plot."""
    beside = (slice(None), slice(None))
    if plot:
        beside = (plot[0], slice(None)) if axis == 0 else (slice(None), plot[1])
    gray = np.asarray(image.convert("L"))[beside]
    brightness = gray.mean(axis)
    is_even = (abs(brightness - _GRAY) < _SPREAD) & (gray.std(axis) < _SPREAD)
    is_gray = is_even & (decoded.foreign[beside].mean(axis) > 0.5)
    return (brightness < _BLACK + _SPREAD) | is_gray | (brightness > _WHITE)


def _read_inside_frame(
    decoded: DecodedColors, image: Image.Image, plot: tuple[slice, slice]
) -> np.ndarray:
    """Energies of the spectrogram, given the rows and columns of the plot, which has any size."""
    box = []
    for axis, (lines, usual, first, wanted) in enumerate(
        zip(plot, _PLOT_SIZE, _FIRST, NATIVE_SIZE, strict=True)
    ):
        scale = _length(lines) / usual
        start = lines.start + first * scale
        if 0 < abs(_length(lines) - usual) <= _BLURRED:
            # Blur changes the darkened lines along the frame, but not the frame.
            frame = np.flatnonzero(_is_frame(decoded, image, 1 - axis, plot))
            after = int(np.searchsorted(frame, lines.start + usual // 2))
            middle = lines.start + lines.stop
            if 0 < after < len(frame) and frame[after] - frame[after - 1] == usual + 1:
                middle = int(frame[after] + frame[after - 1] + 1)
            scale, start = 1, (middle - usual) // 2 + first
        box.append((start, start + wanted * scale))
    (top, bottom), (left, right) = box
    rows = slice(math.floor(top), math.ceil(bottom))
    columns = slice(math.floor(left), math.ceil(right))
    _check_colors(decoded, rows, columns)
    if (_length(rows), _length(columns)) == NATIVE_SIZE:
        return decoded.energy[rows, columns]
    # Averaging undoes the repetition of pixels.
    enlarged = bottom - top >= NATIVE_SIZE[0]
    image = Image.fromarray(decoded.energy).resize(
        NATIVE_SIZE[::-1],
        Image.Resampling.BOX if enlarged else Image.Resampling.BILINEAR,
        box=(left, top, right, bottom),
    )
    return np.asarray(image)


def _read_without_frame(decoded: DecodedColors, image: Image.Image, problem: str) -> np.ndarray:
    """Energies of the spectrogram in a picture without axes, or with a part of its frame."""
    shape = decoded.energy.shape
    if all(np.abs(np.subtract(shape, size)).max() > _TOLERANCE for size in _WITHOUT_AXES):
        raise ValueError(
            f"is {shape[1]}x{shape[0]} pixels (width x height), but {problem}: a Gravity Spy "
            "picture has one spectrogram in viridis, of at least 287x240 pixels with a frame "
            "around it, or of about 569x479 or 566x466 (within 10 pixels) without axes."
        )
    edge = 2 * _WIDEST_BORDER
    inside = decoded.exact[edge:-edge, edge:-edge]
    # A line half a pixel from the frame is only slightly too dark. If other colors are exact, any
    # other color marks the frame. Otherwise only a uniform line does, as blur around bright lines
    # leaves colors that are as far from viridis.
    is_exact = inside.mean() > 0.9
    rows, columns = (
        _without_border(
            _mean(~decoded.exact, 1 - axis) > 0.5
            if is_exact
            else _is_frame(decoded, image, 1 - axis),
            NATIVE_SIZE[axis],
            (_MARGIN_ROWS, _MARGIN_COLUMNS)[axis],
            is_exact,
            None if is_exact or shape != _WITHOUT_AXES[0] else _FIRST_WITHOUT_AXES[axis],
        )
        for axis in (0, 1)
    )
    _check_colors(decoded, rows, columns)
    for name, lines, n_lines, wanted in zip(
        ("rows", "columns"), (rows, columns), shape, NATIVE_SIZE, strict=True
    ):
        # Without a border, the picture may be slightly smaller.
        if _length(lines) < min(n_lines, wanted - (0 if is_exact else _BLURRED)):
            raise ValueError(
                f"has {_length(lines)} {name} inside its frame, but must have {wanted}: the "
                "spectrogram is cut off."
            )
    return decoded.energy[rows, columns]


def _check_colors(decoded: DecodedColors, rows: slice, columns: slice) -> None:
    """Refuse a spectrogram with too many colors that are not in viridis."""
    foreign = decoded.foreign[rows, columns]
    n_foreign = np.count_nonzero(foreign)
    if not n_foreign:
        return
    share = n_foreign / foreign.size
    n_exact = np.count_nonzero(decoded.exact[rows, columns])
    allowed = _FOREIGN if n_exact > 0.99 * (foreign.size - n_foreign) else _FOREIGN_IF_BLURRED
    if share > allowed:
        raise ValueError(
            f"has colors that are not in viridis in {share:.1%} of the spectrogram (up to "
            f"{allowed:.1%} are allowed), but must be a Gravity Spy omega scan, drawn in viridis "
            "from 0 to 25.5."
        )
    # Unlike narrow bright lines, a white border covers a whole edge.
    if max(_mean(foreign[[0, -1]], 1).max(), _mean(foreign[:, [0, -1]], 0).max()) > _FOREIGN_EDGE:
        raise ValueError("has other colors than viridis along an edge of the spectrogram.")


def _without_border(
    is_odd: np.ndarray, wanted: int, margins: tuple[int, int], is_exact: bool, usual: int | None
) -> slice:
    """Lines to keep, given those that may be in a frame, and the usual first one without frame."""
    first = _border_width(is_odd, is_exact)
    last = _border_width(is_odd[::-1], is_exact)
    n_lines = len(is_odd) - first - last
    excess = max(n_lines - wanted, 0)
    if first:
        start = min(margins[0], excess)
    elif last:
        start = max(excess - margins[1], 0)
    elif usual is not None:
        start = usual
    else:
        # Without a frame, divide the excess as in the whole plot.
        start = round(excess * margins[0] / sum(margins))
    return slice(first + start, first + start + min(n_lines, wanted))


def _border_width(is_odd: np.ndarray, is_exact: bool) -> int:
    """Count the odd lines from the edge on, and the darkened one next to them that blur hides."""
    inner = np.flatnonzero(~is_odd[:_WIDEST_BORDER])
    width = int(inner[0]) if len(inner) else _WIDEST_BORDER
    return width if is_exact or not width else width + 1
