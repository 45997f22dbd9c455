"""Livetime: observing segments, observing runs, and conversion between GPS time and livetime."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._validation import check_segments

Floats = NDArray[np.float64]

# Start and end in GPS s, from https://gwosc.org/data/.
LIGO_RUNS = {
    "O1": (1126051217, 1137254417),
    "O2": (1164556817, 1187733618),
    "O3a": (1238166018, 1253977218),
    "O3b": (1256655618, 1269363618),
    "O4a": (1368975618, 1389456018),
}


class Livetime:
    """Time in sorted segments of GPS times ``(n_segments, 2)``, counted without the gaps."""

    def __init__(self, segments: Floats) -> None:
        self.segments = segments
        self._before = np.concatenate([[0.0], np.cumsum(segments[:, 1] - segments[:, 0])])
        self.total = float(self._before[-1])

    def contains(self, gps: Floats) -> NDArray[np.bool_]:
        """Find the GPS times in a segment, both ends included."""
        if not len(self.segments):
            return np.zeros(len(gps), dtype=bool)
        index = self._index(gps)
        return (index >= 0) & (gps <= self.segments[index, 1])

    def from_gps(self, gps: Floats) -> Floats:
        """Convert GPS times, which must be in segments, to livetime in s."""
        index = self._index(gps)
        return self._before[index] + gps - self.segments[index, 0]

    def to_gps(self, livetime: float) -> float:
        """Convert livetime in s to a GPS time."""
        index = int(np.searchsorted(self._before, livetime, side="right")) - 1
        index = min(index, len(self.segments) - 1)
        return float(self.segments[index, 0] + livetime - self._before[index])

    def _index(self, gps: Floats) -> NDArray[np.intp]:
        return np.searchsorted(self.segments[:, 0], gps, side="right") - 1


def check_runs(runs: Mapping[str, Any] | str) -> dict[str, tuple[float, float]]:
    """Check observing runs, "LIGO" or starts and ends by name, and sort them."""
    given = LIGO_RUNS if isinstance(runs, str) else runs
    if not given:
        raise ValueError("runs is empty: give the start and end of each run by its name, or None.")
    checked = {}
    for name, pair in given.items():
        ((start, end),) = check_segments([pair], f"runs[{name!r}]").tolist()
        checked[name] = (start, end)
    ordered = sorted(checked.items(), key=lambda run: run[1])
    for (first, (_, end)), (second, (start, _)) in pairwise(ordered):
        if start < end:
            raise ValueError(f"runs: {first!r} and {second!r} overlap.")
    return dict(ordered)


def find_runs(gps: Floats, runs: Mapping[str, tuple[float, float]]) -> NDArray[np.intp]:
    """Find the run of each GPS time, -1 for none; a shared boundary belongs to the later run."""
    bounds = np.array(list(runs.values()))
    index = np.searchsorted(bounds[:, 0], gps, side="right") - 1
    return np.where(gps <= bounds[index, 1], index, -1)
