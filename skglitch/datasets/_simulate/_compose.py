"""Simulated glitches in noise."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.fft import rfft, rfftfreq

from . import _bursts, _pulses, _scattering, _tracks  # noqa: F401  they register classes
from ._canvas import RECIPES, Canvas, Response, power_law, random_phase
from ._noise import Noise, NoiseModel, measured_noise, median_density

# Largest time in s of the loudest tile from the middle of the canvas.
_REACH = 2.0
# Signal-to-noise ratios are those above this frequency in Hz.
_LOWEST = 10.0
# A glitch is drawn again if its loudest tile is not typical of the class, or if whitening hides it,
# at most this many times, as some noise allows no typical frequency. Then the last one is used.
_MOST_DRAWS = 30
# Signal-to-noise ratio that a search requires, and the one of the loudest tile after whitening by
# the strain's own density below which a picture shows almost nothing.
_THRESHOLD = 7.5
_SEEN = 5.5


class Simulated(NamedTuple):
    """Noise with a glitch, the glitch alone, and its parameters."""

    strain: np.ndarray
    signal: np.ndarray
    parameters: dict[str, float]


def simulate_glitch(
    label: str,
    rng: np.random.Generator,
    *,
    sample_rate: float = 4096.0,
    duration: float = 8.0,
    noise: NoiseModel | np.ndarray | None = None,
    snr: float | None = None,
) -> Simulated:
    """Simulate strain around a glitch; ``snr`` is of a matched filter, else drawn for its tile."""
    recipe = RECIPES[label]
    model = NoiseModel(sample_rate, duration) if noise is None else noise
    if isinstance(model, NoiseModel):
        background = model.draw(rng)
    else:
        background = measured_noise(model, sample_rate)

    asd = _interpolated(background.frequencies, background.smooth)
    left = _interpolated(background.frequencies, background.smooth / background.seen)
    n_times = len(background.strain)
    for _ in range(_MOST_DRAWS):
        # On an empty canvas, then scaled, with the loudest tile in the middle.
        canvas = Canvas(sample_rate, duration + 2 * _REACH, asd, rng)
        parameters = recipe.draw(rng, canvas)
        tile = canvas.loudest(_REACH, left)
        center = (tile.time if recipe.centered else 0.0) + rng.normal(0.0, recipe.jitter)
        signal = canvas.strain(center, n_times)
        whole = optimal_snr(signal, sample_rate, background)
        if tile.snr <= 0 or whole == 0:
            signal, scale = np.zeros(n_times), 0.0
        else:
            target = power_law(rng, *recipe.snr)
            scale = target / tile.snr if snr is None else snr / whole
            # A short glitch that fits its tile must not fall below the threshold.
            if snr is None and target >= _THRESHOLD:
                scale = max(scale, _THRESHOLD / whole)
            signal *= scale
        strain, tile_snr = background.strain + signal, tile.snr * scale
        is_typical = recipe.peak[0] <= tile.frequency <= recipe.peak[1]
        if is_typical and (tile_snr < _THRESHOLD or _is_seen(strain, canvas, scale, background)):
            break
    parameters |= {"snr": whole * scale, "tile_snr": tile_snr, "peak_frequency": tile.frequency}
    if isinstance(model, NoiseModel) and rng.random() < model.background:
        strain += _weak_glitches(rng, Canvas(sample_rate, duration, asd), tile_snr)
    return Simulated(strain, signal, parameters)


def _interpolated(frequencies: np.ndarray, power: np.ndarray) -> Response:
    """Return the amplitude spectral density as a function of frequency."""
    logarithm = 0.5 * np.log(power)
    return lambda f: np.exp(np.interp(f, frequencies, logarithm))


def _is_seen(strain: np.ndarray, canvas: Canvas, scale: float, background: Noise) -> bool:
    """Whether a glitch is still visible after whitening by its own density."""
    f, density = median_density(strain, canvas.sample_rate)
    left = _interpolated(f, np.interp(f, background.frequencies, background.smooth) / density)
    return scale * canvas.loudest(_REACH, left).snr >= _SEEN


def optimal_snr(signal: np.ndarray, sample_rate: float, noise: Noise) -> float:
    """Optimal matched-filter signal-to-noise ratio above 10 Hz."""
    f = rfftfreq(len(signal), 1 / sample_rate)
    spectrum = rfft(signal) / sample_rate
    power = spectrum.real**2 + spectrum.imag**2
    weight = 1.0 / np.interp(f, noise.frequencies, noise.psd)
    weight[f < _LOWEST] = 0.0
    return float(np.sqrt(4 * np.dot(power, weight) * f[1]))


def _weak_glitches(rng: np.random.Generator, canvas: Canvas, limit: float) -> np.ndarray:
    """Draw weak glitches nearby, none louder than the glitch, which determines the class."""
    loudest = float(np.clip(limit, 4.5, 15.0))
    for _ in range(rng.integers(1, 4)):
        time = rng.choice([-1, 1]) * rng.uniform(0.3, canvas.duration / 2)
        size = power_law(rng, 4.0, loudest, 2.5)
        phase = random_phase(rng)
        if rng.random() < 0.7:
            canvas.burst(time, rng.uniform(10, 28), rng.uniform(0.03, 0.15), size, phase=phase)
        else:
            time = np.sign(time) * max(0.6, abs(time))
            canvas.pulse(time, rng.uniform(20, 200), rng.uniform(0.5, 3.0), size, phase)
    return canvas.strain(0.0, len(canvas.values))
