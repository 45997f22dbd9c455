"""Viridis backwards: from the colors of a picture to the numbers it was drawn from."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

# Euclidean distance in 8-bit RGB beyond which a color is none of viridis. Neighbors in the
# table are 2 apart and rounding adds at most 1; grays stay more than 60 away.
FOREIGN_DISTANCE = 24.0
_COLOURS_A_CHUNK = 4096


class DecodedColors(NamedTuple):
    """Result of :func:`colors_to_energy`.

    Attributes
    ----------
    energy : ndarray of shape (height, width), dtype uint8
        Normalized energy, 255 being 25.5.
    exact : ndarray of shape (height, width), dtype bool
        Pixels whose color is in the table, so that nothing was guessed.
    foreign : ndarray of shape (height, width), dtype bool
        Pixels whose color is far from all of viridis.
    """

    energy: np.ndarray
    exact: np.ndarray
    foreign: np.ndarray


def colors_to_energy(colors: np.ndarray) -> DecodedColors:
    """Look the colors of a viridis picture up again.

    Parameters
    ----------
    colors : ndarray of shape (height, width, 3) or (height, width, 4), dtype uint8
        RGB or RGBA. The alpha channel is not read.

    Returns
    -------
    decoded : DecodedColors
        ``energy`` (uint8, 0 to 255), ``exact`` and ``foreign`` (bool), each of shape
        (height, width).

    Raises
    ------
    ValueError
        If ``colors`` is not uint8 RGB or RGBA.

    See Also
    --------
    skglitch.spectrograms.read_picture : The same for a file, axes and borders cut away.

    Notes
    -----
    There are two 8-bit versions of viridis about, the same colors rounded and truncated, and
    a picture is drawn with one of them. The one that more pixels match exactly is taken (the
    rounded one in a draw). A color in neither is taken for the nearest in that table.

    With 8 bits a channel, two pairs of neighbors in each version have the same color. The
    lower of the two is taken, so that these levels may come back one too low.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.spectrograms import colors_to_energy
    >>> darkest, brightest, gray = (68, 1, 84), (253, 231, 37), (128, 128, 128)
    >>> decoded = colors_to_energy(np.array([[darkest, brightest, gray]], dtype=np.uint8))
    >>> decoded.energy[0, :2]
    array([  0, 255], dtype=uint8)
    >>> decoded.foreign
    array([[False, False,  True]])
    """
    if colors.dtype != np.uint8 or colors.ndim != 3 or colors.shape[2] not in (3, 4):
        raise ValueError(
            f"colors is {colors.dtype} of shape {colors.shape}, but must be uint8 of shape "
            "(height, width, 3) or (height, width, 4)."
        )
    packed = _pack(colors)
    table, found = _best_table(packed)
    exact = found > 0
    # Where nothing was found, 0 - 1 wraps to 255; those pixels are set right below.
    energy = (found - 1).astype(np.uint8)
    foreign = np.zeros(energy.shape, dtype=bool)
    if not exact.all():
        energy[~exact], foreign[~exact] = _nearest(packed[~exact], table)
    return DecodedColors(energy, exact, foreign)


def _pack(colors: np.ndarray) -> np.ndarray:
    """One number a color: red + 256 green + 65536 blue."""
    if colors.shape[2] == 4 and colors.flags.c_contiguous:
        return colors.view("<u4")[..., 0] & np.uint32(0xFFFFFF)
    wide = colors.astype(np.uint32)
    return wide[..., 0] | wide[..., 1] << 8 | wide[..., 2] << 16


def _best_table(packed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Table that matches most pixels, and for each pixel its place in it plus one, or 0."""
    (rounded, lookup), (truncated, other_lookup) = _tables()
    found = np.take(lookup, packed)
    if found.all():
        return rounded, found
    other = np.take(other_lookup, packed)
    if np.count_nonzero(other) > np.count_nonzero(found):
        return truncated, other
    return rounded, found


@functools.cache
def _tables() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Make both versions of viridis, rounded and truncated, each with its look-up.

    A look-up gives place + 1 for every packed 24-bit color. Nearly all stay zero and are never
    touched, so that the system gives them no memory.
    """
    import matplotlib

    viridis = matplotlib.colormaps["viridis"](np.arange(256))[:, :3]
    made = []
    for table in (np.rint(255 * viridis), np.floor(255 * viridis)):
        table = table.astype(np.uint8)
        lookup = np.zeros(1 << 24, dtype=np.int16)
        # Backwards: of neighbors with the same color the lower one is written last.
        lookup[_pack(table[None])[0][::-1]] = np.arange(256, 0, -1)
        made.append((table, lookup))
    return tuple(made)


def _nearest(packed: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nearest place in ``table`` and whether even that is far, for a 1-D run of colors."""
    unique, inverse = np.unique(packed, return_inverse=True)
    place = np.empty(len(unique), dtype=np.uint8)
    distance = np.empty(len(unique), dtype=np.float32)
    wanted = table.astype(np.float32)
    for start in range(0, len(unique), _COLOURS_A_CHUNK):
        chunk = slice(start, start + _COLOURS_A_CHUNK)
        channels = [(unique[chunk] >> shift) & 0xFF for shift in (0, 8, 16)]
        rgb = np.stack(channels, axis=1).astype(np.float32)
        # |a - b|^2 by its expansion: small integers, so float32 is exact here.
        squared = (rgb**2).sum(1)[:, None] - 2 * rgb @ wanted.T + (wanted**2).sum(1)
        place[chunk] = squared.argmin(axis=1)
        distance[chunk] = np.sqrt(squared.min(axis=1))
    return place[inverse], (distance > FOREIGN_DISTANCE)[inverse]
