"""Narrow bands: compressors, mains, low-frequency lines, wandering lines."""

from __future__ import annotations

import numpy as np

from ._canvas import Canvas
from ._noise import wandering
from ._registry import draws, log_uniform


@draws("Air_Compressor", snr=(7.5, 60.0, 2.2), jitter=0.05)
def _air_compressor(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw a bar near 50 Hz for half a second to a few seconds, while a motor runs or starts."""
    frequency = rng.normal(50.0, 1.7)
    sigma = log_uniform(rng, 0.12, 1.0)
    sweep = rng.normal(0.0, 0.8)
    canvas.burst(0.0, frequency, sigma, 1.0, sweep=sweep)
    if rng.random() < 0.3:
        time, center = rng.normal(0, sigma), frequency + rng.normal(0, 3)
        canvas.burst(time, center, sigma * rng.uniform(0.3, 1.0), rng.uniform(0.2, 0.5))
    return {"frequency": frequency, "duration": 2 * sigma}


@draws("Power_Line", snr=(7.5, 40.0, 2.8), jitter=0.01)
def _power_line(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw a burst of 0.2 to 0.5 s at 60 Hz, the mains frequency, sometimes with harmonics."""
    frequency = rng.normal(60.5, 1.2)
    sigma = log_uniform(rng, 0.025, 0.16)
    canvas.burst(0.0, frequency, sigma, 1.0)
    for harmonic in (2, 3, 5):
        if rng.random() < 0.2:
            time, width = rng.normal(0, 0.01), sigma * rng.uniform(0.4, 1.0)
            canvas.burst(time, harmonic * frequency, width, rng.uniform(0.2, 0.6))
    if rng.random() < 0.15:
        time = rng.choice([-1, 1]) * rng.uniform(0.4, 1.9)
        canvas.burst(time, frequency, sigma, rng.uniform(0.4, 0.9))
    return {"frequency": frequency, "duration": 4 * sigma}


@draws("Low_Frequency_Lines", snr=(7.5, 50.0, 2.4), jitter=0.2)
def _low_frequency_lines(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw horizontal lines at 10 to 20 Hz, rarely higher, for seconds."""
    frequency = log_uniform(rng, 10.5, 21.0)
    sigma = log_uniform(rng, 0.7, 4.0)
    for i in range(rng.integers(1, 4)):
        _unsteady_line(
            rng,
            canvas,
            frequency if i == 0 else log_uniform(rng, 10.5, 28.0),
            0.0 if i == 0 else rng.normal(0, 0.5),
            sigma * rng.uniform(0.7, 1.3),
            1.0 if i == 0 else rng.uniform(0.2, 0.7),
        )
    return {"frequency": frequency, "duration": 2 * sigma}


def _unsteady_line(
    rng: np.random.Generator,
    canvas: Canvas,
    frequency: float,
    time: float,
    sigma: float,
    snr: float,
) -> None:
    """Add a line that swells and fades, and shifts by a fraction of a Hz."""
    part, t = canvas.times(time - 3 * sigma, time + 3 * sigma)
    duration = canvas.duration
    level = np.exp(
        0.5 * wandering(rng, len(t), duration, rng.uniform(0.3, 1.5))
        - 0.5 * ((t - time) / sigma) ** 2
    )
    shift = rng.uniform(0.0, 0.5) * wandering(rng, len(t), duration, rng.uniform(0.5, 2.0))
    canvas.track(part, frequency + shift, level, snr)


@draws("Wandering_Line", snr=(7.5, 25.0, 3.0), jitter=0.05)
def _wandering_line(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw a thin line whose frequency varies by a few to tens of percent within seconds."""
    frequency = log_uniform(rng, 60.0, min(1700.0, 0.8 * canvas.top))
    depth = log_uniform(rng, 0.03, 0.35)
    reach = min(canvas.duration / 2, log_uniform(rng, 1.2, 6.0))
    part, t = canvas.times(-reach, reach)
    path = wandering(rng, len(t), 2 * reach, rng.uniform(0.25, 1.6))
    path += rng.normal(0, 0.4) * t / reach
    level = np.exp(rng.uniform(0.1, 0.6) * wandering(rng, len(t), 2 * reach, 0.4))
    level *= np.clip((reach - np.abs(t)) / 0.3, 0, 1)
    track = frequency * np.exp(depth * path)
    canvas.track(part, track, level, 1.0)
    if rng.random() < 0.25:
        canvas.track(part, 2 * track, level, rng.uniform(0.2, 0.6))
    return {"frequency": frequency, "depth": depth, "duration": 2 * reach}
