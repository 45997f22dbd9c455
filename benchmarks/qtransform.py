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
import statistics
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import numpy as np
from _common import DATA, Store, peak_memory_mb, table

DURATIONS = (0.5, 1.0, 2.0, 4.0)
RANGES = {"qrange": (4, 64), "frange": (10, 2048)}


def strain(length: float, sample_rate: float, n_samples: int) -> np.ndarray:
    """White noise with a burst in the middle of each sample."""
    times = np.arange(round(length * sample_rate)) / sample_rate - length / 2
    rng = np.random.default_rng(0)
    frequencies = np.exp(rng.uniform(np.log(30), np.log(500), (n_samples, 1)))
    bursts = np.exp(-((times * frequencies / 1.5) ** 2)) * np.sin(2 * np.pi * frequencies * times)
    return rng.normal(size=(n_samples, times.size)) + 4 * bursts


def gwpy_views(values: np.ndarray, sample_rate: float, trigger: float) -> list[Any]:
    """What Gravity Spy computes for one glitch: a transform for each view."""
    from gwpy.timeseries import TimeSeries

    series = TimeSeries(values, sample_rate=sample_rate, t0=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it lowers the highest frequency to what it can do
        return [
            series.q_transform(
                **RANGES, gps=trigger, search=0.5, tres=0.002, fres=0.5, whiten=True,
                outseg=(trigger - duration / 2, trigger + duration / 2),
            )
            for duration in DURATIONS
        ]  # fmt: skip


def repeat(function: Callable, n_glitches: int, repeats: int) -> float:
    """Median seconds a glitch, after one call to warm up."""
    function()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds) / n_glitches


def measure(how: str, length: float, sample_rate: float, threads: int, repeats: int) -> dict:
    """Seconds a glitch and peak memory of one way, in this process."""
    import torch

    torch.set_num_threads(threads)
    n_glitches = 32 if how in ("batch", "fft") else 1
    X = strain(length, sample_rate, n_glitches)
    before = peak_memory_mb()
    if how == "gwpy":
        seconds = repeat(lambda: gwpy_views(X[0], sample_rate, length / 2), 1, max(1, repeats // 2))
    elif how == "fft":
        seconds = repeat(lambda: unavoidable(X, sample_rate), n_glitches, repeats)
    else:
        from skglitch.spectrograms import QTransformer

        transformer = QTransformer(sample_rate, DURATIONS, device="cpu", **_floats(RANGES))
        seconds = repeat(lambda: transformer.transform(X), n_glitches, repeats)
    return {"seconds": seconds, "memory in MB": peak_memory_mb(), "before": before}


def _floats(ranges: dict) -> dict:
    return {name: tuple(map(float, values)) for name, values in ranges.items()}


def unavoidable(X: np.ndarray, sample_rate: float) -> None:
    """Transforms of the strain and back, and those of the rows of a plane of middling Q."""
    import torch

    spectrum = torch.fft.rfft(torch.from_numpy(X))
    torch.fft.irfft(spectrum)
    torch.fft.ifft(torch.zeros(len(X), 60, 4000, dtype=torch.complex64))


def in_own_process(threads: int, *task: Any) -> dict:
    """Run :func:`measure` with the number of threads that every library respects."""
    os.environ |= dict.fromkeys(
        ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads)
    )
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(measure, *task).result()


def agreement() -> dict:
    """Same Q and same pixels on real strain."""
    import h5py

    cases = []
    with h5py.File(DATA / "strain_o3_glitches.hdf5") as file:
        cases += [(file[name][:], 7.0) for name in sorted(file)]
    for path in sorted((DATA / "strain_events").glob("*.hdf5")):
        with h5py.File(path) as file:
            cases.append((file["strain/Strain"][:], 16.4))
    rows = [compare(values, trigger) for values, trigger in cases]
    return {
        "glitches": len(rows),
        "same Q in %": 100 * float(np.mean([row["same Q"] for row in rows])),
        "lowest correlation of a view": min(row["correlation"] for row in rows),
        "median correlation": float(np.median([row["correlation"] for row in rows])),
    }


def compare(values: np.ndarray, trigger: float) -> dict:
    """One glitch, on the pixels that both of them show."""
    from skglitch.spectrograms import QTransformer

    # As much strain before the trigger as after it.
    middle = round(4096 * trigger)
    n_before = min(middle, len(values) - middle)
    values = values[middle - n_before : middle + n_before]
    ours = QTransformer(device="cpu").scan(values[None])
    theirs = gwpy_views(values, 4096, n_before / 4096)
    pairs = [
        np.corrcoef(*both)[0, 1]
        for both in (_pixels(*views) for views in zip(ours.data[0] / 10, theirs, strict=True))
    ]
    return {"same Q": abs(ours.q[0] - theirs[0].q) < 1e-3, "correlation": float(min(pairs))}


def _pixels(energy: np.ndarray, scan: Any) -> tuple[np.ndarray, np.ndarray]:
    """Draw gwpy's table as Gravity Spy does: 466 x 566 points, clipped, made smaller."""
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
    store.add("agreement", agreement())
    print("against gwpy on real strain:", store.runs["agreement"], flush=True)
    cases = itertools.product((8.0, 32.0, 64.0), (4096.0, 16384.0), (1, 2))
    rows = []
    for length, sample_rate, threads in [(32.0, 4096.0, 1)] if options.quick else cases:
        key = f"{length:g} s | {sample_rate:g} Hz | {threads} threads"
        if key not in store:
            task = length, sample_rate, threads, options.repeats
            ways = ("gwpy", "one", "batch", "fft")
            store.add(key, {how: in_own_process(threads, how, *task) for how in ways})
        rows.append(row(key, store.runs[key]))
        print(table(rows[-1:]), flush=True)
    print("\n" + table(rows))


def row(key: str, runs: dict) -> dict:
    """Milliseconds a glitch, ratios and memory."""
    milliseconds = {how: 1e3 * run["seconds"] for how, run in runs.items()}
    return {
        "strain": key,
        "gwpy in ms": f"{milliseconds['gwpy']:.0f}",
        "one in ms": f"{milliseconds['one']:.1f}",
        "ratio": f"{milliseconds['gwpy'] / milliseconds['one']:.0f}",
        "in 32 in ms": f"{milliseconds['batch']:.1f}",
        "ratio of 32": f"{milliseconds['gwpy'] / milliseconds['batch']:.0f}",
        "FFTs alone": f"{milliseconds['fft']:.1f}",
        "MB gwpy, one, 32": ", ".join(
            f"{runs[h]['memory in MB']:.0f}" for h in ("gwpy", "one", "batch")
        ),
    }


if __name__ == "__main__":
    main()
