"""Gravity Spy pictures as arrays."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .._pictures import NATIVE_SIZE, resize_energy
from ._colormap import DecodedColors, colors_to_energy

# Heights and widths of pictures with axes, and of two releases without axes.
_WITH_AXES = (600, 800)
_WITHOUT_AXES = ((479, 569), NATIVE_SIZE)
_TOLERANCE = 10
# Left, upper, right and lower edge of the spectrogram in a picture with axes.
_INNER_BOX = (105, 66, 671, 532)
# The plotted area is rows 62 to 538 and columns 102 to 672 of a picture with axes: so many lines
# lie above, below, left and right of the spectrogram.
_MARGIN_ROWS = (4, 7)
_MARGIN_COLUMNS = (3, 2)
_WIDEST_BORDER = 16
# Largest fraction of colors that are not in viridis.
_FOREIGN_ALLOWED = 0.1


class PictureError(ValueError):
    """A picture file that cannot be read as a Gravity Spy spectrogram.

    Attributes
    ----------
    path : str
        The file.
    reason : str
        What is wrong with it.

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

    Parameters
    ----------
    path : path
        PNG file of 800x600 pixels with axes, or of about 569x479 or 566x466 without (each within
        10 pixels). RGB, RGBA or palette, drawn in viridis from 0 to 25.5.
    size : tuple of (height, width) or None, default=(140, 170)
        Size in pixels of the result. None is the size of the spectrogram, ``(466, 566)``.

    Returns
    -------
    energy : ndarray of shape (height, width), dtype uint8
        Normalized Q-transform energy, 255 being 25.5. High frequencies are in the first rows.

    Raises
    ------
    PictureError
        If the file is broken, is not a PNG, has another size or is not drawn in viridis.

    See Also
    --------
    skglitch.datasets.load_gravity_spy : Load a folder of labeled pictures.

    Notes
    -----
    The same part of the plot is read from all releases: rows 66 to 531 and columns 105 to 670 of
    the picture with axes. A picture without axes is located by the dark lines of its frame.

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
    decoded = colors_to_energy(_read_pixels(Path(path)))
    rows, columns = _inner_part(decoded)
    foreign = float(decoded.foreign[rows, columns].mean())
    if foreign > _FOREIGN_ALLOWED:
        raise PictureError(
            path,
            f"has colors that are not in viridis in {foreign:.0%} of the spectrogram, but must be "
            "a Gravity Spy omega scan, drawn in viridis from 0 to 25.5.",
        )
    return resize_energy(decoded.energy[rows, columns], NATIVE_SIZE if size is None else size)


def _read_pixels(path: Path) -> np.ndarray:
    """Read RGBA pixels without axes, after checking the size and all checksums of the file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PictureError(path, f"cannot be read ({error.strerror or error}).") from error
    if not content:
        raise PictureError(path, "is empty.")
    try:
        # Only verify() compares checksums; load() accepts a flipped bit.
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            shape, mode = image.size[::-1], image.mode
            image.verify()
        if shape != _WITH_AXES and not any(
            np.abs(np.subtract(shape, size)).max() <= _TOLERANCE for size in _WITHOUT_AXES
        ):
            raise PictureError(
                path,
                f"is {shape[1]}x{shape[0]} pixels (width x height), but a Gravity Spy picture is "
                "800x600 with axes, or about 569x479 or 566x466 (within 10 pixels) without.",
            )
        if mode not in ("RGB", "RGBA", "P"):
            reason = f"has mode {mode!r}, but must be in color (RGB, RGBA or palette)."
            raise PictureError(path, reason)
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            # Cropped first, since the axes are a third of the picture.
            part = image.crop(_INNER_BOX) if shape == _WITH_AXES else image
            return np.asarray(part.convert("RGBA"))
    except Image.UnidentifiedImageError as error:
        raise PictureError(path, "is not a PNG picture.") from error
    except (MemoryError, PictureError):
        raise
    # The decoder may raise any exception if the content is corrupt.
    except Exception as error:
        raise PictureError(path, f"is broken or cut short ({error}).") from error


def _inner_part(decoded: DecodedColors) -> tuple[slice, slice]:
    """Rows and columns of the spectrogram in a picture without axes."""
    edge = 2 * _WIDEST_BORDER
    inside = decoded.exact[edge:-edge, edge:-edge]
    # A line half a pixel off the frame is only slightly too dark. If all else matches the table
    # exactly, any other color marks the frame, and otherwise only colors far from viridis do.
    odd = ~decoded.exact if inside.mean() > 0.9 else decoded.foreign
    rows = _without_border(odd.mean(axis=1), NATIVE_SIZE[0], _MARGIN_ROWS)
    columns = _without_border(odd.mean(axis=0), NATIVE_SIZE[1], _MARGIN_COLUMNS)
    return rows, columns


def _without_border(odd: np.ndarray, wanted: int, margins: tuple[int, int]) -> slice:
    """Lines to keep, given the fraction of odd pixels in each line of the picture."""
    first = _border_width(odd)
    last = _border_width(odd[::-1])
    n_lines = len(odd) - first - last
    excess = max(n_lines - wanted, 0)
    if first:
        start = min(margins[0], excess)
    elif last:
        start = max(excess - margins[1], 0)
    else:
        # Without a frame the excess is divided as in the whole plot.
        start = round(excess * margins[0] / sum(margins))
    return slice(first + start, first + start + min(n_lines, wanted))


def _border_width(odd: np.ndarray) -> int:
    """Count the lines up to the last one that is mostly odd."""
    lines = np.flatnonzero(odd[:_WIDEST_BORDER] > 0.5)
    return int(lines[-1]) + 1 if len(lines) else 0
