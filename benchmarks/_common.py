"""Shared code of the benchmark scripts: data, timing, confidence intervals and stored results."""

from __future__ import annotations

import json
import os
import resource
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from skglitch.datasets import get_data_home, load_gravity_spy
from skglitch.spectrograms import QTransformer

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("SKGLITCH_TEST_DATA", HERE.parents[1] / "shared" / "data"))
RESULTS = HERE / "results"


def mean_interval(values: Sequence[float], confidence_level: float = 0.95) -> tuple[float, float]:
    """Return the mean of repeated runs and the half-width of its Student interval."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float(values.mean()), float("nan")
    quantile = stats.t.ppf((1 + confidence_level) / 2, len(values) - 1)
    return float(values.mean()), float(quantile * values.std(ddof=1) / np.sqrt(len(values)))


def interval(values: Sequence[float], digits: int = 1) -> str:
    """Format the mean and the half-width of its interval, which a single value does not have."""
    mean, half = mean_interval(values)
    return f"{mean:.{digits}f}" + ("" if np.isnan(half) else f" ± {half:.{digits}f}")


def percent(values: Iterable[float]) -> str:
    """Format the mean and interval of fractions in percent."""
    return interval([100 * value for value in values])


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Format rows with equal keys as aligned text."""
    rows = list(rows)
    header = list(rows[0])
    cells = [header, *[[str(row[key]) for key in header] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(f"{c:<{w}}" for c, w in zip(r, widths, strict=True)) for r in cells]
    return "\n".join(line.rstrip() for line in lines)


def median_seconds(function: Callable[[], Any], repeats: int) -> float:
    """Return the median wall time of a call."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def peak_memory_mb() -> float:
    """Return the peak memory of this process in MB.

    On Linux, children inherit ``ru_maxrss`` from their parent, but ``VmHWM`` starts anew.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_own_process(function: Callable, *arguments: Any) -> Any:
    """Call a function in a new process, so that memory and settings of others do not count."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def real_glitches(*runs: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the 4 s view and labels of images, by default all 230 of O1 (2 classes) and O3 (3)."""
    sets = [
        load_gravity_spy(
            DATA / f"gravity_spy_{run}", durations=(4.0,), return_X_y=True, progress=False
        )
        for run in runs or ("o1", "o3")
    ]
    X, y = (np.concatenate(parts) for parts in zip(*sets, strict=True))
    return X, y.astype(str)


def strain_glitches() -> tuple[np.ndarray, np.ndarray]:
    """Return strain around glitches of O3 and their labels."""
    import h5py

    with h5py.File(DATA / "strain_o3_glitches.hdf5") as file:
        strain = np.stack([file[name][:] for name in sorted(file)])
        return strain, np.array([file[name].attrs["label"] for name in sorted(file)])


def four_view_sets() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return X and y of each set of real glitches with views of 0.5, 1, 2 and 4 s."""
    strain, labels = strain_glitches()
    options = {"missing": "skip", "return_X_y": True, "progress": False}
    return {
        "22 classes": load_gravity_spy(DATA / "gravity_spy_22", **options),
        "O1 pictures": load_gravity_spy(DATA / "gravity_spy_o1", **options),
        "O3 strain": (QTransformer(4096).transform(strain), labels),
    }


def cached(name: str, compute: Callable, *arguments: Any) -> dict[str, np.ndarray]:
    """Return the arrays that a function computes, stored in the cache folder of skglitch."""
    path = get_data_home() / "benchmarks" / f"{name}.npz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".tmp.npz")
        np.savez(draft, **compute(*arguments))
        draft.replace(path)
    with np.load(path) as file:
        return dict(file)


class Store:
    """A JSON file of finished runs, so that an interrupted benchmark can be resumed."""

    def __init__(self, name: str, folder: Path = RESULTS) -> None:
        folder.mkdir(exist_ok=True)
        self.path = folder / f"{name}.json"
        self.runs = json.loads(self.path.read_text()) if self.path.exists() else {}

    def get(self, key: str, run: Callable, *arguments: Any) -> Any:
        """Return the stored result of a run, after running it if there is none."""
        if key not in self.runs:
            self.add(key, run(*arguments))
        return self.runs[key]

    def add(self, key: str, value: Any) -> None:
        """Store a result atomically."""
        self.runs[key] = value
        draft = self.path.with_suffix(".json.tmp")
        draft.write_text(json.dumps(self.runs, indent=1, sort_keys=True))
        draft.replace(self.path)
