"""Strain of one detector, and the GPS times of its samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._validation import check_gps, describe_gaps, find_gaps, unmask
from ._parameters import shorten


@dataclass(frozen=True)
class TimeAxis:
    """GPS times of equally spaced samples, called ``name`` in error messages."""

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
        # Not round(), which rounds half to even. Indices have at most 64 bits.
        steps = (gps - self.t0) * self.sample_rate + 0.5
        return math.floor(min(max(steps, -(2.0**63)), 2.0**63))

    def between(self, start: Any, stop: Any) -> slice:
        """Find the samples between two GPS times in s, None for the ends, or raise ValueError."""
        start, stop = check_order(start, stop)
        first = 0 if start is None else self.index(start)
        last = self.n_samples if stop is None else self.index(stop)
        for name, value, index in (("start", start, first), ("stop", stop, last)):
            if not 0 <= index <= self.n_samples:
                raise ValueError(f"{name}={show_gps(value)} is outside {self}.")
        if first >= last:
            raise ValueError(f"start={start!r} and stop={stop!r} leave no sample of {self}.")
        return slice(first, last)

    def __str__(self) -> str:
        return f"{self.name}, which spans GPS {show_gps(self.t0)} to {show_gps(self.t1)}"


@dataclass(frozen=True, eq=False, repr=False)
class Strain:
    """Strain of one detector over a span of time.

    Parameters
    ----------
    data : array-like of shape (n_samples,)
        The samples, which are converted to a read-only float64 array, without a copy if possible.
        Samples that are NaN, infinite, or constant for 1/16 s or longer are gaps.
    sample_rate : float
        In Hz. Times are rounded to the nearest sample.
    t0 : float, default=0.0
        GPS time of the first sample in s.
    ifo : str, default=""
        The detector, such as ``"H1"``. Empty if unknown.

    Raises
    ------
    ValueError
        If ``data`` is empty or not a series of real numbers, or another parameter is invalid.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.datasets import Strain
    >>> strain = Strain(np.arange(64.0), sample_rate=16, t0=1000, ifo="H1")
    >>> strain
    <Strain H1, 64 samples at 16 Hz, GPS 1000 to 1004>
    >>> strain.crop(1001, 1003)
    <Strain H1, 32 samples at 16 Hz, GPS 1001 to 1003>
    >>> strain.around(1002, duration=0.25)
    array([30., 31., 32., 33.])
    """

    data: np.ndarray
    sample_rate: float
    t0: float = 0.0
    ifo: str = ""

    def __post_init__(self) -> None:
        # A view, so that the caller's own array stays writable.
        data = as_samples(self.data, "data").view()
        data.flags.writeable = False
        if not isinstance(self.ifo, str):
            raise ValueError(f"ifo={self.ifo!r} must be text, such as 'H1'.")
        object.__setattr__(self, "data", data)
        rate = check_number("sample_rate", self.sample_rate, positive=True)
        object.__setattr__(self, "sample_rate", rate)
        object.__setattr__(self, "t0", check_time("t0", self.t0))

    @property
    def duration(self) -> float:
        """Duration in s."""
        return len(self.data) / self.sample_rate

    @property
    def t1(self) -> float:
        """GPS time in s of the end, one step after the last sample."""
        return self._axis.t1

    @property
    def span(self) -> tuple[float, float]:
        """GPS times in s of the start and the end."""
        return self.t0, self.t1

    @property
    def gaps(self) -> list[tuple[float, float]]:
        """GPS times in s of the start and the end of each gap."""
        missing = find_gaps(self.data, self.sample_rate)
        steps = np.diff(missing.astype(np.int8), prepend=0, append=0)
        ends = (map(self._axis.time, np.flatnonzero(steps == sign).tolist()) for sign in (1, -1))
        return list(zip(*ends, strict=True))

    @property
    def _axis(self) -> TimeAxis:
        name = f"the strain of {self.ifo}" if self.ifo else "the strain"
        return TimeAxis(self.t0, self.sample_rate, len(self.data), name)

    def crop(self, start: float | None = None, stop: float | None = None) -> Strain:
        """Crop the strain to a span of time.

        Parameters
        ----------
        start, stop : float, default=None
            GPS times in s of the first sample and of the one after the last. None is the start or
            the end of the strain.

        Returns
        -------
        strain : Strain
            A view of the samples.

        Raises
        ------
        ValueError
            If ``start`` is not before ``stop``, or one of them is outside the strain.
        """
        part = self._axis.between(start, stop)
        return Strain(self.data[part], self.sample_rate, self._axis.time(part.start), self.ifo)

    def around(self, gps: float, duration: float) -> np.ndarray:
        """Take the samples around a time.

        Parameters
        ----------
        gps : float
            GPS time in s.
        duration : float
            Duration of the samples in s.

        Returns
        -------
        samples : ndarray of shape (n,)
            Read-only. The sample nearest to ``gps`` is at ``n // 2``.

        Raises
        ------
        ValueError
            If the time is outside or too close to an end, or the samples have gaps or are all zero.
        """
        gps = check_time("gps", gps)
        duration = check_number("duration", duration, positive=True)
        axis = self._axis
        count = math.floor(duration * self.sample_rate + 0.5)
        if count == 0:
            raise ValueError(f"duration={duration:g} s is less than a sample.")
        middle = axis.index(gps)
        if not 0 <= middle < axis.n_samples:
            raise ValueError(f"GPS {show_gps(gps)} is outside {axis}.")
        first = middle - count // 2
        span = f"GPS {show_gps(axis.time(first))} to {show_gps(axis.time(first + count))}"
        if first < 0 or first + count > axis.n_samples:
            raise ValueError(
                f"GPS {show_gps(gps)} is too close to an end: the {duration:g} s around it are "
                f"{span}, beyond {axis}."
            )
        part = Strain(self.data[first : first + count], self.sample_rate, axis.time(first))
        if not part.data.any():
            raise ValueError(f"{span} of {axis} is all zeros.")
        gaps = part.gaps
        if gaps:
            shown = shorten(f"{show_gps(start)} to {show_gps(stop)}" for start, stop in gaps)
            kind = describe_gaps(part.data[find_gaps(part.data, part.sample_rate)])
            raise ValueError(f"{span} of {axis} has gaps ({kind}): {shown}.")
        return part.data

    def __repr__(self) -> str:
        return (
            f"<Strain {self.ifo or 'of an unknown detector'}, {len(self.data)} samples at "
            f"{self.sample_rate:g} Hz, GPS {show_gps(self.t0)} to {show_gps(self.t1)}>"
        )


def as_samples(data: object, name: str) -> np.ndarray:
    """Convert one series of real numbers to float64."""
    array = np.asarray(unmask(data))
    check_samples(array.shape, array.dtype, name)
    return array.astype(np.float64, copy=False)


def check_samples(shape: Any, dtype: np.dtype, name: str) -> None:
    """Check the shape and dtype of an array, or of a data set of HDF5 before it is read."""
    if shape is None or len(shape) != 1:
        raise ValueError(f"{name} must be one-dimensional, but has shape {shape}.")
    if shape[0] == 0:
        raise ValueError(f"{name} is empty.")
    if dtype.kind not in "fiu":
        raise ValueError(f"{name} must hold real numbers, but has dtype {dtype}.")


def join(parts: list[Strain]) -> list[Strain]:
    """Concatenate contiguous parts, which are in order of time, without their overlaps."""
    runs: list[list[Strain]] = []
    for part in parts:
        last = runs[-1][-1] if runs else None
        if last is None or part.t0 > last.t1 + 0.5 / part.sample_rate:
            runs.append([part])
        elif part.t1 > last.t1:
            runs[-1].append(part.crop(start=last.t1) if part.t0 < last.t1 else part)
    return [
        Strain(np.concatenate([p.data for p in run]), run[0].sample_rate, run[0].t0, run[0].ifo)
        for run in runs
    ]


def show_gps(gps: float) -> str:
    """Format a GPS time with up to six decimals."""
    return f"{gps:.6f}".rstrip("0").rstrip(".")


def check_order(start: Any, stop: Any) -> tuple[float | None, float | None]:
    """Convert GPS times. ``start`` must be before ``stop``; each may be None."""
    first = None if start is None else check_time("start", start)
    last = None if stop is None else check_time("stop", stop)
    if first is not None and last is not None and first >= last:
        raise ValueError(f"start={show_gps(first)} must be before stop={show_gps(last)}.")
    return first, last


def check_time(name: str, value: Any) -> float:
    """Convert a GPS time, which needs 64 bits, to a float."""
    if value is not None and not isinstance(value, bool | str | bytes) and np.ndim(value) == 0:
        value = check_gps(value, name).item()
    return check_number(name, value)


def check_number(name: str, value: Any, *, positive: bool = False) -> float:
    """Convert a parameter to a finite float; strings are refused."""
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
