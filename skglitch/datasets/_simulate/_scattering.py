"""Scattered light: fringes of a path that varies by many wavelengths."""

from __future__ import annotations

import numpy as np

from ._canvas import Canvas, draws, log_uniform, random_phase, train

WAVELENGTH = 1.064e-6
# Time in s on either side of the middle. No picture shows more.
_REACH = 4.5
# Lowest peak frequency in Hz of arches: the seismic wall hides lower ones.
_LOWEST_ARCH = (18.0, 40.0)
# Fade-in and fade-out in s.
_FADE = 0.3


def fringe_frequency(velocity: np.ndarray | float, bounces: int = 1) -> np.ndarray:
    """Frequency in Hz of light scattered by a surface with a velocity in m/s (CQG 27, 194011)."""
    return np.abs(2.0 * bounces * np.asarray(velocity) / WAVELENGTH)


def scatter(
    canvas: Canvas,
    part: slice,
    velocity: np.ndarray,
    amplitude: np.ndarray | float,
    *,
    bounces: int = 1,
) -> None:
    """Add the strain of scattered light: a sine of the path in wavelengths, of random phase."""
    cycles = 2.0 * bounces / WAVELENGTH * velocity
    ends = np.minimum(np.arange(len(velocity)), np.arange(len(velocity))[::-1])
    ends = np.minimum(ends / (_FADE * canvas.sample_rate), 1.0)
    canvas.track(part, cycles, amplitude * ends, strain=True)


@draws("Scattered_Light", snr=(7.5, 100.0, 2.4), jitter=0.03)
def _scattered_light(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw arches of a second below 100 Hz, often one above the other (arXiv:2007.14876)."""
    swing = log_uniform(rng, 0.12, 0.5)
    # Peak frequency of the arch of one round trip. If it is below the wall, higher ones show.
    top = log_uniform(rng, 6.0, 60.0)
    reach = min(canvas.duration / 2, _REACH)
    part, t = canvas.times(-reach, reach)
    # Fastest at t = 0: the arch is in the middle, with others half a period away.
    drive = log_uniform(rng, 0.03, 0.2)
    depth = rng.uniform(0.0, 0.8)
    level = 1.0 - depth * np.sin(np.pi * drive * (t + rng.normal(0, 0.2))) ** 2
    velocity = 0.5 * WAVELENGTH * top * level * np.cos(2 * np.pi * swing * t)
    # A second motion tilts the arch and makes neighboring arches unequal.
    other = rng.uniform(0.0, 0.35) * 0.5 * WAVELENGTH * top
    velocity += other * np.cos(2 * np.pi * log_uniform(rng, 0.05, 1.0) * t + random_phase(rng))
    # The amount of scattered light varies as the beam moves over the surface.
    width = rng.uniform(0.15, 0.6) / swing
    amplitude = np.exp(-0.5 * ((t - rng.normal(0, 0.1)) / width) ** 2)
    peak = float(fringe_frequency(np.abs(velocity).max()))
    first = max(1, round(log_uniform(rng, *_LOWEST_ARCH) / peak))
    n_arches = int(rng.choice([1, 2, 3, 5], p=[0.4, 0.35, 0.2, 0.05]))
    steep = rng.uniform(0.3, 2.5)
    for bounces in range(first, first + n_arches):
        # The brightness of an arch depends on the sensitivity at its peak frequency.
        seen = canvas.sensitivity(np.array([bounces * peak]))[0]
        size = (first / bounces) ** steep * np.exp(rng.normal(0, 0.3)) / seen
        scatter(canvas, part, velocity, size * amplitude, bounces=bounces)
    return {
        "swing_frequency": swing,
        "peak_arch_frequency": first * peak,
        "n_arches": float(n_arches),
        "duration": 0.5 / swing,
    }


@draws("Fast_Scattering", snr=(7.5, 60.0, 2.0), jitter=0.01)
def _fast_scattering(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw groups of short arches, 2 to 5 per second, below 100 Hz (arXiv:2103.12104)."""
    fast = rng.choice([rng.uniform(1.8, 2.4), rng.uniform(3.4, 4.4), rng.uniform(2.0, 5.5)])
    slow = rng.uniform(0.12, 0.35)
    top = log_uniform(rng, 24.0, 56.0) * (1.6 if rng.random() < 0.1 else 1.0)
    share = rng.uniform(0.1, 0.6)
    reach = min(canvas.duration / 2, _REACH)
    part, t = canvas.times(-reach, reach)
    group = 1.0 - rng.uniform(0.0, 0.7) * np.sin(np.pi * rng.uniform(0.1, 0.8) * t) ** 2
    velocity = (1 - share) * group * np.cos(2 * np.pi * fast * t)
    velocity += share * np.cos(2 * np.pi * slow * t + rng.normal(0, 0.4))
    velocity += rng.uniform(0.0, 0.15) * np.cos(
        2 * np.pi * rng.uniform(0.4, 1.3) * t + random_phase(rng)
    )
    velocity *= 0.5 * WAVELENGTH * top
    scatter(canvas, part, velocity, 1.0)
    for bounces, chance in ((2, 0.5), (3, 0.2)):
        if rng.random() < chance:
            size = log_uniform(rng, 0.05, 0.5)
            scatter(canvas, part, velocity, size, bounces=bounces)
    for _ in range(rng.integers(0, 4)):
        # Other spots move with the same ground at other amplitudes and fill the arches.
        scale = rng.uniform(0.5, 1.4)
        scatter(canvas, part, scale * velocity, rng.uniform(0.2, 1.0))
    return {"arch_rate": float(fast), "peak_arch_frequency": top, "swing_frequency": slow}


@draws("Paired_Doves", snr=(7.5, 150.0, 1.7), jitter=0.02)
def _paired_doves(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw alternating rising and falling chirps at 20 to 250 Hz (arXiv:1611.04596)."""
    period = log_uniform(rng, 0.35, 1.6)
    top = log_uniform(rng, 50.0, 220.0)
    bottom = log_uniform(rng, 12.0, 30.0)
    wings = period * np.array([rng.uniform(0.06, 0.35), rng.uniform(0.06, 0.35)])
    shapes = rng.uniform(0.7, 2.5, size=2)
    gap = wings.min() * rng.uniform(-0.7, 0.5)
    reach = canvas.duration / 2 if rng.random() < 0.7 else rng.uniform(1.2, 3.2) * period
    inward = rng.random() < 0.6
    weakest = rng.uniform(0.3, 0.9)
    for start in train(rng, period, reach, 0.08):
        size = 1.0 if start == 0 else rng.uniform(weakest, 1.0)
        for side, wing, shape in zip((-1, 1), wings, shapes, strict=True):
            time, snr = start + side * gap / 2, size * rng.uniform(0.5, 1.0)
            part, t = canvas.times(*sorted((time, time + side * wing)))
            if len(t) < 2:
                continue
            away = (np.abs(t - time) / wing).clip(0, 1)
            rise = (1 - away if inward else away) ** shape
            frequency = bottom * (top * np.exp(rng.normal(0, 0.1)) / bottom) ** rise
            canvas.track(part, frequency, np.sin(np.pi * away) ** 0.7, snr)
    return {"period": period, "top_frequency": top, "duration": float(wings.max())}
