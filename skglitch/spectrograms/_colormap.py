"""Inversion of the viridis colormap: from the colors of a picture to energies."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np

# Euclidean distance in 8-bit RGB beyond which a color does not belong to viridis. Neighbors in the
# table are 2 apart and rounding adds at most 1; grays are more than 60 away.
_FOREIGN_DISTANCE = 24.0
_CHUNK = 4096
# Distance in pixels within a sample of the colors.
_STEP = 16
# Added to entries of look-up tables for colors that are near or far from viridis, but not in it.
_NEAR, _FAR = 512, 1024


class DecodedColors(NamedTuple):
    """Energies of colors, whether they are in the table, and whether they are far from viridis."""

    energy: np.ndarray
    exact: np.ndarray
    foreign: np.ndarray


def colors_to_energy(colors: np.ndarray) -> DecodedColors:
    """Find the energies (255 is 25.5) of the uint8 RGB or RGBA colors of a viridis picture."""
    if colors.dtype != np.uint8 or colors.ndim != 3 or colors.shape[2] not in (3, 4):
        raise ValueError(
            f"colors is {colors.dtype} of shape {colors.shape}, but must be uint8 of shape "
            "(height, width, 3) or (height, width, 4)."
        )
    packed = _pack(colors)
    # Of the 8-bit versions of viridis, rounded and truncated, use the one that matches more pixels.
    # The one that matches more in a sample is tried first.
    sample = packed[::_STEP, ::_STEP]
    first, second = sorted(_tables(), key=lambda t: -np.count_nonzero(_is_exact(t[1][sample])))
    found = _look_up(packed, *first)
    exact = _is_exact(found)
    # The other version can match more only if it has some of the colors that this one lacks.
    if _is_exact(second[1][packed[~exact]]).any():
        other = _look_up(packed, *second)
        if np.count_nonzero(_is_exact(other)) > np.count_nonzero(exact):
            found, exact = other, _is_exact(other)
    return DecodedColors((found - 1).astype(np.uint8), exact, found >= _FAR)


def _is_exact(found: np.ndarray) -> np.ndarray:
    return (found > 0) & (found < _NEAR)


def _look_up(packed: np.ndarray, table: np.ndarray, lookup: np.ndarray) -> np.ndarray:
    """Find the entries of colors in a look-up table, after adding those that are missing."""
    found = np.take(lookup, packed)
    if not found.all():
        new = np.unique(packed[found == 0])
        for start in range(0, len(new), _CHUNK):
            chunk = new[start : start + _CHUNK]
            channels = [(chunk >> shift) & 0xFF for shift in (0, 8, 16)]
            rgb = np.stack(channels, axis=1).astype(np.float32)
            wanted = table.astype(np.float32)
            # |a - b|^2 by its expansion, which is exact in float32 for small integers.
            squared = (rgb**2).sum(1)[:, None] - 2 * rgb @ wanted.T + (wanted**2).sum(1)
            is_far = np.sqrt(squared.min(axis=1)) > _FOREIGN_DISTANCE
            lookup[chunk] = squared.argmin(axis=1) + 1 + np.where(is_far, _FAR, _NEAR)
        found = np.take(lookup, packed)
    return found


def _pack(colors: np.ndarray) -> np.ndarray:
    """One number per color: red + 256 green + 65536 blue."""
    if colors.shape[2] == 4 and colors.flags.c_contiguous:
        return colors.view("<u4")[..., 0] & np.uint32(0xFFFFFF)
    wide = colors.astype(np.uint32)
    return wide[..., 0] | wide[..., 1] << 8 | wide[..., 2] << 16


@functools.cache
def _tables() -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Both versions of viridis, each with a look-up table of index + 1 by packed 24-bit color."""
    import matplotlib

    viridis = matplotlib.colormaps["viridis"](np.arange(256))[:, :3]
    made = []
    for table in (np.rint(255 * viridis), np.floor(255 * viridis)):
        table = table.astype(np.uint8)
        # The system allocates no memory for the entries that are never used.
        lookup = np.zeros(1 << 24, dtype=np.int16)
        # Backwards, so that the lowest of equal colors is written last.
        lookup[_pack(table[None])[0][::-1]] = np.arange(256, 0, -1)
        made.append((table, lookup))
    return tuple(made)
