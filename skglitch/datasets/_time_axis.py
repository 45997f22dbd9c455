"""GPS times of samples, in memory or in a file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._validation import check_gps
from ._messages import shorten


@dataclass(frozen=True)
class TimeAxis:
    """GPS times of equally spaced samples, which are called ``name`` in error messages."""

    t0: float
    sample_rate: float
    n_samples: int
    name: str

    @property
    def t1(self) -> float:
        """GPS time in s of the end, one step after the last sample."""
        return self.time(self.n_samples)

    def time(self, index: int) -> float:
        """GPS time in s of a sample."""
        return self.t0 + index / self.sample_rate

    def index(self, gps: float) -> int:
        """Index of the sample nearest to a time, which may lie outside."""
        # Not round(), which rounds halves to even numbers.
        return math.floor((gps - self.t0) * self.sample_rate + 0.5)

    def between(self, start: Any, stop: Any) -> slice:
        """Find the samples from ``start`` to ``stop``, GPS times in s or None for the ends.

        Raises ValueError if ``start`` is not before ``stop``, or one of them lies outside.
        """
        check_order(start, stop)
        first = 0 if start is None else self.index(float(start))
        last = self.n_samples if stop is None else self.index(float(stop))
        for name, value, index in (("start", start, first), ("stop", stop, last)):
            if not 0 <= index <= self.n_samples:
                raise ValueError(f"{name}={show_gps(value)} is outside {self}.")
        if first >= last:
            raise ValueError(f"start={start!r} and stop={stop!r} leave no sample of {self}.")
        return slice(first, last)

    def around(self, gps: Any, duration: Any) -> slice:
        """Find the samples of ``duration`` s around a GPS time, which is number ``n // 2``."""
        gps = check_time("gps", gps)
        duration = check_number("duration", duration, positive=True)
        count = math.floor(duration * self.sample_rate + 0.5)
        if count == 0:
            raise ValueError(
                f"duration={duration:g} s is less than a sample at {self.sample_rate:g} Hz."
            )
        middle = self.index(gps)
        if not 0 <= middle < self.n_samples:
            raise ValueError(f"GPS {show_gps(gps)} is outside {self}.")
        first = middle - count // 2
        if first < 0 or first + count > self.n_samples:
            span = f"{show_gps(self.time(first))} to {show_gps(self.time(first + count))}"
            raise ValueError(
                f"GPS {show_gps(gps)} is too close to an end: the {duration:g} s around it are "
                f"GPS {span}, beyond {self}."
            )
        return slice(first, first + count)

    def gaps(self, data: np.ndarray, first: int = 0) -> list[tuple[float, float]]:
        """GPS times of the start and the stop of each gap: samples that are NaN or infinite.

        ``first`` is the index of the first of these samples.
        """
        missing = ~np.isfinite(data)
        if not missing.any():
            return []
        steps = np.diff(missing.astype(np.int8), prepend=0, append=0)
        starts, stops = np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
        return [
            (self.time(first + int(start)), self.time(first + int(stop)))
            for start, stop in zip(starts, stops, strict=True)
        ]

    def check_content(self, data: np.ndarray, samples: slice) -> None:
        """Raise ValueError if there are gaps in these samples, or all of them are zero."""
        part = f"GPS {show_gps(self.time(samples.start))} to {show_gps(self.time(samples.stop))}"
        gaps = self.gaps(data, samples.start)
        if gaps:
            shown = shorten(f"{show_gps(start)} to {show_gps(stop)}" for start, stop in gaps)
            raise ValueError(f"{part} of {self} has gaps (NaN): {shown}.")
        if not data.any():
            raise ValueError(f"{part} of {self} is all zeros.")

    def __str__(self) -> str:
        return f"{self.name}, which spans GPS {show_gps(self.t0)} to {show_gps(self.t1)}"


def show_gps(gps: float) -> str:
    """Format a GPS time with up to six decimals."""
    return f"{gps:.6f}".rstrip("0").rstrip(".")


def check_order(start: Any, stop: Any) -> None:
    """Raise ValueError if ``start`` is not before ``stop``. Each may be None."""
    first = None if start is None else check_time("start", start)
    last = None if stop is None else check_time("stop", stop)
    if first is not None and last is not None and first >= last:
        raise ValueError(f"start={show_gps(first)} must be before stop={show_gps(last)}.")


def check_time(name: str, value: Any) -> float:
    """Convert a GPS time, which needs 64 bits, to a float."""
    if isinstance(value, np.generic | np.ndarray):
        check_gps(value, name)
    return check_number(name, value)


def check_number(name: str, value: Any, *, positive: bool = False) -> float:
    """Convert a parameter to a finite float: anything that ``float`` takes, except text."""
    number = math.nan
    if not isinstance(value, bool | str | bytes) and np.ndim(value) == 0:
        try:
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
    if not math.isfinite(number) or (positive and number <= 0):
        raise ValueError(
            f"{name}={value!r} must be a {'positive' if positive else 'finite'} number."
        )
    return number
