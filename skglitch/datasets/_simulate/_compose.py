"""A glitch in noise: draw, scale, add."""

from __future__ import annotations

import difflib
from typing import NamedTuple

import numpy as np
from scipy.fft import rfft, rfftfreq

from . import _bursts, _lines, _pulses, _scattering, _tracks  # noqa: F401  they register classes
from ._canvas import Canvas, Response
from ._noise import Noise, NoiseModel, measured_noise, median_density
from ._registry import RECIPES, Recipe, power_law

# In s: how far from the middle of the canvas the loudest tile may be.
_REACH = 2.0
# In Hz: signal-to-noise ratios are those of what is above.
LOWEST = 10.0
# Noise may leave no frequency that a class should peak at, or take all lines that are drawn for
# its own; then the last draw is taken.
_MOST_DRAWS = 30
# Signal-to-noise ratio that a search asks for, and that of the loudest tile once strain is
# whitened by its own density, below which a picture shows next to nothing.
_THRESHOLD = 7.5
_SEEN = 6.0


class Simulated(NamedTuple):
    """A simulated glitch.

    Attributes
    ----------
    strain : ndarray of shape (n_times,), dtype float64
        Noise with the glitch; the trigger is in the middle.
    signal : ndarray of shape (n_times,), dtype float64
        The glitch alone.
    parameters : dict
        ``snr`` (optimal matched filter), ``tile_snr`` (about what a search for excess power
        would report), ``peak_frequency`` (Hz, of the loudest tile) and those of the class.
    """

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
    """Simulate the strain around one glitch.

    Parameters
    ----------
    label : str
        One of ``CLASS_NAMES``.
    rng : numpy.random.Generator
        All that is random comes from it.
    sample_rate : float, default=4096.0
        In Hz.
    duration : float, default=8.0
        In s.
    noise : NoiseModel or ndarray of shape (n_times,), default=None
        What the glitch is added to: a model, or real noise, whose density is then measured. None
        is a model with its defaults.
    snr : float, default=None
        Optimal signal-to-noise ratio. None draws that of the loudest tile from a power law
        between 7.5 (the threshold of Gravity Spy) and what is usual for the class.

    Returns
    -------
    simulated : Simulated

    Raises
    ------
    ValueError
        If there is no such class, or the noise is of another duration.
    """
    if label not in RECIPES:
        raise ValueError(_unknown(label))
    recipe = RECIPES[label]
    n_times = round(duration * sample_rate)
    background = _background(noise, rng, sample_rate, duration, n_times)

    asd = _interpolated(background.frequencies, background.smooth)
    left = _interpolated(background.frequencies, background.smooth / background.seen)
    for _ in range(_MOST_DRAWS):
        canvas = Canvas(sample_rate, duration + 2 * _REACH, asd)
        glitch = _draw(recipe, rng, canvas, left, background, snr)
        if glitch.is_typical and _is_seen(glitch, background):
            break
    strain = background.strain + glitch.signal
    if isinstance(noise, NoiseModel | None):
        model = NoiseModel(sample_rate, duration) if noise is None else noise
        if rng.random() < model.background:
            limit = glitch.parameters["tile_snr"]
            strain += _small_glitches(rng, sample_rate, duration, n_times, asd, limit)
    return Simulated(strain, glitch.signal, glitch.parameters)


class _Drawn(NamedTuple):
    """A glitch before it meets the noise, as loud as it will be there."""

    canvas: Canvas
    scale: float
    signal: np.ndarray
    parameters: dict[str, float]
    is_typical: bool


def _draw(
    recipe: Recipe,
    rng: np.random.Generator,
    canvas: Canvas,
    left: Response,
    background: Noise,
    snr: float | None,
) -> _Drawn:
    """Draw on an empty canvas, scale, and bring the loudest tile to the middle."""
    n_times = len(background.strain)
    parameters = recipe.draw(rng, canvas)
    tile = canvas.loudest(_REACH, left)
    center = (tile.time if recipe.centered else 0.0) + rng.normal(0.0, recipe.jitter)
    signal = canvas.strain(center, n_times)
    whole = optimal_snr(signal, canvas.sample_rate, background)
    if tile.snr <= 0 or whole == 0:
        signal, scale = np.zeros(n_times), 0.0
    else:
        target = power_law(rng, *recipe.snr)
        scale = target / tile.snr if snr is None else snr / whole
        # A short glitch in its own tile must not fall below the threshold.
        if snr is None and target >= _THRESHOLD:
            scale = max(scale, _THRESHOLD / whole)
        signal *= scale
    parameters |= {
        "snr": whole * scale,
        "tile_snr": tile.snr * scale,
        "peak_frequency": tile.frequency,
    }
    is_typical = recipe.peak[0] <= tile.frequency <= recipe.peak[1]
    return _Drawn(canvas, scale, signal, parameters, is_typical)


def _interpolated(frequencies: np.ndarray, power: np.ndarray) -> Response:
    """Root of a density as a function of frequency."""
    logarithm = 0.5 * np.log(power)
    return lambda f: np.exp(np.interp(f, frequencies, logarithm))


def _is_seen(glitch: _Drawn, background: Noise) -> bool:
    """Whether whitening leaves it in the picture, if it is above the threshold at all.

    Strain is whitened by its own density: a line that lasts for half of it is taken for noise.
    No search would find it, and nobody would name what is not there.
    """
    if glitch.parameters["tile_snr"] < _THRESHOLD:
        return True
    f, density = median_density(background.strain + glitch.signal, glitch.canvas.sample_rate)
    left = _interpolated(f, np.interp(f, background.frequencies, background.smooth) / density)
    return glitch.scale * glitch.canvas.loudest(_REACH, left).snr >= _SEEN


def optimal_snr(signal: np.ndarray, sample_rate: float, noise: Noise) -> float:
    """Optimal matched-filter signal-to-noise ratio above 10 Hz.

    Parameters
    ----------
    signal : ndarray of shape (n_times,)
    sample_rate : float
        In Hz.
    noise : Noise

    Returns
    -------
    snr : float
        Square root of four times the integral of the power over the one-sided density.
    """
    f = rfftfreq(len(signal), 1 / sample_rate)
    spectrum = rfft(signal) / sample_rate
    power = spectrum.real**2 + spectrum.imag**2
    weight = 1.0 / np.interp(f, noise.frequencies, noise.psd)
    weight[f < LOWEST] = 0.0
    return float(np.sqrt(4 * np.dot(power, weight) * f[1]))


def _background(
    noise: NoiseModel | np.ndarray | None,
    rng: np.random.Generator,
    sample_rate: float,
    duration: float,
    n_times: int,
) -> Noise:
    if noise is None:
        noise = NoiseModel(sample_rate, duration)
    if isinstance(noise, NoiseModel):
        if (noise.sample_rate, noise.n_times) != (sample_rate, n_times):
            raise ValueError(
                f"noise is a model of {noise.duration} s at {noise.sample_rate} Hz, not of "
                f"{duration} s at {sample_rate} Hz."
            )
        return noise.draw(rng)
    noise = np.asarray(noise)
    if noise.shape != (n_times,):
        raise ValueError(
            f"noise has shape {noise.shape}, but {duration} s at {sample_rate} Hz are {(n_times,)}."
        )
    if not np.isfinite(noise).all():
        raise ValueError("noise has values that are not finite.")
    return measured_noise(noise, sample_rate)


def _small_glitches(
    rng: np.random.Generator,
    sample_rate: float,
    duration: float,
    n_times: int,
    asd: Response,
    limit: float,
) -> np.ndarray:
    """Weak neighbors, as real stretches have: at the bottom of the picture, or blips.

    Were one louder than the glitch (``limit``), the picture would have its name.
    """
    loudest = float(np.clip(limit, 4.5, 15.0))
    canvas = Canvas(sample_rate, duration, asd)
    for _ in range(rng.integers(1, 4)):
        time = rng.choice([-1, 1]) * rng.uniform(0.3, duration / 2)
        size = power_law(rng, 4.0, loudest, 2.5)
        phase = rng.uniform(0, 2 * np.pi)
        if rng.random() < 0.7:
            canvas.burst(time, rng.uniform(10, 28), rng.uniform(0.03, 0.15), size, phase=phase)
        else:
            time = np.sign(time) * max(0.6, abs(time))
            canvas.pulse(time, rng.uniform(20, 200), rng.uniform(0.5, 3.0), size, phase)
    return canvas.strain(0.0, n_times)


def _unknown(label: str) -> str:
    message = f"label={label!r} is not a class that can be simulated."
    close = difflib.get_close_matches(str(label), list(RECIPES), n=1, cutoff=0.5)
    if not close:
        lower = {name.lower(): name for name in RECIPES}
        found = difflib.get_close_matches(str(label).lower(), list(lower), n=1, cutoff=0.5)
        close = [lower[name] for name in found]
    return message + (f" Did you mean {close[0]!r}?" if close else "")
