"""Strain of one detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._time_axis import TimeAxis, check_number, check_time, show_gps


@dataclass(frozen=True, eq=False, repr=False)
class Strain:
    """Strain of one detector over a span of time.

    Parameters
    ----------
    data : array-like of shape (n_samples,)
        The samples, NaN in gaps. They are stored as a read-only float64 array. A float64 array
        is not copied.
    sample_rate : float
        In Hz.
    t0 : float, default=0.0
        GPS time of the first sample in s.
    ifo : str, default=""
        The detector, such as ``"H1"``. Empty if unknown.

    Raises
    ------
    ValueError
        If ``data`` is empty or not a series of real numbers, or another parameter is invalid.

    See Also
    --------
    load_strain : Load strain from a file.
    fetch_open_strain : Download strain.

    Notes
    -----
    Times are rounded to the nearest sample.

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
        return self._axis.gaps(self.data)

    @property
    def _axis(self) -> TimeAxis:
        name = f"the strain of {self.ifo}" if self.ifo else "the strain"
        return TimeAxis(self.t0, self.sample_rate, len(self.data), name)

    def crop(self, start: float | None = None, stop: float | None = None) -> Strain:
        """Crop the strain to a span of time.

        Parameters
        ----------
        start, stop : float, default=None
            GPS times in s of the first sample and of the one after the last. None is the end
            of the strain.

        Returns
        -------
        strain : Strain
            A view of the samples.

        Raises
        ------
        ValueError
            If ``start`` is not before ``stop``, or one of them is outside the strain.
        """
        samples = self._axis.between(start, stop)
        return Strain(
            self.data[samples], self.sample_rate, self._axis.time(samples.start), self.ifo
        )

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
            Read-only. The sample nearest to ``gps`` is number ``n // 2``.

        Raises
        ------
        ValueError
            If the time is outside the strain or too close to an end, if there are gaps in these
            samples, or if all of them are zero.
        """
        samples = self._axis.around(gps, duration)
        data = self.data[samples]
        self._axis.check_content(data, samples)
        return data

    def __repr__(self) -> str:
        return (
            f"<Strain {self.ifo or 'of an unknown detector'}, {len(self.data)} samples at "
            f"{self.sample_rate:g} Hz, GPS {show_gps(self.t0)} to {show_gps(self.t1)}>"
        )


def as_samples(data: object, name: str) -> np.ndarray:
    """Convert one series of real numbers to float64."""
    array = np.asarray(data)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, but has shape {array.shape}.")
    if array.size == 0:
        raise ValueError(f"{name} is empty.")
    if array.dtype.kind not in "fiu":
        raise ValueError(f"{name} must hold real numbers, but has dtype {array.dtype}.")
    return array.astype(np.float64, copy=False)


def join(parts: list[Strain]) -> list[Strain]:
    """Concatenate parts in order of time, without their overlaps, between gaps."""
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
