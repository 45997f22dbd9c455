"""Classes of many bursts: scratches, helices, light modulation, loud glitches, and others."""

from __future__ import annotations

import numpy as np

from ._canvas import Canvas, draws, log_uniform, power_law, train
from ._noise import wandering
from ._pulses import ring_violins


@draws("No_Glitch", snr=(0.5, 6.0, 1.5))
def _no_glitch(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw nothing visible: half are pure noise, half have a feature too weak to classify."""
    if rng.random() < 0.5:
        return {}
    frequency = log_uniform(rng, 12.0, 0.8 * canvas.top)
    sigma = log_uniform(rng, 3.0, 60.0) / (2 * np.pi * frequency)
    canvas.burst(0.0, frequency, sigma, 1.0)
    return {"frequency": frequency}


@draws("Scratchy", snr=(8.0, 25.0, 5.0), jitter=0.03)
def _scratchy(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw short scratches at 50 to 400 Hz for seconds, which may rise and fall like mountains."""
    low = log_uniform(rng, 60.0, 220.0)
    high = low * log_uniform(rng, 1.2, 3.5)
    duration = log_uniform(rng, 0.6, canvas.duration)
    rate = log_uniform(rng, 15.0, 70.0)
    hills = rng.uniform(0.0, 0.6)
    period = log_uniform(rng, 0.05, 0.6)
    weakest = log_uniform(rng, 0.3, 0.8)
    center, spread = np.sqrt(low * high), 0.5 * np.log(high / low)
    for time in train(rng, 1 / rate, duration / 2, 0.4):
        place = rng.uniform(-1, 1) * (1 - hills) + hills * np.cos(2 * np.pi * time / period)
        frequency = min(center * np.exp(spread * place), canvas.top)
        sigma = log_uniform(rng, 0.4, 2.0) / frequency
        size = power_law(rng, weakest, 1.0, 1.8)
        canvas.burst(time, frequency, sigma, size, sweep=rng.normal(0, 0.2) / sigma**2)
    return {"low_frequency": low, "high_frequency": high, "duration": duration}


@draws("Helix", snr=(7.5, 25.0, 6.0), jitter=0.008)
def _helix(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw repeated columns at 20 to 600 Hz, like strands that wind around each other."""
    reach = canvas.duration / 2 if rng.random() < 0.75 else rng.uniform(0.0, 1.5)
    spacing = log_uniform(rng, 0.06, 0.9)
    # Two broad pulses in quick succession: where they overlap, they interfere.
    lag = log_uniform(rng, 0.004, 0.025)
    f0, gbw = log_uniform(rng, 40.0, 350.0), log_uniform(rng, 0.2, 1.0)
    # Or bursts of rising frequency that alternate between left and right.
    is_stack = rng.random() < 0.35
    low = log_uniform(rng, 25.0, 90.0)
    high = low * log_uniform(rng, 4.0, 14.0)
    n, shift, q = int(rng.integers(4, 10)), log_uniform(rng, 0.006, 0.03), rng.uniform(0.6, 2.2)
    times = train(rng, spacing, reach, 0.5) if reach > spacing else np.zeros(1)
    for time in times:
        whole = 1.0 if time == 0 else rng.uniform(0.3, 1.0)
        if is_stack:
            side = rng.choice([-1, 1])
            for frequency in np.geomspace(low, high, n):
                side = -side
                sigma = q / frequency * rng.uniform(0.7, 1.4)
                start = time + side * shift * rng.uniform(0.5, 1.2)
                canvas.burst(start, min(frequency, canvas.top), sigma, whole * rng.uniform(0.4, 1))
            continue
        for place in np.arange(rng.integers(2, 4)) - 0.5:
            start = time + place * lag * rng.uniform(0.7, 1.3)
            shape = f0 * np.exp(rng.normal(0, 0.2)), gbw * np.exp(rng.normal(0, 0.2))
            canvas.pulse(start, *shape, whole * rng.uniform(0.5, 1.0))
    return {"spacing": spacing, "n_columns": float(len(times))}


@draws("Light_Modulation", snr=(8.0, 250.0, 1.8), jitter=0.01)
def _light_modulation(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw bursts at 10 to 100 Hz with spikes up to 1 kHz, for a second (arXiv:1602.03844)."""
    width = log_uniform(rng, 0.08, 0.9)
    # Mounds at the bottom, for longer than the spikes.
    for _ in range(rng.integers(1, 9)):
        frequency, size = log_uniform(rng, 10.5, 25.0), log_uniform(rng, 0.1, 1.0)
        canvas.burst(rng.normal(0, 1.5 * width), frequency, rng.uniform(0.3, 1.5) / frequency, size)
    n_middle = int(rng.integers(5, 40)) if rng.random() < 0.4 else int(rng.integers(0, 4))
    for _ in range(n_middle):
        time, frequency = rng.laplace(0, width), log_uniform(rng, 20.0, 70.0)
        size = np.exp(-abs(time) / (1.5 * width)) * power_law(rng, 0.1, 0.8, 1.6)
        canvas.burst(time, frequency, log_uniform(rng, 0.3, 1.2) / frequency, size)
    n_spikes = int(rng.integers(1, 14))
    crowd = log_uniform(rng, 0.02, 0.2) if rng.random() < 0.5 else 1.3 * width
    for i in range(n_spikes):
        time = rng.normal(0, 0.02) if i == 0 else rng.laplace(0, crowd)
        f0, gbw = log_uniform(rng, 15.0, 200.0), log_uniform(rng, 0.25, 1.6)
        canvas.pulse(time, f0, gbw, (1.0 if i == 0 else 0.7) * rng.uniform(0.3, 1.0))
    return {"duration": 2 * width, "n_spikes": float(n_spikes)}


@draws("Extremely_Loud", snr=(100.0, 3e4, 1.4), jitter=0.02)
def _extremely_loud(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Saturate most of the picture, at all frequencies, for up to a few seconds."""
    width = log_uniform(rng, 0.03, 1.0)
    f0, gbw = log_uniform(rng, 10.0, 120.0), log_uniform(rng, 0.25, 1.5)
    canvas.pulse(0.0, f0, gbw, 1.0)
    # A single enormous pulse, or many.
    is_single = rng.random() < 0.5
    for _ in range(rng.integers(0, 4) if is_single else rng.integers(3, 18)):
        time = rng.laplace(0, width)
        size = log_uniform(rng, 0.005, 0.8) * np.exp(-abs(time) / (2 * width))
        canvas.pulse(time, log_uniform(rng, 10, 200), log_uniform(rng, 0.3, 2.5), size)
    for _ in range(rng.integers(0, 4) if is_single else rng.integers(2, 12)):
        frequency = log_uniform(rng, 11.0, 80.0)
        decay = log_uniform(rng, 0.05, 0.6) if rng.random() < 0.4 else None
        time, sigma = rng.laplace(0, width), log_uniform(rng, 0.02, 0.4)
        canvas.burst(time, frequency, sigma, log_uniform(rng, 0.01, 1.0), decay=decay)
    kind = rng.random()
    part, t = canvas.times(-canvas.duration / 2, canvas.duration / 2)
    if kind < 0.25 and not is_single:
        # The whole band may be noisy for a while after a disturbance of the lock.
        level = np.exp(-np.abs(t) / width) * rng.normal(size=len(t))
        canvas.add(part, level, log_uniform(rng, 0.02, 0.5))
    elif kind > 0.85:
        # Or most of the time, so that whitening hides everything else, if not the glitch.
        level = (np.abs(t) > rng.uniform(0.5, 3.0)) * rng.normal(size=len(t))
        canvas.add(part, level, log_uniform(rng, 1.0, 100.0))
    ring_violins(rng, canvas, 0.0, rng.uniform(0.003, 0.2))
    return {"f0": f0, "gbw": gbw, "duration": 2 * width}


@draws("None_of_the_Above", snr=(7.5, 300.0, 1.9))
def _none_of_the_above(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw at least two bursts, combs, bands, sweeps or pulses: one may be of another class."""
    n = int(rng.integers(2, 5))
    for _ in range(n):
        _ODD[rng.integers(len(_ODD))](rng, canvas, rng.normal(0, 0.3), rng.uniform(0.6, 1.0))
    return {"n_parts": float(n)}


def _odd_burst(rng: np.random.Generator, canvas: Canvas, time: float, snr: float) -> None:
    """Add a sine-Gaussian anywhere."""
    frequency = log_uniform(rng, 20.0, 0.9 * canvas.top)
    sigma = min(log_uniform(rng, 2.0, 80.0) / (2 * np.pi * frequency), 1.0)
    canvas.burst(time, frequency, sigma, snr)


def _odd_band(rng: np.random.Generator, canvas: Canvas, time: float, snr: float) -> None:
    duration = log_uniform(rng, 0.1, 2.5)
    center = log_uniform(rng, 14.0, 0.7 * canvas.top)
    width = center * log_uniform(rng, 0.1, 0.8)
    for _ in range(rng.integers(8, 30)):
        frequency = np.clip(center + width * rng.uniform(-0.5, 0.5), 10.0, canvas.top)
        start, sigma = time + rng.normal(0, duration / 2), log_uniform(rng, 1.0, 4.0) / frequency
        canvas.burst(start, frequency, sigma, snr * rng.uniform(0.2, 0.6))


def _odd_comb(rng: np.random.Generator, canvas: Canvas, time: float, snr: float) -> None:
    """Add equally spaced lines at the same time."""
    step = log_uniform(rng, 40.0, 350.0)
    sigma = log_uniform(rng, 0.03, 0.5)
    for harmonic in range(1, int(rng.integers(3, 9))):
        frequency = harmonic * step
        if frequency < canvas.top:
            canvas.burst(time, frequency, sigma, snr * rng.uniform(0.3, 1.0))


def _odd_sweep(rng: np.random.Generator, canvas: Canvas, time: float, snr: float) -> None:
    """Add a track from one frequency to another."""
    duration = log_uniform(rng, 0.05, 1.5)
    part, t = canvas.times(time - duration / 2, time + duration / 2)
    ends = log_uniform(rng, 20.0, 0.9 * canvas.top), log_uniform(rng, 20.0, 0.9 * canvas.top)
    place = (t - time) / duration + 0.5
    bend = 0.1 * wandering(rng, len(t), duration, duration / 4)
    frequency = ends[0] * (ends[1] / ends[0]) ** place * np.exp(bend)
    canvas.track(part, frequency, np.sin(np.pi * place.clip(0, 1)), snr)


def _odd_pulses(rng: np.random.Generator, canvas: Canvas, time: float, snr: float) -> None:
    """Add pulses at higher frequencies than blips."""
    for _ in range(rng.integers(1, 4)):
        f0, gbw = log_uniform(rng, 300.0, 0.7 * canvas.top), log_uniform(rng, 1.0, 8.0)
        canvas.pulse(time + rng.normal(0, 0.15), f0, gbw, snr * rng.uniform(0.4, 1))


def _odd_lobes(rng: np.random.Generator, canvas: Canvas, time: float, snr: float) -> None:
    """Add overlapping bursts of few cycles."""
    center = log_uniform(rng, 20.0, 300.0)
    for _ in range(rng.integers(2, 5)):
        frequency = center * np.exp(rng.normal(0, 0.3))
        start, sigma = time + rng.normal(0, 1.5) / center, log_uniform(rng, 0.4, 1.5) / frequency
        canvas.burst(start, frequency, sigma, snr * rng.uniform(0.4, 1.0))


_ODD = (_odd_burst, _odd_band, _odd_comb, _odd_sweep, _odd_pulses, _odd_lobes)
