"""Detector noise: colored, with lines, and not exactly stationary."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.fft import irfft, next_fast_len, rfftfreq
from scipy.ndimage import gaussian_filter1d, median_filter
from scipy.signal import welch

from ._canvas import log_uniform

Psd = str | Callable[[np.ndarray], np.ndarray] | tuple[np.ndarray, np.ndarray]

# Extra time in s that is generated and cut off, so that the two ends are not correlated.
_MARGIN = 2.0
# Frequency ranges in Hz of the groups of violin modes, for each of the two detectors.
VIOLINS = (
    ((499.0, 517.0), (500.0, 510.0)),
    ((990.0, 1026.0), (990.0, 1011.0)),
    ((1470.0, 1512.0), (1455.0, 1486.0)),
    ((1960.0, 1992.0), (1922.0, 1960.0)),
)
# Resolution in Hz at which the strength of lines is defined.
_LINE_WIDTH = 0.25
# Width in Hz of the main lobe of a Hann window of 2 s, as a standard deviation.
_BLUR = 0.45
# In Hz. Strain is not calibrated below, and filters could not resolve a wall that continued.
_FLAT_BELOW = 8.0
# A peak in real noise above this many times the floor counts as a line.
_LINE_HEIGHT = 4.0


class Noise(NamedTuple):
    """Noise and its densities in 1/Hz: with lines, without, and with the width of whitening."""

    strain: np.ndarray
    frequencies: np.ndarray
    psd: np.ndarray
    smooth: np.ndarray
    seen: np.ndarray


class NoiseModel:
    """Noise of a LIGO detector; ``background`` is the probability of weak glitches."""

    def __init__(
        self,
        sample_rate: float = 4096.0,
        duration: float = 8.0,
        psd: Psd = "random",
        *,
        lines: bool = True,
        wander: float = 0.3,
        background: float = 0.3,
    ) -> None:
        self.sample_rate = sample_rate
        self.duration = duration
        self.psd = psd
        self.lines = lines
        self.wander = wander
        self.background = background
        if isinstance(psd, str) and psd not in ("random", "observed", "aligo"):
            raise ValueError(f"psd={psd!r} is not one of 'random', 'observed', 'aligo'.")
        self.n_times = round(duration * sample_rate)
        self._size = next_fast_len(self.n_times + round(_MARGIN * sample_rate), real=True)
        self._frequencies = rfftfreq(self._size, 1 / sample_rate)

    def draw(self, rng: np.random.Generator) -> Noise:
        """Draw noise."""
        f = self._frequencies
        smooth = self._smooth_psd(rng)
        psd = add_lines(f, smooth, rng) if self.lines else smooth
        spectrum = rng.normal(size=(2, len(f)))
        # Half the one-sided density in the real and in the imaginary part; the mean is 0.
        spectrum *= np.sqrt(psd * (self.sample_rate * self._size / 4))
        spectrum[:, 0] = 0.0
        strain = self._drift(spectrum[0] + 1j * spectrum[1], rng)
        seen = smooth * gaussian_filter1d(psd / smooth, _BLUR / f[1]) if self.lines else smooth
        return Noise(strain, f, psd, smooth, seen)

    def _smooth_psd(self, rng: np.random.Generator) -> np.ndarray:
        f = self._frequencies
        if callable(self.psd):
            return np.asarray(self.psd(f), dtype=float)
        if not isinstance(self.psd, str):
            return np.interp(f, *self.psd)
        # Curves are smooth, so few points are enough.
        knots = np.geomspace(4.0, f[-1], 400)
        if self.psd == "aligo" or (self.psd == "random" and rng.random() < 0.08):
            values = design_psd(knots)
        else:
            values = observed_psd(knots, rng)
        return np.exp(np.interp(f, knots, np.log(values)))

    def _drift(self, spectrum: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Convert to the time domain; low and high frequencies drift independently."""
        start = (self._size - self.n_times) // 2
        kept = slice(start, start + self.n_times)
        if self.wander == 0:
            return irfft(spectrum, self._size)[kept]
        corner = rng.uniform(30.0, 150.0)
        low = spectrum / (1.0 + (self._frequencies / corner) ** 4)
        depth = self.wander * rng.random() ** 2
        levels = [wandering(rng, self.n_times, self.duration, rng.uniform(0.7, 4.0)) for _ in "lh"]
        parts = irfft(np.stack([low, spectrum - low]), self._size)[:, kept]
        return parts[0] * np.exp(depth * levels[0]) + parts[1] * np.exp(depth / 4 * levels[1])


def wandering(
    rng: np.random.Generator, n_times: int, duration: float, timescale: float
) -> np.ndarray:
    """Draw a smooth curve with values of order 1, which varies over ``timescale`` s."""
    n_knots = max(4, int(np.ceil(duration / timescale)) + 3)
    knots = rng.normal(size=n_knots)
    at = np.linspace(1.0, n_knots - 2.0, n_times, endpoint=False)
    left = at.astype(int)
    mix = at - left
    mix = mix * mix * (3.0 - 2.0 * mix)
    return knots[left] * (1.0 - mix) + knots[left + 1] * mix


def add_lines(f: np.ndarray, psd: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add mains, calibration lines, violin modes and a few more to a density (arXiv:1801.07204)."""
    out = psd.copy()
    site = rng.integers(2)

    def line(frequency: float, low: float, high: float, width: float = 0.02) -> None:
        power = log_uniform(rng, low, high) ** 2 * _LINE_WIDTH * np.interp(frequency, f, psd)
        _add_line(out, f, frequency, power, width)

    mains = 60.0 + rng.normal(0.0, 0.01)
    line(mains, 5.0, 80.0)
    for harmonic in range(2, 9):
        if rng.random() < 0.35:
            line(harmonic * mains, 1.5, 20.0 / harmonic + 1.5)
    if rng.random() < 0.8:
        line(rng.uniform(34.5, 37.5), 10.0, 150.0)
        line(331.9 + rng.uniform(-1.0, 1.0), 10.0, 100.0)
    for order, intervals in enumerate(VIOLINS):
        low, high = intervals[site]
        for _ in range(rng.integers(2, 7)):
            line(rng.uniform(low, high), 3.0, 300.0 / (1 + order), 0.04)
    for _ in range(rng.integers(0, 5)):
        line(log_uniform(rng, 12.0, 1500.0), 1.5, 12.0, 0.05)
    return out


def _add_line(out: np.ndarray, f: np.ndarray, frequency: float, power: float, width: float) -> None:
    """Spread the power of a line over a Lorentzian around its frequency."""
    step = f[1]
    center = round(frequency / step)
    reach = max(2, round(1.0 / step))
    near = slice(max(center - reach, 0), min(center + reach + 1, len(f)))
    if near.start >= near.stop:
        return
    # At least half a bin wide, as a line between two bins would vanish.
    scale = max(width, step / 2)
    shape = 1.0 / (1.0 + ((f[near] - frequency) / scale) ** 2)
    out[near] += power / step * shape / shape.sum()


def measured_noise(strain: np.ndarray, sample_rate: float) -> Noise:
    """Measure the density of real noise, smoothed over 8 Hz except for lines."""
    strain = np.array(strain, dtype=float)
    f, psd = median_density(strain, sample_rate)
    psd[0] = psd[1]
    smooth = median_filter(psd, max(3, round(8.0 / f[1])), mode="nearest")
    # A median over 8 Hz would flatten the seismic wall.
    smooth = np.where(f < 40.0, median_filter(psd, 3, mode="nearest"), smooth)
    # Except for lines, smoothed, as the inverse of a noisy density is too large on average.
    psd = np.where(psd > _LINE_HEIGHT * smooth, psd, smooth)
    return Noise(strain, f, psd, smooth, psd)


def median_density(strain: np.ndarray, sample_rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz and density in 1/Hz, the median over Fourier transforms of 2 s."""
    size = min(len(strain), round(2 * sample_rate))
    f, psd = welch(strain, sample_rate, nperseg=size, average="median")
    return f, np.maximum(psd, psd.max() * 1e-30)


def design_psd(frequencies: np.ndarray) -> np.ndarray:
    """One-sided density in 1/Hz of Advanced LIGO at design (arXiv:1107.1267), with a wall."""
    f = np.maximum(np.asarray(frequencies, dtype=float), _FLAT_BELOW)
    x = f / 245.4
    fit = 0.0152 * x**-4 + 0.2935 * x**2.25 + 2.7951 * x**1.5 - 6.5080 * x**0.75 + 17.7622
    return 1e-48 * (fit + 1.0e3 * (12.0 / f) ** 14)


def observed_psd(frequencies: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw a one-sided density in 1/Hz like those of O1 to O3 (arXiv:1604.00439, 2008.01301)."""
    f = np.maximum(np.asarray(frequencies, dtype=float), _FLAT_BELOW)
    floor = log_uniform(rng, 3.5e-24, 9e-24)
    pole = rng.uniform(320.0, 650.0)
    shot = 1.0 + (f / pole) ** 2
    excess = rng.uniform(0.1, 1.2) * (100.0 / f) ** rng.uniform(2.0, 4.0)
    wall = (log_uniform(rng, 24.0, 42.0) / f) ** rng.uniform(10.0, 14.0)
    tilt = (f / 150.0) ** rng.normal(0.0, 0.1)
    return floor**2 * (shot + excess + wall) * tilt
