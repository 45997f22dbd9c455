"""Observing time: segments, runs, and how much was observed up to a GPS time."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .._validation import check_gps

# Start and stop in GPS s, as https://gwosc.org/data/ has them.
LIGO_RUNS = {
    "O1": (1126051217, 1137254417),
    "O2": (1164556817, 1187733618),
    "O3a": (1238166018, 1253977218),
    "O3b": (1256655618, 1269363618),
    "O4a": (1368975618, 1389456018),
}


class Livetime:
    """Observing time: GPS times without the gaps.

    Parameters
    ----------
    segments : ndarray of shape (n_segments, 2)
        In order, without overlap.
    """

    def __init__(self, segments: NDArray[np.float64]) -> None:
        self.segments = segments
        lengths = segments[:, 1] - segments[:, 0]
        self.before = np.concatenate([[0.0], np.cumsum(lengths)])
        self.total = float(self.before[-1])

    def has(self, times: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Tell which GPS times were observed."""
        if not len(self.segments):
            return np.zeros(len(times), dtype=bool)
        index = self._index(times)
        return (index >= 0) & (times <= self.segments[index, 1])

    def elapsed(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """Observing time in s before GPS times, which must be in segments."""
        index = self._index(times)
        return self.before[index] + times - self.segments[index, 0]

    def gps(self, elapsed: float) -> float:
        """GPS time at which so much has been observed."""
        index = min(
            int(np.searchsorted(self.before, elapsed, side="right")) - 1, len(self.segments) - 1
        )
        return float(self.segments[index, 0] + elapsed - self.before[index])

    def _index(self, times: NDArray[np.float64]) -> NDArray[np.intp]:
        return np.searchsorted(self.segments[:, 0], times, side="right") - 1


def check_segments(
    segments: Any, detector: Any = None, run: tuple[float, float] | None = None
) -> NDArray[np.float64]:
    """Give the observing segments of a detector, in order.

    Parameters
    ----------
    segments : array-like of shape (n_segments, 2) or dict of such
        As in :func:`skglitch.discovery.onset`.
    detector : object, default=None
        Which of a dict to take.
    run : tuple of float, default=None
        GPS times in s from when to when to cut out of them.

    Returns
    -------
    segments : ndarray of shape (n_segments, 2)

    Raises
    ------
    ValueError
        If they are not pairs of GPS times, overlap, or lack the detector.
    """
    if isinstance(segments, Mapping):
        if detector is None:
            told = ", ".join(map(str, segments))
            raise ValueError(
                f"segments is given for each detector ({told}), but detectors is None: "
                "give the detector of each glitch, or pairs of start and stop."
            )
        if detector not in segments:
            raise ValueError(f"segments lacks detector {detector!r}, it has {list(segments)}.")
        segments = segments[detector]
    pairs = check_gps(segments, "segments")
    if pairs.ndim != 2 or pairs.shape[1] != 2 or len(pairs) == 0:
        raise ValueError(f"segments must be pairs of start and stop, got shape {pairs.shape}.")
    wrong = np.flatnonzero(~np.isfinite(pairs).all(axis=1))
    if len(wrong):
        raise ValueError(
            f"segments must be pairs of start and stop in GPS s, row {wrong[0]} is "
            f"{pairs[wrong[0]].tolist()}."
        )
    wrong = np.flatnonzero(pairs[:, 1] <= pairs[:, 0])
    if len(wrong):
        raise ValueError(f"segments: {pairs[wrong[0]].tolist()} does not stop after its start.")
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    overlap = np.flatnonzero(pairs[1:, 0] < pairs[:-1, 1])
    if len(overlap):
        i = overlap[0]
        raise ValueError(f"segments: {pairs[i].tolist()} and {pairs[i + 1].tolist()} overlap.")
    if run is None:
        return pairs
    pairs = np.clip(pairs, *run)
    return pairs[pairs[:, 1] > pairs[:, 0]]


def check_runs(runs: Any) -> dict[str, tuple[float, float]]:
    """Give observing runs in order of time.

    Parameters
    ----------
    runs : mapping of str to tuple of float, or "LIGO"
        As in :func:`skglitch.discovery.onset`.

    Returns
    -------
    runs : dict of str to tuple of float

    Raises
    ------
    ValueError
        If a run is no pair of GPS times, or two overlap.
    """
    if isinstance(runs, str):
        runs = LIGO_RUNS
    if not runs:
        raise ValueError("runs is empty: give the start and stop of each by its name, or None.")
    checked = {}
    for name, pair in runs.items():
        times = check_gps(pair, f"runs[{name!r}]")
        if times.shape != (2,) or not times[0] < times[1] or not np.isfinite(times).all():
            raise ValueError(
                f"runs[{name!r}] must be a start and a later stop in GPS s, got {pair!r}."
            )
        checked[name] = (float(times[0]), float(times[1]))
    ordered = sorted(checked.items(), key=lambda run: run[1])
    for (first, (_, stop)), (second, (start, _)) in pairwise(ordered):
        if start < stop:
            raise ValueError(f"runs: {first!r} and {second!r} overlap.")
    return dict(ordered)


def run_of(times: NDArray[np.float64], runs: Mapping[str, tuple[float, float]]) -> NDArray[np.intp]:
    """Tell which run each GPS time is in.

    Parameters
    ----------
    times : ndarray of shape (n,)
    runs : dict
        As :func:`check_runs` gives them.

    Returns
    -------
    index : ndarray of shape (n,)
        The number of the run, -1 for none.
    """
    bounds = np.array(list(runs.values()))
    index = np.searchsorted(bounds[:, 0], times, side="right") - 1
    return np.where(times <= bounds[index, 1], index, -1)
