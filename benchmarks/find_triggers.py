"""Triggers that find_triggers finds: injected signals, Gaussian noise, real glitches, and speed.

``injections``: 2,000 sine-Gaussians in 2 h of Gaussian noise with the spectrum of advanced LIGO
and lines. Q is 4 to 64 and frequency 20 to 1500 Hz, both uniform in the logarithm, and the
signal-to-noise ratio of a matched filter 6 to 50. An injection is found if there is a trigger
within 0.5 s. ``noise``: the same noise without signals. ``real``: strain around GW150914 and 30
glitches of O3. ``speed``: one thread, in a process of its own.

    pip install ".[test]"
    python benchmarks/find_triggers.py [--quick]
"""

from __future__ import annotations

import argparse
import math
import os
import time
from typing import Any

import numpy as np
from _common import DATA, Store, in_own_process, peak_memory_mb, table

RATE = 4096
START = 1_238_166_018
LINES = {60.0: 1e4, 120.0: 300.0, 180.0: 1e3, 331.0: 100.0, 505.0: 3e4, 1009.0: 1e4}


def spectral_density(f: np.ndarray) -> np.ndarray:
    """Return the power spectrum of advanced LIGO (arXiv:0909.2867, eq. 4.7) in 1/Hz, and lines."""
    x = np.maximum(f, 8.0) / 215
    smooth = x**-4.14 - 5 * x**-2 + 111 * (1 - x**2 + x**4 / 2) / (1 + x**2 / 2)
    lines = sum(height * np.exp(-(((f - line) / 0.05) ** 2)) for line, height in LINES.items())
    return 1e-49 * smooth * (1 + lines)


def make_noise(duration: float, rate: int, seed: int) -> np.ndarray:
    """Return Gaussian noise."""
    rng = np.random.default_rng(seed)
    n_times = round(duration * rate)
    spectrum = rng.normal(size=(n_times // 2 + 1, 2)).view(complex)[:, 0]
    f = np.arange(len(spectrum)) / duration
    # Below 8 Hz the detectors are much noisier.
    spectrum *= (
        np.sqrt(spectral_density(f) * n_times * rate / 4)
        * np.clip(8 / np.maximum(f, 2), 1, None) ** 4
    )
    return np.fft.irfft(spectrum, n=n_times)


def inject(strain: np.ndarray, n: int, seed: int) -> dict[str, np.ndarray]:
    """Add sine-Gaussians to strain, and return their parameters."""
    rng = np.random.default_rng(seed)
    duration = len(strain) / RATE
    times = (np.arange(n) + 0.5 + rng.uniform(-0.1, 0.1, n)) * duration / n
    frequencies = np.exp(rng.uniform(np.log(20), np.log(1500), n))
    qs = np.exp(rng.uniform(np.log(4), np.log(64), n))
    snrs = rng.uniform(6, 50, n)
    half = 3 * RATE
    f = np.fft.rfftfreq(2 * half, 1 / RATE)
    density = spectral_density(f)
    for gps, frequency, q, snr in zip(times, frequencies, qs, snrs, strict=True):
        first = round(gps * RATE) - half
        t = np.arange(first, first + 2 * half) / RATE - gps
        phase = 2 * np.pi * frequency * t
        signal = np.exp(-((phase / q) ** 2)) * np.cos(phase + rng.uniform(0, 2 * np.pi))
        power = np.abs(np.fft.rfft(signal) / RATE) ** 2
        signal *= snr / np.sqrt(4 * (power / density)[1:].sum() * RATE / (2 * half))
        begin, end = max(0, first), min(len(strain), first + 2 * half)
        strain[begin:end] += signal[begin - first : end - first]
    return {"gps": START + times, "frequency": frequencies, "q": qs, "snr": snrs}


def injections(duration: float, n: int, snr_threshold: float) -> dict:
    """Compare triggers with injections."""
    from skglitch.datasets import Strain
    from skglitch.spectrograms import find_triggers

    data = make_noise(duration, RATE, seed=0)
    truth = inject(data, n, seed=1)
    triggers = find_triggers(
        Strain(data, RATE, START, "H1"), snr_threshold=snr_threshold, device="cpu"
    )
    rows = []
    for gps, frequency, snr in zip(truth["gps"], truth["frequency"], truth["snr"], strict=True):
        near = triggers[(triggers["gps"] - gps).abs() < 0.5]
        if not len(near):
            rows.append((snr, np.nan, np.nan, np.nan))
            continue
        one = near.loc[near["snr"].idxmax()]
        width = 2 * math.sqrt(math.pi) * one["peak_frequency"] / one["q"]
        offset = abs(one["peak_frequency"] - frequency) / width
        rows.append((snr, one["gps"] - gps, one["snr"] / snr - 1, offset))
    rows = np.array(rows)
    rows = rows[(rows[:, 0] >= 8) & np.isfinite(truth["gps"])]
    found = np.isfinite(rows[:, 1])
    dt, dsnr, df = rows[found, 1:].T
    return {
        "SNR >= 8": len(rows),
        "found in %": 100 * float(found.mean()),
        "|time error| in ms, median": 1e3 * float(np.median(np.abs(dt))),
        "|time error| in ms, 90 %": 1e3 * float(np.quantile(np.abs(dt), 0.9)),
        "SNR error in %, median": 100 * float(np.median(dsnr)),
        "|SNR error| in %, median": 100 * float(np.median(np.abs(dsnr))),
        "frequency within half a tile in %": 100 * float(np.mean(df <= 0.5)),
        "frequency within a tile in %": 100 * float(np.mean(df <= 1)),
        "found of SNR >= 10 in %": 100 * float(found[rows[:, 0] >= 10].mean()),
    }


def noise(duration: float, snr_threshold: float) -> dict:
    """Count tiles and triggers of Gaussian noise above a threshold."""
    from skglitch._validation import LOST_AT_GAPS
    from skglitch.datasets import Strain
    from skglitch.spectrograms import find_triggers
    from skglitch.spectrograms._tiling import count_tiles, make_planes

    strain = Strain(make_noise(duration, RATE, seed=2), RATE, START, "H1")
    options = {"snr_threshold": snr_threshold, "device": "cpu"}
    # Each tile is a cluster of its own.
    tiles = find_triggers(strain, cluster_window=0.0, **options)
    rates = [
        np.array(count_tiles(plane, 64.0, 0.2))[plane.frequencies + plane.half_widths <= RATE / 2]
        / 64
        for plane in make_planes((10.0, 2048.0), (4.0, 64.0), 0.2, RATE, 64.0)
    ]
    searched = duration - 2 * LOST_AT_GAPS * 2.0  # fftlength is 2 s
    # The energy of a tile of Gaussian noise is distributed exponentially.
    probability = math.exp(-(1 + snr_threshold**2 / 2))
    return {
        "threshold": snr_threshold,
        "tiles per hour": 3600 / searched * len(tiles),
        "expected tiles per hour": 3600 * np.concatenate(rates).sum() * probability,
        "triggers per hour": 3600 / searched * len(find_triggers(strain, **options)),
    }


def real() -> dict:
    """Compare the triggers of real strain with known events."""
    import h5py

    from skglitch.datasets import Strain, load_strain
    from skglitch.spectrograms import find_triggers

    result: dict[str, Any] = {}
    for path in sorted((DATA / "strain_events").glob("*.hdf5")):
        strain = load_strain(path)
        triggers = find_triggers(strain, device="cpu")
        loudest = triggers.loc[triggers["snr"].idxmax()]
        # Livingston saw the merger 7 ms before Hanford.
        merger = {"H1": 1126259462.42, "L1": 1126259462.413}[strain.ifo]
        result[f"GW150914 in {strain.ifo}: triggers"] = len(triggers)
        result[f"GW150914 in {strain.ifo}: SNR"] = float(loudest["snr"])
        result[f"GW150914 in {strain.ifo}: time error in ms"] = 1e3 * (loudest["gps"] - merger)
    with h5py.File(DATA / "strain_o3_glitches.hdf5") as file:
        glitches = [(Strain(g[:], RATE, 0.0), float(g.attrs["snr"])) for g in file.values()]
    for snr_threshold in (7.5, 6.0):
        ratios, others = [], 0
        for strain, snr in glitches:
            triggers = find_triggers(strain, snr_threshold=snr_threshold, device="cpu")
            # The loudest tile of scattered light need not be in the middle.
            is_glitch = (triggers["tstart"] < 7.1) & (triggers["tend"] > 6.9)
            if is_glitch.any():
                ratios.append(triggers["snr"][is_glitch].max() / snr)
            others += int((~is_glitch).sum())
        key = f"threshold {snr_threshold}"
        result[f"{key}: glitches of O3 found, of {len(glitches)}"] = len(ratios)
        result[f"{key}: other triggers in {14 * len(glitches)} s"] = others
        result[f"{key}: SNR over Gravity Spy's, median"] = float(np.median(ratios))
    return result


def speed(sample_rate: int, highest: float, duration: float) -> dict:
    """Measure the seconds of strain that one thread searches in a second, and the memory."""
    import torch

    from skglitch.datasets import Strain
    from skglitch.spectrograms import find_triggers

    torch.set_num_threads(1)
    data = np.tile(make_noise(256.0, sample_rate, seed=3), round(duration / 256))
    strain = Strain(data, sample_rate, START, "H1")
    before = peak_memory_mb()
    find_triggers(strain.crop(stop=START + 128), frange=(10, highest), device="cpu")
    # Of the processor, so that other programs on the machine do not count.
    start = time.process_time()
    find_triggers(strain, frange=(10, highest), device="cpu")
    seconds = time.process_time() - start
    return {"times real time": duration / seconds, "memory in MB": peak_memory_mb() - before}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a twelfth of the duration")
    options = parser.parse_args()
    part = 12 if options.quick else 1
    store = Store("find_triggers_quick" if options.quick else "find_triggers")
    os.environ |= dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    rows = []
    for snr_threshold in (7.5, 6.0):
        key = f"injections, threshold {snr_threshold}"
        rows.append((key, store.get(key, injections, 7200 // part, 2000 // part, snr_threshold)))
    rows.append(("noise", store.get("noise", noise, 7200 // part, 5.0)))
    rows.append(("real", store.get("real", real)))
    for sample_rate, highest in ((4096, 2048.0), (16384, 2048.0), (16384, 8192.0)):
        key = f"speed, {sample_rate} Hz, up to {highest:g} Hz"
        duration = 1024.0 if options.quick else 4096.0
        run = store.get(key, in_own_process, speed, sample_rate, highest, duration)
        rows.append((key, run))
    print(
        table(
            {"": key, "quantity": name, "value": f"{value:.4g}"}
            for key, run in rows
            for name, value in run.items()
        )
    )


if __name__ == "__main__":
    main()
