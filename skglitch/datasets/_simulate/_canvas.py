"""Whitened strain to draw glitches on, and the registry of functions that draw them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft, rfftfreq

# Pulses are computed in a window of this many s.
_PULSE = 1.0
# Highest frequencies, as a fraction of the Nyquist frequency, and that of pictures in Hz.
_TOP, _HIGHEST = 0.95, 2048.0
# Durations of tiles in s, and the largest number of cycles in a tile.
_TILES = tuple(2.0**-i for i in range(9))
_MOST_CYCLES = 36

# A function of frequency in Hz.
Response = Callable[[np.ndarray], np.ndarray]


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Draw a number from a log-uniform distribution."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def power_law(rng: np.random.Generator, low: float, high: float, slope: float) -> float:
    """Draw a number from a power law x**-slope between two bounds; slope 1 is not allowed."""
    a, b = low ** (1 - slope), high ** (1 - slope)
    return float((a + rng.random() * (b - a)) ** (1 / (1 - slope)))


def random_phase(rng: np.random.Generator) -> float:
    """Draw a phase."""
    return float(rng.uniform(0, 2 * np.pi))


def train(rng: np.random.Generator, spacing: float, reach: float, unsteady: float) -> np.ndarray:
    """Draw times of a series around 0, which it contains, with intervals of ``spacing`` s."""
    n = max(1, round(reach / spacing))
    times = np.arange(-n, n + 1) * spacing
    times += rng.normal(0, unsteady * spacing, len(times))
    times[n] = 0.0
    return times


class Tile(NamedTuple):
    """Loudest tile of a waveform: time (s) and frequency (Hz) of its middle, and its SNR."""

    time: float
    frequency: float
    snr: float


class Canvas:
    """Whitened strain of unit noise, where amplitudes are SNRs, with time 0 in its middle."""

    def __init__(
        self,
        sample_rate: float,
        duration: float,
        asd: Response,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.sample_rate = sample_rate
        self.duration = duration
        self.top = min(_TOP * sample_rate / 2, _HIGHEST)
        self._asd = asd
        self._rng = rng
        self._knots = np.arange(0.0, sample_rate / 2, 0.5)
        self._at_knots = asd(np.array([100.0])) / asd(self._knots)
        n = round(duration * sample_rate)
        self.values = np.zeros(n)
        self._start = -(n // 2) / sample_rate

    def phase(self) -> float:
        """Draw a phase."""
        return 0.0 if self._rng is None else random_phase(self._rng)

    def times(self, start: float, stop: float) -> tuple[slice, np.ndarray]:
        """Part of the canvas between two times, and the times of its samples."""
        first, last = (round((t - self._start) * self.sample_rate) for t in (start, stop))
        part = slice(max(first, 0), max(0, min(last, len(self.values))))
        return part, self._start + np.arange(part.start, part.stop) / self.sample_rate

    def sensitivity(self, frequencies: np.ndarray) -> np.ndarray:
        """Whitened amplitude of strain of unit amplitude, relative to that at 100 Hz."""
        if len(frequencies) > len(self._knots):
            # Along a track, interpolation is faster.
            return np.interp(frequencies, self._knots, self._at_knots)
        return self._asd(np.array([100.0])) / self._asd(frequencies)

    def add(self, part: slice, values: np.ndarray, snr: float | None = None) -> None:
        """Add a waveform, scaled to a signal-to-noise ratio if given."""
        if snr is not None:
            norm = np.sqrt(np.dot(values, values))
            values = values * (snr / norm if norm > 0 else 0.0)
        self.values[part] += values

    def burst(
        self,
        time: float,
        frequency: float,
        sigma: float,
        snr: float,
        *,
        phase: float | None = None,
        sweep: float = 0.0,
        decay: float | None = None,
    ) -> None:
        """Add a sinusoid with a sweep (Hz/s) in a Gaussian envelope, which may ``decay`` (s)."""
        phase = self.phase() if phase is None else phase
        after = 4 * sigma if decay is None else 7 * decay
        part, t = self.times(time - 4 * sigma, time + after)
        t = t - time
        envelope = np.exp(-0.5 * (t / sigma) ** 2)
        if decay is not None:
            envelope = np.where(t < 0, envelope, np.exp(-np.maximum(t, 0) / decay))
        wave = np.cos(2 * np.pi * (frequency + 0.5 * sweep * t) * t + phase)
        self.add(part, envelope * wave, snr)

    def pulse(
        self, time: float, f0: float, gbw: float, snr: float, phase: float | None = None
    ) -> None:
        """Add a pulse, in strain exp(-gbw / 2 ln(f / f0)^2) (arXiv:2309.06594)."""
        phase = self.phase() if phase is None else phase
        size = next_fast_len(round(_PULSE * self.sample_rate), real=True)
        f = rfftfreq(size, 1 / self.sample_rate)[1:]
        amplitude = np.zeros(size // 2 + 1)
        # Pictures start at 10 Hz, and below it whitening has no seismic wall left.
        high_pass = 1.0 / (1.0 + (9.0 / f) ** 8)
        amplitude[1:] = np.exp(-0.5 * gbw * np.log(f / f0) ** 2) * self.sensitivity(f) * high_pass
        amplitude[1:][f > self.top] = 0.0
        wave = np.roll(irfft(amplitude * np.exp(1j * phase), size), size // 2)
        half = size // 2
        first = round((time - self._start) * self.sample_rate) - half
        lo, hi = max(0, -first), min(size, len(self.values) - first)
        if lo < hi:
            self.add(slice(first + lo, first + hi), wave[lo:hi], snr)

    def track(
        self,
        part: slice,
        frequency: np.ndarray,
        amplitude: np.ndarray,
        snr: float | None = None,
        *,
        phase: float | None = None,
        strain: bool = False,
    ) -> None:
        """Add a sinusoid of a frequency in Hz and amplitude, of whitened strain or of strain."""
        phase = self.phase() if phase is None else phase
        angle = 2 * np.pi / self.sample_rate * np.cumsum(frequency) + phase
        absolute = np.abs(frequency)
        amplitude = np.where(absolute < self.top, amplitude, 0.0)
        if strain:
            amplitude = amplitude * self.sensitivity(absolute)
        self.add(part, amplitude * np.cos(angle), snr)

    def loudest(self, reach: float, response: Response | None = None) -> Tile:
        """Find the loudest tile of Q 4 to 64 near the middle, if whitening leaves ``response``."""
        part, times = self.times(-reach, reach)
        values = self.values
        if response is not None:
            f = rfftfreq(len(values), 1 / self.sample_rate)
            values = irfft(rfft(values) * response(f), len(values))
        values = values[part]
        best = Tile(0.0, 0.0, -1.0)
        for duration in _TILES:
            size = round(duration * self.sample_rate)
            step = max(1, size // 4)
            frames = np.lib.stride_tricks.sliding_window_view(values, size)[::step]
            window = np.hanning(size)
            spectra = rfft(frames * (window / np.sqrt(np.dot(window, window))))
            # 2 to 36 cycles in a Hann window are about a Q of 4 to 64.
            spectra = spectra[:, : _MOST_CYCLES + 1]
            power = spectra.real**2 + spectra.imag**2
            power[:, :2] = 0.0
            row, column = divmod(int(power.argmax()), power.shape[1])
            snr = float(np.sqrt(2 * power[row, column]))
            if snr > best.snr:
                time = float(times[row * step]) + duration / 2
                best = Tile(time, column * self.sample_rate / size, snr)
        return best

    def strain(self, center: float, n_times: int) -> np.ndarray:
        """Color the canvas around ``center`` (s) with the density of the noise."""
        first = round((center - self._start) * self.sample_rate) - n_times // 2
        first = min(max(first, 0), len(self.values) - n_times)
        spectrum = rfft(self.values[first : first + n_times])
        f = rfftfreq(n_times, 1 / self.sample_rate)
        return irfft(spectrum * self._asd(f) * np.sqrt(self.sample_rate / 2), n_times)


Draw = Callable[[np.random.Generator, Canvas], dict[str, float]]


class Recipe(NamedTuple):
    """How a class is drawn: its power law of SNRs (low, high, slope), jitter in s, peak in Hz."""

    draw: Draw
    snr: tuple[float, float, float]
    centered: bool
    jitter: float
    peak: tuple[float, float]


RECIPES: dict[str, Recipe] = {}


def draws(
    label: str,
    *,
    snr: tuple[float, float, float],
    centered: bool = True,
    jitter: float = 0.005,
    peak: tuple[float, float] = (0.0, float("inf")),
) -> Callable[[Draw], Draw]:
    """Register a function as the one that draws a class."""

    def register(draw: Draw) -> Draw:
        RECIPES[label] = Recipe(draw, snr, centered, jitter, peak)
        return draw

    return register
