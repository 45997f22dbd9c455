"""Where samples lie in time, whether they are in memory or in a file."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

_SHOWN = 5


@dataclass(frozen=True)
class TimeAxis:
    """Samples at equal distances.

    Attributes
    ----------
    t0 : float
        GPS time of the first one in s.
    sample_rate : float
        In Hz.
    n_samples : int
        How many there are.
    name : str
        Whose samples they are, for messages.
    """

    t0: float
    sample_rate: float
    n_samples: int
    name: str

    @property
    def t1(self) -> float:
        """GPS time in s at which the samples end, one step after the last one."""
        return self.time(self.n_samples)

    def time(self, index: int) -> float:
        """GPS time in s of a sample."""
        return self.t0 + index / self.sample_rate

    def index(self, gps: float) -> int:
        """Find the number of the sample nearest to a time, which may be beyond the ends."""
        # Not round(): that takes halves up and down in turn.
        return math.floor((gps - self.t0) * self.sample_rate + 0.5)

    def between(self, start: Any, stop: Any) -> slice:
        """Find the samples from a GPS time to another, both to the nearest sample.

        Parameters
        ----------
        start, stop : float or None
            None is the first or the last sample there is.

        Returns
        -------
        samples : slice

        Raises
        ------
        ValueError
            If ``start`` is not before ``stop``, or one of them is outside the samples.
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

    def around(self, gps: Any, length: Any) -> slice:
        """Find the samples around a GPS time.

        Parameters
        ----------
        gps : float
            The time in s.
        length : float
            How many s to take.

        Returns
        -------
        samples : slice
            The one nearest to the time is number ``n // 2`` of them.

        Raises
        ------
        ValueError
            If the time is outside the samples or too near an end.
        """
        gps = check_number("gps", gps)
        length = check_number("length", length, positive=True)
        count = math.floor(length * self.sample_rate + 0.5)
        if count == 0:
            raise ValueError(
                f"length={length:g} s is less than a sample at {self.sample_rate:g} Hz."
            )
        middle = self.index(gps)
        if not 0 <= middle < self.n_samples:
            raise ValueError(f"GPS {show_gps(gps)} is outside {self}.")
        first = middle - count // 2
        if first < 0 or first + count > self.n_samples:
            reach = f"{show_gps(self.time(first))} to {show_gps(self.time(first + count))}"
            raise ValueError(
                f"GPS {show_gps(gps)} is too near an end: {length:g} s around it reach from "
                f"{reach}, beyond {self}."
            )
        return slice(first, first + count)

    def gaps(self, data: np.ndarray, first: int = 0) -> list[tuple[float, float]]:
        """Start and stop of each gap.

        Parameters
        ----------
        data : ndarray of shape (n,)
            Samples, NaN or infinite in gaps.
        first : int, default=0
            Number of the first of these samples.

        Returns
        -------
        gaps : list of tuple of float
            GPS times in s.
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
        """Refuse samples that no spectrogram can be made of.

        Parameters
        ----------
        data : ndarray of shape (n,)
            The samples.
        samples : slice
            Which ones they are.

        Raises
        ------
        ValueError
            If there are gaps in them, or zeros only.
        """
        stretch = f"GPS {show_gps(self.time(samples.start))} to {show_gps(self.time(samples.stop))}"
        gaps = self.gaps(data, samples.start)
        if gaps:
            raise ValueError(f"{stretch} of {self} has gaps (NaN): {_show_gaps(gaps)}.")
        if not data.any():
            raise ValueError(f"{stretch} of {self} is zero throughout.")

    def __str__(self) -> str:
        return f"{self.name}, which spans GPS {show_gps(self.t0)} to {show_gps(self.t1)}"


def _show_gaps(gaps: list[tuple[float, float]]) -> str:
    shown = ", ".join(f"{show_gps(start)} to {show_gps(stop)}" for start, stop in gaps[:_SHOWN])
    more = len(gaps) - _SHOWN
    return shown + (f" and {more} more" if more > 0 else "")


def show_gps(gps: float) -> str:
    """Write a GPS time with the microseconds that it has, and never as a power of ten."""
    return f"{gps:.6f}".rstrip("0").rstrip(".")


def check_order(start: Any, stop: Any) -> None:
    """Check the ends of a stretch of time, of which each may be None."""
    first = None if start is None else check_number("start", start)
    last = None if stop is None else check_number("stop", stop)
    if first is not None and last is not None and first >= last:
        raise ValueError(f"start={show_gps(first)} must be before stop={show_gps(last)}.")


def check_number(name: str, value: Any, *, positive: bool = False) -> float:
    """Turn a parameter into a float.

    Parameters
    ----------
    name : str
        What the parameter is called.
    value : object
        What was passed; anything that ``float`` takes, such as the GPS times of other
        packages, but not text.
    positive : bool, default=False
        Whether it has to be greater than 0.

    Returns
    -------
    value : float

    Raises
    ------
    ValueError
        If it is not a finite number.
    """
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
