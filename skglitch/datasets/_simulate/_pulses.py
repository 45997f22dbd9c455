"""Short pulses: blips and similar classes.

Quantiles and rank correlations of the two parameters of pulses and ranges of the peak frequency in
Hz (1st to 99th percentile) are those of the 3,876 fits published with the model of
:meth:`Canvas.pulse`. The fits alone allow blips as low as 25 Hz.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from ._canvas import Canvas, draws, log_uniform, power_law, random_phase, train
from ._noise import VIOLINS

_LEVELS = np.array([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99])
# f0 in Hz and gbw at these levels, and their rank correlation.
_FITS: dict[str, tuple[tuple[float, ...], tuple[float, ...], float]] = {
    "Blip": (
        (10.5, 10.8, 13.6, 50.6, 102.0, 217.0, 371.0),
        (0.257, 0.263, 0.394, 0.576, 0.968, 3.12, 7.8),
        0.08,
    ),
    "Blip_Low_Frequency": (
        (10.4, 10.8, 11.9, 17.4, 24.9, 42.5, 105.0),
        (0.282, 0.536, 1.18, 1.73, 2.95, 7.3, 7.76),
        0.54,
    ),
    "Koi_Fish": (
        (10.4, 10.6, 11.9, 21.3, 58.9, 158.0, 245.0),
        (0.257, 0.299, 0.654, 1.11, 1.96, 7.4, 7.84),
        0.17,
    ),
    "Tomte": (
        (10.3, 10.6, 11.7, 13.6, 17.7, 24.6, 29.1),
        (0.871, 1.26, 1.67, 2.0, 2.7, 6.36, 7.7),
        0.65,
    ),
}


def draw_shape(rng: np.random.Generator, label: str) -> tuple[float, float]:
    """Draw f0 (Hz) and gbw of a pulse of a class."""
    f0, gbw, correlation = _FITS[label]
    a, b = rng.normal(size=2)
    b = correlation * a + np.sqrt(1 - correlation**2) * b
    values = [np.interp(ndtr(z), _LEVELS, np.log(q)) for z, q in ((a, f0), (b, gbw))]
    return float(np.exp(values[0])), float(np.exp(values[1]))


@draws("Blip", snr=(7.5, 150.0, 2.0), jitter=0.003, peak=(64.0, 384.0))
def _blip(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw a teardrop of some 10 ms and 30 to 500 Hz (Cabero et al. 2019, arXiv:1901.05093)."""
    f0, gbw = draw_shape(rng, "Blip")
    canvas.pulse(0.0, f0, gbw, 1.0)
    if rng.random() < 0.2:
        # Some have a weak tail at low frequencies.
        time = rng.uniform(-0.02, 0.06)
        canvas.burst(time, rng.uniform(15, 60), rng.uniform(0.01, 0.04), rng.uniform(0.1, 0.4))
    return {"f0": f0, "gbw": gbw}


@draws("Blip_Low_Frequency", snr=(7.5, 50.0, 3.2), jitter=0.003, peak=(40.0, 160.0))
def _blip_low_frequency(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw a blip below some 250 Hz, with the widths fitted to those of the third run."""
    f0, gbw = draw_shape(rng, "Blip_Low_Frequency")
    canvas.pulse(0.0, f0, gbw, 1.0)
    return {"f0": f0, "gbw": gbw}


@draws("Tomte", snr=(7.5, 100.0, 2.4), jitter=0.004, peak=(32.0, 80.0))
def _tomte(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw a pulse at 20 to 150 Hz that is wide at low and narrow at high frequencies."""
    f0, gbw = draw_shape(rng, "Tomte")
    canvas.pulse(0.0, f0, gbw, 1.0)
    if rng.random() < 0.4:
        time, frequency = rng.uniform(-0.04, 0.04), rng.uniform(22, 50)
        canvas.burst(time, frequency, rng.uniform(0.015, 0.035), rng.uniform(0.1, 0.4))
    return {"f0": f0, "gbw": gbw}


@draws("Koi_Fish", snr=(25.0, 1000.0, 1.2), jitter=0.004, peak=(32.0, 288.0))
def _koi_fish(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw a loud pulse with a thick body near 30 Hz, fins beside it and a tail up to 1 kHz."""
    f0, gbw = draw_shape(rng, "Koi_Fish")
    canvas.pulse(0.0, f0, gbw, 1.0)
    # The tail: a broad pulse at the same time.
    canvas.pulse(
        rng.normal(0, 0.002), rng.uniform(40, 250), rng.uniform(0.3, 1.0), rng.uniform(0.1, 0.6)
    )
    for _ in range(rng.integers(0, 4)):
        frequency = log_uniform(rng, 18, 60)
        time, sigma = rng.normal(0, 0.045), rng.uniform(0.4, 1.4) / frequency
        canvas.burst(time, frequency, sigma, log_uniform(rng, 0.02, 0.2))
    if rng.random() < 0.3:
        ring_violins(rng, canvas, 0.0, rng.uniform(0.02, 0.15))
    n_more = int(rng.integers(1, 5)) if rng.random() < 0.25 else 0
    for _ in range(n_more):
        time = rng.choice([-1, 1]) * log_uniform(rng, 0.03, 1.2)
        f1, gbw1 = draw_shape(rng, "Koi_Fish" if rng.random() < 0.6 else "Blip")
        canvas.pulse(time, f1, gbw1, log_uniform(rng, 0.02, 0.4))
    return {"f0": f0, "gbw": gbw, "n_pulses": 1.0 + n_more}


def ring_violins(rng: np.random.Generator, canvas: Canvas, time: float, snr: float) -> None:
    """Add bursts at violin modes, as loud pulses excite them."""
    site = rng.integers(2)
    for harmonic, band in enumerate(bands[site] for bands in VIOLINS):
        if band[1] > canvas.top or rng.random() < 0.4:
            continue
        size = snr * rng.uniform(0.2, 1.0) / (1 + harmonic)
        canvas.burst(time, rng.uniform(*band), rng.uniform(0.01, 0.08), size)


@draws("Repeating_Blips", snr=(7.5, 300.0, 1.7), jitter=0.004, peak=(50.0, 800.0))
def _repeating_blips(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw similar blips every 0.1 to 0.7 s, for a second or for as long as there is strain."""
    f0, gbw = draw_shape(rng, "Blip")
    if rng.random() < 0.5:
        # Wider than single blips.
        f0, gbw = log_uniform(rng, 60.0, 600.0), log_uniform(rng, 0.2, 1.0)
    gbw = min(gbw, 2.5)
    spacing = log_uniform(rng, 0.1, 0.7)
    reach = canvas.duration / 2 if rng.random() < 0.7 else rng.uniform(2.2, 5.0) * spacing
    phase = random_phase(rng)
    weakest = rng.uniform(0.2, 0.8)
    times = train(rng, spacing, reach, rng.choice([0.05, 0.15, 0.5]))
    for time in times:
        shape = f0 * np.exp(rng.normal(0, 0.15)), gbw * np.exp(rng.normal(0, 0.2))
        size = 1.0 if time == 0 else rng.uniform(weakest, 1.0)
        canvas.pulse(time, *shape, size, phase + rng.normal(0, 0.4))
        if rng.random() < 0.2:
            canvas.pulse(time + rng.uniform(0.01, 0.06), *shape, 0.6 * size)
    return {"f0": f0, "gbw": gbw, "spacing": spacing, "n_pulses": float(len(times))}


@draws("Low_Frequency_Burst", snr=(7.5, 300.0, 2.0), jitter=0.03)
def _low_frequency_burst(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw humps or streaks below 20 or 30 Hz for up to seconds (Nuttall, arXiv:1508.07316)."""
    top = log_uniform(rng, 12.0, 30.0)
    duration = log_uniform(rng, 0.1, 2.5)
    n_humps = int(rng.integers(2, 6)) if rng.random() < 0.4 else 1
    streak = rng.choice([-1, 0, 0, 1])
    for hump in range(n_humps):
        start = 0.0 if hump == 0 else rng.normal(0, 1.0)
        whole = 1.0 if hump == 0 else rng.uniform(0.2, 0.9)
        if streak:
            sweep = streak * (top - 10.5) / duration
            canvas.burst(start, 0.5 * (top + 10.5), duration / 3, whole, sweep=sweep)
            continue
        n = 1 + round(duration * rng.uniform(2.0, 14.0))
        for i in range(n):
            # A triangle: the higher the frequency, the closer to the middle. One is its tip.
            height = 1.0 if i == 0 else rng.uniform(0.0, 1.0) ** 1.5
            frequency = 10.5 * (top / 10.5) ** height
            time = start + 0.5 * duration * (1 - height) * rng.uniform(-1, 1)
            sigma = rng.uniform(0.3, 1.4) / frequency
            canvas.burst(time, frequency, sigma, whole * (1 - 0.6 * height) * rng.uniform(0.3, 1.0))
    return {"top": top, "duration": duration}


@draws("Violin_Mode", snr=(7.5, 100.0, 3.0))
def _violin_mode(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw short bursts at harmonics of 500 Hz, alone or after knocks at low frequencies."""
    site = rng.integers(2)
    bands = [sites[site] for sites in VIOLINS if sites[site][1] < canvas.top]
    weights = np.array([0.12, 0.2, 0.38, 0.3][: len(bands)])
    main = int(rng.choice(len(bands), p=weights / weights.sum()))
    frequency = rng.uniform(*bands[main])
    sigma = log_uniform(rng, 0.004, 0.06)
    decay = sigma * rng.uniform(0.8, 2.5) if rng.random() < 0.3 else None
    has_knocks = rng.random() < 0.45
    shares = [1.0 if i == main else log_uniform(rng, 0.2, 0.9) for i in range(len(bands))]
    ringing = [i == main or rng.random() < 0.5 for i in range(len(bands))]
    thump = log_uniform(rng, 0.1, 1.0) if has_knocks else 0.0
    others = rng.choice([-1, 1], 2) * rng.uniform(0.05, 1.8, 2)
    times = np.append(0.0, others)[: rng.integers(1, 4)]
    if has_knocks:
        times = train(rng, log_uniform(rng, 0.15, 1.2), canvas.duration / 2, 0.5)
    for time in times:
        whole = 1.0 if time == 0 else log_uniform(rng, 0.2, 1.5 if has_knocks else 0.8)
        for i, band in enumerate(bands):
            if ringing[i]:
                tone = (frequency if i == main else rng.uniform(*band)) + rng.normal(0, 3)
                width = sigma * rng.uniform(0.5, 1.5)
                start = time + rng.normal(0, 0.004)
                canvas.burst(start, tone, width, whole * shares[i], decay=decay)
        if thump and rng.random() < 0.7:
            low = log_uniform(rng, 30.0, 180.0)
            size = whole * thump * rng.uniform(0.3, 1.0)
            canvas.burst(time + rng.normal(0, 0.01), low, rng.uniform(0.4, 2.0) / low, size)
            canvas.pulse(time, rng.uniform(100, 600), rng.uniform(0.3, 1.0), 0.5 * size)
    return {"frequency": frequency, "duration": 2 * sigma}


@draws("1400Ripples", snr=(7.5, 40.0, 3.5))
def _ripples_1400(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw ripples of 30 to 400 ms near 1400 to 1650 Hz: one burst, or several in succession."""
    frequency = rng.uniform(1380.0, 1660.0)
    duration = log_uniform(rng, 0.03, 0.4)
    n = 1 if rng.random() < 0.5 else max(2, round(duration / log_uniform(rng, 0.012, 0.05)))
    spacing = duration / n
    for i in range(n):
        time = (i - (n - 1) / 2 + rng.normal(0, 0.12)) * spacing if n > 1 else 0.0
        size = np.exp(-0.5 * (2.2 * time / duration) ** 2) * rng.uniform(0.5, 1.0)
        center, sigma = frequency + rng.normal(0, 40 if n > 1 else 0), spacing / rng.uniform(2.2, 5)
        canvas.burst(time, center, sigma, size, sweep=rng.normal(0, 5.0) / sigma)
    return {"frequency": frequency, "duration": duration, "spacing": spacing}


@draws("1080Lines", snr=(8.5, 30.0, 3.4))
def _lines_1080(rng: np.random.Generator, canvas: Canvas) -> dict[str, float]:
    """Draw a string of dots near 1080 Hz across the picture."""
    frequency = rng.uniform(1072.0, 1125.0)
    spacing = log_uniform(rng, 0.02, 0.3)
    reach = canvas.duration / 2 if rng.random() < 0.8 else rng.uniform(0.8, 4.0)
    weakest = rng.uniform(0.4, 0.95)
    for time in train(rng, spacing, reach, rng.choice([0.1, 0.5])):
        sigma = float(np.clip(spacing * rng.uniform(0.15, 0.5), 0.006, 0.05))
        size = 1.0 if time == 0 else power_law(rng, weakest, 1.0, 1.5)
        canvas.burst(time, frequency + rng.normal(0, 6), sigma, size)
    return {"frequency": frequency, "spacing": spacing, "duration": 2 * reach}
