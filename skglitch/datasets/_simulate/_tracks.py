"""Tracks and lines: whistles, chirps of compact binaries, and narrow bands."""

from __future__ import annotations

import numpy as np

from ._canvas import Canvas, draws, log_uniform, random_phase
from ._noise import wandering

# Solar mass in s.
_SUN = 4.925490947e-6


@draws("Whistle", snr=(7.5, 40.0, 4.5), jitter=0.01)
def _whistle(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw a V, U, W or arch: the beat |f1(t) - f2(t)| of radio frequencies (arXiv:1508.07316)."""
    reach = min(canvas.duration / 2, 4.0)
    part, t = canvas.times(-reach, reach)
    kind = rng.choice(["parabola", "line", "sine"], p=[0.4, 0.2, 0.4])
    if kind == "parabola":
        # Time in s in which the frequency rises by 1 kHz from the extremum.
        quick = log_uniform(rng, 0.04, 0.7)
        offset = rng.uniform(-500.0, 900.0) if rng.random() < 0.7 else rng.uniform(-2000.0, -500.0)
        difference = offset + 1000.0 * (t / quick) ** 2
    elif kind == "line":
        quick = log_uniform(rng, 0.03, 0.3)
        difference = 1000.0 * t / quick * (1.0 + rng.normal(0, 0.3) * t / quick)
    else:
        quick = log_uniform(rng, 0.2, 2.5)
        swing = log_uniform(rng, 300.0, 4000.0)
        offset = rng.uniform(-1.2, 1.2) * swing + rng.normal(0, 300.0)
        difference = offset + swing * np.cos(2 * np.pi * t / quick + random_phase(rng))
    slow = wandering(rng, len(t), 2 * reach, rng.uniform(0.3, 1.5))
    difference = difference * (1.0 + 0.05 * slow)
    frequency = np.abs(difference)
    if frequency.min() > 0.8 * canvas.top:
        # A whistle above the picture is moved into it.
        frequency = frequency - frequency.min() + rng.uniform(200.0, 1200.0)
    # Above a corner frequency, and weaker away from the middle.
    corner = log_uniform(rng, 60.0, 300.0)
    level = 1.0 / (1.0 + (corner / np.maximum(frequency, 1.0)) ** 4)
    level = level * (np.maximum(frequency, 1.0) / 500.0) ** rng.uniform(-0.8, 0.8)
    level *= np.exp(rng.uniform(0.1, 0.6) * wandering(rng, len(t), 2 * reach, 0.15))
    width = max(log_uniform(rng, 0.1, 2.0), 0.6 * quick)
    level *= np.exp(-0.5 * (t / width) ** 2)
    phase = random_phase(rng)
    canvas.track(part, frequency, level, 1.0, phase=phase)
    if rng.random() < 0.2:
        canvas.track(part, 2 * frequency, level, rng.uniform(0.1, 0.5), phase=2 * phase)
    return {"lowest_frequency": float(frequency.min()), "duration": quick}


@draws("Chirp", snr=(7.5, 60.0, 2.8), centered=False, jitter=0.015)
def _chirp(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw the chirp of a compact binary coalescence."""
    return _coalescence(rng, canvas, backwards=False)


@draws("Reverse_Chirp", snr=(7.5, 60.0, 2.8), centered=False, jitter=0.015)
def _reverse_chirp(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw a time-reversed chirp, the new class of George, Shen & Huerta (2017)."""
    return _coalescence(rng, canvas, backwards=True)


def _coalescence(rng: np.random.Generator, canvas: Canvas, *, backwards: bool) -> dict[str, float]:
    """Draw the inspiral, merger and ringdown of two masses, mostly black holes."""
    if rng.random() < 0.9:
        masses = log_uniform(rng, 10.0, 70.0), log_uniform(rng, 10.0, 70.0)
    else:
        masses = log_uniform(rng, 1.2, 4.0), log_uniform(rng, 1.2, 12.0)
    reach = min(canvas.duration / 2, 4.0)
    part, t = canvas.times(-reach, reach)
    frequency, level = chirp_track(t, *masses)
    canvas.track(part, frequency, level, 1.0, strain=True)
    if backwards:
        canvas.values = canvas.values[::-1].copy()
    return {"mass_1": max(masses), "mass_2": min(masses)}


def chirp_track(t: np.ndarray, mass_1: float, mass_2: float) -> tuple[np.ndarray, np.ndarray]:
    """Frequency in Hz and relative amplitude of a merger at time 0, of redshifted solar masses."""
    total = (mass_1 + mass_2) * _SUN
    eta = mass_1 * mass_2 / (mass_1 + mass_2) ** 2
    # Frequency of the remnant of two equal masses without spin.
    ring = 0.085 / total
    decay = 1.0 / (2 * np.pi * ring) * 2 * 3.2
    end = 0.6 * ring
    grid = np.geomspace(1e-1 * total, 200.0, 4000)
    theta = (eta * grid / (5 * total)) ** -0.125
    # TaylorT3 to second order (arXiv:0907.0700).
    series = (
        1.0
        + (743 / 2688 + 11 / 32 * eta) * theta**2
        - 3 * np.pi / 10 * theta**3
        + (1855099 / 14450688 + 56975 / 258048 * eta + 371 / 2048 * eta**2) * theta**4
    )
    inspiral = theta**3 / (8 * np.pi * total) * series
    # The series turns over close to the merger: only its rising part is used.
    good = np.maximum.accumulate(inspiral[::-1])[::-1]
    last = int(np.searchsorted(-good, -end))
    before = np.maximum(-t, 0.0) + grid[min(last, len(grid) - 1)]
    frequency = np.interp(before, grid, good).clip(1.0, end)
    after = np.maximum(t, 0.0)
    frequency = np.where(t < 0, frequency, ring - (ring - end) * np.exp(-after / (0.3 * decay)))
    amplitude = (frequency / end) ** (2 / 3) * np.where(t < 0, 1.0, np.exp(-after / decay))
    amplitude = np.where(frequency > 10.0, amplitude, 0.0)
    return frequency, amplitude


@draws("Air_Compressor", snr=(7.5, 40.0, 5.0), jitter=0.05)
def _air_compressor(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw a bar near 50 Hz for a tenth of a second to a few seconds, while a motor runs."""
    frequency = rng.normal(48.5, 2.0)
    sigma = log_uniform(rng, 0.06, 0.8)
    part, t = canvas.times(-4 * sigma, 4 * sigma)
    # The speed of the motor varies.
    bend = rng.uniform(0.0, 0.05) * wandering(rng, len(t), 8 * sigma, rng.uniform(0.5, 2) * sigma)
    level = np.exp(-0.5 * (t / sigma) ** 2)
    canvas.track(part, frequency * (1 + bend), level, 1.0)
    if rng.random() < 0.3:
        time, center = rng.normal(0, sigma), frequency + rng.normal(0, 3)
        canvas.burst(time, center, sigma * rng.uniform(0.3, 1.0), rng.uniform(0.2, 0.5))
    return {"frequency": frequency, "duration": 2 * sigma}


@draws("Power_Line", snr=(7.5, 60.0, 3.3), jitter=0.01)
def _power_line(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw a burst of 0.2 to 0.5 s at 60 Hz, the mains frequency, sometimes with harmonics."""
    frequency = rng.normal(60.3, 1.0)
    sigma = log_uniform(rng, 0.025, 0.25)
    canvas.burst(0.0, frequency, sigma, 1.0)
    for harmonic in (2, 3, 5):
        if rng.random() < 0.2:
            time, width = rng.normal(0, 0.01), sigma * rng.uniform(0.4, 1.0)
            canvas.burst(time, harmonic * frequency, width, rng.uniform(0.2, 0.6))
    if rng.random() < 0.15:
        time = rng.choice([-1, 1]) * rng.uniform(0.4, 1.9)
        canvas.burst(time, frequency, sigma, rng.uniform(0.4, 0.9))
    return {"frequency": frequency, "duration": 4 * sigma}


@draws("Low_Frequency_Lines", snr=(7.5, 200.0, 2.2), jitter=0.3)
def _low_frequency_lines(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw horizontal lines at 10 to 20 Hz, rarely higher, for seconds."""
    frequency = log_uniform(rng, 10.0, 20.0)
    sigma = log_uniform(rng, 0.4, 4.0)
    for i in range(rng.choice([1, 1, 2, 3])):
        center = frequency if i == 0 else log_uniform(rng, 10.5, 28.0)
        time = 0.0 if i == 0 else rng.normal(0, 0.5)
        width = sigma * rng.uniform(0.7, 1.3)
        size = 1.0 if i == 0 else rng.uniform(0.2, 0.7)
        # Lines vary in amplitude, and by a fraction of a Hz in frequency.
        part, t = canvas.times(time - 3 * width, time + 3 * width)
        swell = 0.5 * wandering(rng, len(t), canvas.duration, rng.uniform(0.3, 1.5))
        level = np.exp(swell - 0.5 * ((t - time) / width) ** 2)
        depth = rng.uniform(0.0, 0.5)
        shift = depth * wandering(rng, len(t), canvas.duration, rng.uniform(0.5, 2.0))
        canvas.track(part, center + shift, level, size)
    return {"frequency": frequency, "duration": 2 * sigma}


@draws("Wandering_Line", snr=(7.5, 200.0, 2.0), jitter=0.05)
def _wandering_line(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw a thin line, often with harmonics, that wanders, ramps or jumps within seconds."""
    frequency = log_uniform(rng, 60.0, min(1700.0, 0.8 * canvas.top))
    depth = log_uniform(rng, 0.01, 0.35)
    reach = canvas.duration / 2 if rng.random() < 0.6 else log_uniform(rng, 0.2, 4.0)
    part, t = canvas.times(-reach, reach)
    path = wandering(rng, len(t), 2 * reach, rng.uniform(0.25, 1.6))
    path += rng.normal(0, 0.4) * t / reach
    kind = rng.random()
    if kind < 0.25:
        # Ramps of about equal duration, with a jump back after each.
        ramps = t / log_uniform(rng, 0.2, 1.5) + 0.3 * path + rng.random()
        path = 0.3 * path + rng.choice([-2.0, 2.0]) * (ramps % 1.0)
    elif kind < 0.4:
        # Steps of random height.
        steps = np.cumsum(rng.random(len(t)) < log_uniform(rng, 0.5, 8.0) / canvas.sample_rate)
        path = 0.2 * path + rng.normal(0, 1, steps[-1] + 1)[steps]
    level = np.exp(rng.uniform(0.1, 0.6) * wandering(rng, len(t), 2 * reach, 0.4))
    level *= np.clip((reach - np.abs(t)) / 0.05, 0, 1)
    if rng.random() < 0.25:
        # Intermittent.
        level *= wandering(rng, len(t), 2 * reach, log_uniform(rng, 0.03, 0.4)) > rng.normal(0, 0.5)
    track = frequency * np.exp(depth * path)
    canvas.track(part, track, level, 1.0)
    n_harmonics = int(rng.integers(2, 6)) if rng.random() < 0.5 else 1
    for harmonic in range(2, n_harmonics + 1):
        canvas.track(part, harmonic * track, level, log_uniform(rng, 0.15, 1.0))
    return {"frequency": frequency, "depth": depth, "duration": 2 * reach}
