"""Shared code of the benchmark scripts: data, confidence intervals, tables and stored results."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from skglitch.datasets import load_gravity_spy

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("SKGLITCH_TEST_DATA", HERE.parents[1] / "shared" / "data"))
RESULTS = HERE / "results"


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Mean and half-width of Student's interval over repeated runs."""
    values = np.asarray(values, dtype=float)
    if len(values) < 2:
        return float(values.mean()), float("nan")
    quantile = stats.t.ppf((1 + confidence) / 2, len(values) - 1)
    return float(values.mean()), float(quantile * values.std(ddof=1) / np.sqrt(len(values)))


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows of equal keys as aligned text."""
    rows = list(rows)
    header = list(rows[0])
    cells = [header, *[[str(row[key]) for key in header] for row in rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(f"{c:<{w}}" for c, w in zip(r, widths, strict=True)) for r in cells]
    return "\n".join(line.rstrip() for line in lines)


def peak_memory_mb() -> float:
    """Largest memory of this process so far, in MB.

    Linux hands the peak of a parent on to its children in ``ru_maxrss``; ``VmHWM`` starts anew.
    """
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def real_glitches() -> tuple[np.ndarray, np.ndarray]:
    """X and y of 230 pictures of five classes, out of two observing runs, in the view of 4 s."""
    sets = [
        load_gravity_spy(DATA / name, durations=(4.0,), return_X_y=True, progress=False)
        for name in ("gravity_spy_o1", "gravity_spy_o3")
    ]
    X, y = (np.concatenate(parts) for parts in zip(*sets, strict=True))
    return X, y.astype(str)


class Store:
    """A JSON file of finished runs, so that a benchmark goes on where it was stopped."""

    def __init__(self, name: str) -> None:
        RESULTS.mkdir(exist_ok=True)
        self.path = RESULTS / f"{name}.json"
        self.runs = json.loads(self.path.read_text()) if self.path.exists() else {}

    def __contains__(self, key: str) -> bool:
        return key in self.runs

    def add(self, key: str, value: Any) -> None:
        """Write ``value`` down under ``key``, whole or not at all."""
        self.runs[key] = value
        draft = self.path.with_suffix(".json.tmp")
        draft.write_text(json.dumps(self.runs, indent=1, sort_keys=True))
        draft.replace(self.path)
