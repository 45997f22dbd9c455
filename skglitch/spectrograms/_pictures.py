"""A Gravity Spy picture file to the numbers it shows."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

from .._pictures import NATIVE_SIZE, resize_energy
from ._colormap import DecodedColors, colors_to_energy

_WITH_AXES = (600, 800)
_WITHOUT_AXES = ((479, 569), NATIVE_SIZE)
_TOLERANCE = 10
# Left, upper, right and lower edge of it in a picture with axes.
_INNER_BOX = (105, 66, 671, 532)
# The plotted area is rows 62 to 538 and columns 102 to 672 of a picture with axes, a little
# more than the classifiers see: so many lines lie above, below, left and right of that.
_MARGIN_ROWS = (4, 7)
_MARGIN_COLUMNS = (3, 2)
_WIDEST_BORDER = 16
_FOREIGN_ALLOWED = 0.1


class PictureError(ValueError):
    """A picture file that cannot be read as a Gravity Spy spectrogram.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from PIL import Image
    >>> from skglitch.spectrograms import PictureError, read_picture
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "photograph.png")
    ...     Image.new("RGB", (64, 48)).save(path)
    ...     try:
    ...         read_picture(path)
    ...     except PictureError:
    ...         print("no picture of a glitch")
    no picture of a glitch
    """


def read_picture(
    path: str | os.PathLike[str], size: tuple[int, int] | None = (140, 170)
) -> np.ndarray:
    """Read the normalized energy out of a Gravity Spy picture.

    Parameters
    ----------
    path : path
        PNG file: 800x600 pixels with axes, or about 569x479 or 566x466 without (each within
        10 pixels). RGB, RGBA or palette, drawn in viridis from 0 to 25.5.
    size : tuple of (height, width) or None, default=(140, 170)
        Size in pixels of the result; None is the picture's own ``(466, 566)``.

    Returns
    -------
    energy : ndarray of shape (height, width), dtype uint8
        Normalized Q-transform energy, 255 being 25.5; high frequencies in the first rows.

    Raises
    ------
    PictureError
        If the file is broken, is no PNG, has another size or is not drawn in viridis. The
        message starts with the path.

    See Also
    --------
    resize_energy : How the picture is brought to ``size``.
    skglitch.datasets.load_gravity_spy : The same for a folder of labeled pictures.

    Notes
    -----
    Whichever way a picture comes, the same part of the plot is taken, so that a net trained
    on one release serves for another: rows 66 to 531 and columns 105 to 670 of the picture
    with axes. In a picture without axes, the dark lines of the frame tell where that is.

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
    try:
        energy = _spectrogram(_read_pixels(Path(path)))
    except PictureError as error:
        raise PictureError(f"{os.fspath(path)}: {error}") from error.__cause__
    return resize_energy(energy, NATIVE_SIZE if size is None else size)


def _read_pixels(path: Path) -> np.ndarray:
    """Read RGBA pixels without axes, the size and every checksum of the file checked first."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PictureError(f"cannot be read ({error.strerror or error}).") from error
    if not content:
        raise PictureError("is empty.")
    try:
        # Only verify() compares checksums: load() lets a flipped bit through.
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            shape, mode = image.size[::-1], image.mode
            image.verify()
    except Image.UnidentifiedImageError as error:
        raise PictureError("is not a PNG picture.") from error
    except MemoryError:
        raise
    # A decoder fed with garbage may raise anything at all.
    except Exception as error:
        raise PictureError(f"is broken or cut short ({error}).") from error
    _check_layout(shape, mode)
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            # Cut before all else: the axes are a third of the picture.
            part = image.crop(_INNER_BOX) if shape == _WITH_AXES else image
            return np.asarray(part.convert("RGBA"))
    except MemoryError:
        raise
    except Exception as error:
        raise PictureError(f"is broken or cut short ({error}).") from error


def _check_layout(shape: tuple[int, int], mode: str) -> None:
    if shape != _WITH_AXES and not any(
        abs(shape[0] - height) <= _TOLERANCE and abs(shape[1] - width) <= _TOLERANCE
        for height, width in _WITHOUT_AXES
    ):
        raise PictureError(
            f"is {shape[1]}x{shape[0]} pixels (width x height), but a Gravity Spy picture is "
            f"800x600 with axes, or about 569x479 or 566x466 (within {_TOLERANCE} pixels) without."
        )
    if mode not in ("RGB", "RGBA", "P"):
        raise PictureError(
            f"is of mode {mode!r}, but must be in color (RGB, RGBA or palette): the energy is "
            "read from the colors of viridis."
        )


def _spectrogram(pixels: np.ndarray) -> np.ndarray:
    """Cut the part that the classifiers see and turn its colors into energy."""
    decoded = colors_to_energy(pixels)
    rows, columns = _inner_part(decoded)
    decoded = DecodedColors(*(part[rows, columns] for part in decoded))
    foreign = float(decoded.foreign.mean())
    if foreign > _FOREIGN_ALLOWED:
        raise PictureError(
            f"has colors that are not in viridis in {foreign:.0%} of the spectrogram; expected "
            "is a Gravity Spy omega scan, drawn in viridis from 0 to 25.5."
        )
    return decoded.energy


def _inner_part(decoded: DecodedColors) -> tuple[slice, slice]:
    """Rows and columns of a picture without axes that the classifiers see."""
    edge = 2 * _WIDEST_BORDER
    inside = decoded.exact[edge:-edge, edge:-edge]
    # A line half a pixel off the frame is only a shade too dark. Where all else matches the
    # table exactly, not matching it is what tells; else only colors far off can.
    odd = ~decoded.exact if inside.mean() > 0.9 else decoded.foreign
    rows = _without_border(odd.mean(axis=1), NATIVE_SIZE[0], _MARGIN_ROWS)
    columns = _without_border(odd.mean(axis=0), NATIVE_SIZE[1], _MARGIN_COLUMNS)
    return rows, columns


def _without_border(odd: np.ndarray, wanted: int, margins: tuple[int, int]) -> slice:
    """Lines to keep, given the share of odd pixels in each line of the picture."""
    first = _border_width(odd)
    last = _border_width(odd[::-1])
    length = len(odd) - first - last
    excess = max(length - wanted, 0)
    if first:
        start = min(margins[0], excess)
    elif last:
        start = max(excess - margins[1], 0)
    else:
        # No frame to go by: share the excess as in the whole plot.
        start = round(excess * margins[0] / sum(margins))
    return slice(first + start, first + start + min(length, wanted))


def _border_width(odd: np.ndarray) -> int:
    """Lines at the start up to the last one that is mostly odd."""
    lines = np.flatnonzero(odd[:_WIDEST_BORDER] > 0.5)
    return int(lines[-1]) + 1 if len(lines) else 0
