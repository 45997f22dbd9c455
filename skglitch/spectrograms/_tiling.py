"""Frequencies and Q of the tiles of a constant-Q transform (Chatterji, PhD thesis, section 5.3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class QPlane:
    """Rows of tiles of one Q; only the first ``n_searched`` are searched for the loudest tile."""

    q: float
    frequencies: np.ndarray
    n_searched: int

    @cached_property
    def half_widths(self) -> np.ndarray:
        """Half the width in Hz of each row's window."""
        return self.frequencies * math.sqrt(11) / self.q

    def window(self, row: int, bins: np.ndarray, duration: float) -> np.ndarray:
        """Bisquare window of a row at the bins of a transform of ``duration`` s (eq. 5.43)."""
        half = self.half_widths[row]
        x = (bins / duration - self.frequencies[row]) / half
        return np.clip(1 - x**2, 0, None) ** 2 * math.sqrt(315 / (128 * half))


def tile_spacing(mismatch: float) -> float:
    """Largest distance between tiles, in the mismatch metric, for a loss of ``mismatch``."""
    return 2 * math.sqrt(mismatch / 3)


def count_tiles(plane: QPlane, duration: float, mismatch: float) -> list[int]:
    """Return the number of tiles, a power of two, of each row in ``duration`` s."""
    needed = duration * 2 * math.pi * plane.frequencies / plane.q
    exponents = np.ceil(np.log2(needed / tile_spacing(mismatch))).clip(1)
    return (2 ** exponents.astype(int)).tolist()


def make_planes(
    frange: tuple[float, float],
    qrange: tuple[float, float],
    mismatch: float,
    sample_rate: float,
    duration: float,
) -> list[QPlane]:
    """Planes that cover the ranges with an energy loss of at most ``mismatch``."""
    distance = math.log(qrange[1] / qrange[0]) / math.sqrt(2)
    n_planes = max(1, math.ceil(distance / tile_spacing(mismatch)))
    steps = ((index + 0.5) / n_planes for index in range(n_planes))
    qs = [qrange[0] * math.exp(math.sqrt(2) * distance * step) for step in steps]
    # All planes are searched up to the same frequency, so that they compete for the same glitches.
    highest = min(frange[1], sample_rate / 2 / (1 + math.sqrt(11) / qs[0]))
    planes = []
    for q in qs:
        metric = math.sqrt(2 + q**2) / 2
        distance = math.log(highest / frange[0]) * metric
        n_rows = max(1, math.ceil(distance / tile_spacing(mismatch)))
        step = distance / n_rows / metric
        n_all = n_rows + math.ceil(max(0.0, math.log(frange[1] / highest)) / step)
        frequencies = frange[0] * np.exp(step * (np.arange(n_all) + 0.5))
        # On bins of the Fourier transform, some of which coincide at low frequencies.
        frequencies = np.floor(frequencies * duration) / duration
        n_searched = len(np.unique(frequencies[:n_rows]))
        frequencies = np.unique(frequencies)
        planes.append(QPlane(q, frequencies[frequencies > 0], n_searched))
    return planes
