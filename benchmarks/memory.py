"""Peak memory and time against the number of glitches on disk.

50 real glitches with four views are repeated on disk, as a memory map and in h5py and Zarr arrays.
A small network is fitted to the first n for one epoch, and classifies and embeds them, each in a
process of its own. Seconds are those of one CPU core.

    python benchmarks/memory.py [--numbers 500 5000 50000] [--arrays NAME ...] [--tasks NAME ...]
        [--results NAME]
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _common import DATA, Store, in_own_process, peak_memory_mb, table

from skglitch import CNNClassifier, TruncatedCNNTransformer
from skglitch.datasets import LazyArray, load_gravity_spy

SIZE, N_AT_ONCE = (70, 85), 500
TASKS = ("fit", "predict_proba", "transform")
KINDS = ("memory map", "h5py", "Zarr")


def write(folder: Path, n: int) -> None:
    """Write the same glitches in each format."""
    import h5py
    import zarr

    X, y = load_gravity_spy(DATA / "gravity_spy_o1", size=SIZE, return_X_y=True, progress=False)
    shape, chunks = (n, *X.shape[1:]), (32, *X.shape[1:])
    np.save(folder / "y.npy", np.resize(y, n))
    mapped = np.lib.format.open_memmap(folder / "X.npy", "w+", np.uint8, shape)
    zipped = zarr.create_array(folder / "X.zarr", shape=shape, chunks=chunks, dtype=np.uint8)
    with h5py.File(folder / "X.h5", "w") as file:
        data = file.create_dataset("data", shape, np.uint8, chunks=chunks)
        for start in range(0, n, N_AT_ONCE):
            rows = slice(start, min(start + N_AT_ONCE, n))
            for array in (mapped, data, zipped):
                array[rows] = np.resize(X, (rows.stop - start, *X.shape[1:]))
    mapped.flush()


def read(folder: Path, kind: str) -> LazyArray:
    """Open one of the files."""
    if kind == "memory map":
        return LazyArray(np.load(folder / "X.npy", mmap_mode="r"))
    if kind == "h5py":
        import h5py

        return LazyArray(h5py.File(folder / "X.h5")["data"])
    import zarr

    return LazyArray(zarr.open_array(folder / "X.zarr", mode="r"))


def measure(folder: Path, kind: str, task: str, n: int) -> dict[str, float]:
    """Run one task in this process, after the same task on a few glitches."""
    X, y = read(folder, kind), np.load(folder / "y.npy")
    settings: dict[str, Any] = {"weights": None, "device": "cpu", "engine": "torch"}
    classifier = CNNClassifier("test_efficientnet", max_epochs=1, random_state=0, **settings).fit(
        X[:64], y[:64]
    )
    transformer = TruncatedCNNTransformer(classifier, engine="torch").fit(X[:64])
    run = {
        "fit": lambda n: classifier.fit(X[:n], y[:n]),
        "predict_proba": lambda n: classifier.predict_proba(X[:n]),
        "transform": lambda n: transformer.transform(X[:n]),
    }[task]
    run(64)
    start = time.process_time()
    run(n)
    return {"seconds": time.process_time() - start, "MB": peak_memory_mb()}


def summarize(kind: str, task: str, numbers: list[int], runs: list[dict[str, float]]) -> dict:
    """Return a row of the table."""
    seconds, peaks = [run["seconds"] for run in runs], [run["MB"] for run in runs]
    # Fixed costs count less between the two largest numbers.
    slope = np.polyfit(np.log(numbers[-2:]), np.log(seconds[-2:]), 1)[0]
    return {
        "array": kind,
        "task": task,
        **{f"MB at {n}": f"{peak:.0f}" for n, peak in zip(numbers, peaks, strict=True)},
        **{f"s at {n}": f"{value:.3g}" for n, value in zip(numbers, seconds, strict=True)},
        "slope": f"{slope:.3f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--numbers", type=int, nargs="+", default=[500, 5000, 50000])
    parser.add_argument("--arrays", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--tasks", nargs="+", default=TASKS, choices=TASKS)
    parser.add_argument("--results", default="memory", help="name of the file of results")
    options = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    store, rows = Store(options.results), []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(folder, max(options.numbers))
        for kind in options.arrays:
            for task in options.tasks:
                runs = [
                    store.get(
                        f"{kind} | {task} | {n}", in_own_process, measure, folder, kind, task, n
                    )
                    for n in options.numbers
                ]
                rows.append(summarize(kind, task, options.numbers, runs))
                print(table(rows[-1:]).splitlines()[1], flush=True)
    print("\n" + table(rows))


if __name__ == "__main__":
    main()
