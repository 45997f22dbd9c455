"""Glitches per second from strain to four views, against gwpy, and the agreement of the two.

gwpy gets the call that Gravity Spy makes, once per view. skglitch gets one call for all views, in
batches of 32 and for a single glitch. Each measurement runs in its own process with one or two
threads, alternating between the libraries. ``fft`` is the time of the unavoidable Fourier
transforms: one pair per strain, and one per displayed row of tiles.

    pip install ".[test]"
    python benchmarks/qtransform.py [--quick]
"""

from __future__ import annotations

import argparse
import itertools
import os
import warnings
from typing import Any

import numpy as np
from _common import (
    DATA,
    Store,
    in_own_process,
    median_seconds,
    peak_memory_mb,
    strain_glitches,
    table,
)

DURATIONS = (0.5, 1.0, 2.0, 4.0)
RANGES = {"qrange": (4.0, 64.0), "frange": (10.0, 2048.0)}


def simulate(duration: float, sample_rate: float, n_samples: int) -> np.ndarray:
    """Return white noise with a burst in the middle of each sample."""
    t = np.arange(round(duration * sample_rate)) / sample_rate - duration / 2
    rng = np.random.default_rng(0)
    frequencies = np.exp(rng.uniform(np.log(30), np.log(500), (n_samples, 1)))
    bursts = np.exp(-((t * frequencies / 1.5) ** 2)) * np.sin(2 * np.pi * frequencies * t)
    return rng.normal(size=(n_samples, t.size)) + 4 * bursts


def gwpy_views(strain: np.ndarray, sample_rate: float, trigger: float) -> list[Any]:
    """Compute one transform per view, as Gravity Spy does."""
    from gwpy.timeseries import TimeSeries

    series = TimeSeries(strain, sample_rate=sample_rate, t0=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # gwpy lowers the highest frequency if necessary
        return [
            series.q_transform(
                **RANGES, gps=trigger, search=0.5, tres=0.002, fres=0.5, whiten=True,
                outseg=(trigger - duration / 2, trigger + duration / 2),
            )
            for duration in DURATIONS
        ]  # fmt: skip


def measure(how: str, duration: float, sample_rate: float, threads: int, repeats: int) -> dict:
    """Return the seconds per glitch and the peak memory."""
    import torch

    from skglitch.spectrograms import QTransformer

    torch.set_num_threads(threads)
    X = simulate(duration, sample_rate, 32 if how in ("batch", "fft") else 1)
    transformer = QTransformer(sample_rate, DURATIONS, device="cpu", **RANGES)
    functions = {
        "gwpy": lambda: gwpy_views(X[0], sample_rate, duration / 2),
        "one": lambda: transformer.transform(X),
        "batch": lambda: transformer.transform(X),
        "fft": lambda: minimal_ffts(X),
    }
    before = peak_memory_mb()
    functions[how]()  # warm up
    repeats = max(1, repeats // 2) if how == "gwpy" else repeats
    seconds = median_seconds(functions[how], repeats) / len(X)
    return {"seconds": seconds, "memory in MB": peak_memory_mb(), "before": before}


def minimal_ffts(X: np.ndarray) -> None:
    """Transform the strain and back, and the rows of tiles of one plane of medium Q."""
    import torch

    spectrum = torch.fft.rfft(torch.from_numpy(X))
    torch.fft.irfft(spectrum)
    torch.fft.ifft(torch.zeros(len(X), 60, 4000, dtype=torch.complex64))


def measure_all(duration: float, sample_rate: float, threads: int, repeats: int) -> dict:
    """Measure both libraries, each in a process with a limited number of threads."""
    os.environ |= dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads)
    )
    return {
        how: in_own_process(measure, how, duration, sample_rate, threads, repeats)
        for how in ("gwpy", "one", "batch", "fft")
    }


def agreement() -> dict:
    """Compare the Q and the pixels of real strain."""
    import h5py

    cases = [(strain, 7.0) for strain in strain_glitches()[0]]
    for path in sorted((DATA / "strain_events").glob("*.hdf5")):
        with h5py.File(path) as file:
            cases.append((file["strain/Strain"][:], 16.4))
    rows = [compare(strain, trigger) for strain, trigger in cases]
    return {
        "glitches": len(rows),
        "same Q in %": 100 * float(np.mean([row["same Q"] for row in rows])),
        "lowest correlation of a view": min(row["correlation"] for row in rows),
        "median correlation": float(np.median([row["correlation"] for row in rows])),
    }


def compare(strain: np.ndarray, trigger: float) -> dict:
    """Compare one glitch on the pixels that both libraries compute."""
    from skglitch.spectrograms import QTransformer

    # As much strain before the trigger as after it.
    middle = round(4096 * trigger)
    n_before = min(middle, len(strain) - middle)
    strain = strain[middle - n_before : middle + n_before]
    ours = QTransformer(device="cpu").scan(strain[None])
    theirs = gwpy_views(strain, 4096, n_before / 4096)
    pairs = [
        np.corrcoef(*both)[0, 1]
        for both in (_pixels(*views) for views in zip(ours.data[0] / 10, theirs, strict=True))
    ]
    return {"same Q": abs(ours.q[0] - theirs[0].q) < 1e-3, "correlation": float(min(pairs))}


def _pixels(energy: np.ndarray, scan: Any) -> tuple[np.ndarray, np.ndarray]:
    """Sample gwpy's result as Gravity Spy does: 466 x 566 points, clipped, then resized."""
    from PIL import Image

    lines, columns = np.geomspace(2048, 10, 933)[1::2], (np.arange(566) + 0.5) / 566
    rows = np.minimum((2 * (lines - 10)).astype(int), scan.shape[1] - 1)
    points = scan.value[(columns * len(scan)).astype(int)][:, rows].T.clip(0, 25.5)
    image = Image.fromarray(points.astype(np.float32))
    picture = np.asarray(image.resize((170, 140), Image.Resampling.BILINEAR))
    is_shown = np.geomspace(2048, 10, 281)[1::2] < 0.98 * scan.frequencies.value[-1]
    return energy[is_shown].ravel(), picture[is_shown].ravel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="32 s at 4096 Hz, one thread only")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    store = Store("qtransform")
    print("against gwpy on real strain:", store.get("agreement", agreement), flush=True)
    cases = itertools.product((8.0, 32.0, 64.0), (4096.0, 16384.0), (1, 2))
    rows = []
    for duration, sample_rate, threads in [(32.0, 4096.0, 1)] if options.quick else cases:
        key = f"{duration:g} s | {sample_rate:g} Hz | {threads} threads"
        runs = store.get(key, measure_all, duration, sample_rate, threads, options.repeats)
        rows.append(row(key, runs))
        print(table(rows[-1:]), flush=True)
    print("\n" + table(rows))


def row(key: str, runs: dict) -> dict:
    """Return the milliseconds per glitch, their ratios and the memory."""
    milliseconds = {how: 1e3 * run["seconds"] for how, run in runs.items()}
    return {
        "strain": key,
        "gwpy [ms]": f"{milliseconds['gwpy']:.0f}",
        "single [ms]": f"{milliseconds['one']:.1f}",
        "speedup": f"{milliseconds['gwpy'] / milliseconds['one']:.0f}",
        "batch [ms]": f"{milliseconds['batch']:.1f}",
        "speedup of batch": f"{milliseconds['gwpy'] / milliseconds['batch']:.0f}",
        "FFTs [ms]": f"{milliseconds['fft']:.1f}",
        "memory of gwpy, single, batch [MB]": ", ".join(
            f"{runs[h]['memory in MB']:.0f}" for h in ("gwpy", "one", "batch")
        ),
    }


if __name__ == "__main__":
    main()
