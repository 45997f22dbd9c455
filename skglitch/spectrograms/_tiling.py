"""Which frequencies and which Q a constant-Q transform looks at."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class QPlane:
    """Rows of tiles of one Q.

    Parameters
    ----------
    q : float
        Quality factor: center frequency over bandwidth, times a constant.
    frequencies : ndarray of shape (n_rows,)
        Center frequencies in Hz, rising.
    n_searched : int
        Number of rows, from the first on, whose windows lie below the Nyquist frequency.
        The loudest tile is looked for among these. Rows above are shown only, with what is
        left of their windows.
    """

    q: float
    frequencies: np.ndarray
    n_searched: int

    @cached_property
    def half_widths(self) -> np.ndarray:
        """Half the support in Hz of each row's window."""
        return self.frequencies * math.sqrt(11) / self.q

    def window(self, row: int, bins: np.ndarray, duration: float) -> np.ndarray:
        """Bisquare window of a row at the bins of a Fourier transform of ``duration`` s.

        Normalized to the same energy of white noise in each row [1]_, eq. 5.43.

        References
        ----------
        .. [1] S. Chatterji, "The search for gravitational wave bursts in data from the second
           LIGO science run", PhD thesis, MIT (2005).
        """
        half = self.half_widths[row]
        x = (bins / duration - self.frequencies[row]) / half
        return np.clip(1 - x**2, 0, None) ** 2 * math.sqrt(315 / (128 * half))


def spacing(mismatch: float) -> float:
    """Largest distance of tiles, in the metric of mismatch, for a loss of ``mismatch``."""
    return 2 * math.sqrt(mismatch / 3)


def make_planes(
    frange: tuple[float, float],
    qrange: tuple[float, float],
    mismatch: float,
    sample_rate: float,
    duration: float,
) -> list[QPlane]:
    """Planes that cover the ranges with a loss of energy of at most ``mismatch`` [1]_.

    Parameters
    ----------
    frange, qrange : tuple of float
        Lowest and highest frequency in Hz, lowest and highest Q.
    mismatch : float
        Largest loss of energy of a signal between tiles.
    sample_rate, duration : float
        Of the strain, in Hz and s.

    References
    ----------
    .. [1] S. Chatterji, "The search for gravitational wave bursts in data from the second
       LIGO science run", PhD thesis, MIT (2005), section 5.3.
    """
    values = list(_quality_factors(qrange, spacing(mismatch)))
    # The same for all planes, so that they compete for the same glitches.
    highest = sample_rate / 2 / (1 + math.sqrt(11) / values[0])
    return [_plane(q, frange, min(frange[1], highest), mismatch, duration) for q in values]


def _quality_factors(qrange: tuple[float, float], step: float) -> Iterator[float]:
    distance = math.log(qrange[1] / qrange[0]) / math.sqrt(2)
    n_planes = max(1, math.ceil(distance / step))
    for index in range(n_planes):
        yield qrange[0] * math.exp(math.sqrt(2) * distance * (index + 0.5) / n_planes)


def _plane(
    q: float, frange: tuple[float, float], highest: float, mismatch: float, duration: float
) -> QPlane:
    metric = math.sqrt(2 + q**2) / 2
    distance = math.log(highest / frange[0]) * metric
    n_rows = max(1, math.ceil(distance / spacing(mismatch)))
    step = distance / n_rows / metric
    n_all = n_rows + math.ceil(max(0.0, math.log(frange[1] / highest)) / step)
    frequencies = frange[0] * np.exp(step * (np.arange(n_all) + 0.5))
    # On a bin of the Fourier transform each; at low frequencies two may fall on one.
    frequencies = np.floor(frequencies * duration) / duration
    n_searched = len(np.unique(frequencies[:n_rows]))
    frequencies = np.unique(frequencies)
    return QPlane(q, frequencies[frequencies > 0], n_searched)
