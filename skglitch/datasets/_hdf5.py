"""Strain in HDF5 files: those of GWOSC, and any series with a few attributes."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from .._tables import import_h5py, open_hdf5
from ._messages import shorten
from ._strain import Strain, as_samples
from ._time_axis import TimeAxis, check_number, check_time, show_gps

_GWOSC = "strain/Strain"
# Data quality per second in files of GWOSC, and the names of its bits.
_MASK, _MASK_BITS = "quality/simple/DQmask", "quality/simple/DQShortnames"
# Names of attributes in files of GWOSC and gwpy, and others in common use.
_RATES = ("sample_rate", "fs")
_SPACINGS = ("Xspacing", "dx", "dt")
_STARTS = ("Xstart", "x0", "t0", "epoch", "gps_start")
_DETECTORS = ("ifo", "detector")
_CHANNELS = ("channel", "name")


class Hdf5Strain:
    """One series of an HDF5 file, of which only the requested parts are read.

    ``sample_rate``, ``t0`` and ``ifo`` are for files that do not have them.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        dataset: str | None = None,
        *,
        sample_rate: float | None = None,
        t0: float | None = None,
        ifo: str | None = None,
    ):
        self.path = Path(path)
        with open_hdf5(self.path) as file:
            self.dataset = self._find_dataset(file, dataset)
            self._where = f"{str(self.path)!r}, data set {self.dataset!r}"
            series = file[self.dataset]
            self._check_series(series)
            attributes = dict(series.attrs)
            if self.dataset == _GWOSC:
                meta = {"GPSstart": "gps_start", "Detector": "ifo"}
                for name, attribute in meta.items():
                    if f"meta/{name}" in file:
                        attributes.setdefault(attribute, file[f"meta/{name}"][()])
            n_samples = series.shape[0]
        rate = agree("sample_rate", sample_rate, self._find_rate(attributes), self._where)
        if rate is None:
            raise ValueError(
                f"{self._where} has no sample rate as an attribute "
                f"({', '.join(_RATES + _SPACINGS)}): pass sample_rate=."
            )
        starts = (self._number(name, attributes) for name in _STARTS if name in attributes)
        start = next(starts, None)
        start = agree("t0", t0, start, self._where)
        self.axis = TimeAxis(0.0 if start is None else start, rate, n_samples, str(self.path))
        self.ifo = agree_ifo(ifo, _find_ifo(attributes, self.dataset), self._where)

    @property
    def sample_rate(self) -> float:
        """Sample rate in Hz."""
        return self.axis.sample_rate

    def read(self, samples: slice) -> Strain:
        """Read a part of the series, NaN where a GWOSC file marks seconds as without data."""
        with open_hdf5(self.path) as file:
            data = as_samples(file[self.dataset][samples], self._where)
            if self.dataset == _GWOSC:
                self._blank_missing(file, data, samples)
        return Strain(data, self.axis.sample_rate, self.axis.time(samples.start), self.ifo)

    def around(self, gps: float, duration: float) -> np.ndarray:
        """Read the samples around a time, as :meth:`Strain.around` returns them."""
        samples = self.axis.around(gps, duration)
        data = self.read(samples).data
        self.axis.check_content(data, samples)
        return data

    def _find_dataset(self, file: Any, dataset: str | None) -> str:
        h5py = import_h5py()
        names: list[str] = []
        file.visititems(
            lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
        )
        if dataset is not None:
            if isinstance(file.get(dataset), h5py.Dataset):
                return dataset
            raise ValueError(
                f"{str(self.path)!r} has no data set {dataset!r}. It has "
                f"{shorten(map(repr, names)) or 'none'}."
            )
        if _GWOSC in names:
            return _GWOSC
        if len(names) == 1:
            return names[0]
        if not names:
            raise ValueError(f"{str(self.path)!r} is not a strain file: it has no data set.")
        raise ValueError(
            f"{str(self.path)!r} has no {_GWOSC!r} as files of GWOSC have, and {len(names)} data "
            f"sets: pass one of them as dataset=, such as {shorten(map(repr, names))}."
        )

    def _check_series(self, series: Any) -> None:
        """Check shape and dtype before anything is read."""
        if series.shape is None or len(series.shape) != 1:
            raise ValueError(f"{self._where} is not one-dimensional, but has shape {series.shape}.")
        if series.shape[0] == 0:
            raise ValueError(f"{self._where} is empty.")
        if series.dtype.kind not in "fiu":
            raise ValueError(f"{self._where} has dtype {series.dtype}, not real numbers.")
        unit = _text(series.attrs.get("xunit", "s"))
        if unit not in ("s", ""):
            raise ValueError(f"{self._where} is not a time series: its axis is in {unit}.")
        expected = series.attrs.get("Npoints", series.shape[0])
        if expected != series.shape[0]:
            raise ValueError(
                f"{self._where} has {series.shape[0]} samples, but Npoints={expected}: the file is "
                "incomplete."
            )

    def _find_rate(self, attributes: dict[str, Any]) -> float | None:
        for name in _RATES:
            if name in attributes:
                return self._number(name, attributes)
        for name in _SPACINGS:
            if name in attributes:
                rate = 1 / self._number(name, attributes)
                # The inverse of a spacing such as 0.001 is not whole to the last bit.
                return float(round(rate)) if abs(rate - round(rate)) < 1e-6 * rate else rate
        return None

    def _number(self, name: str, attributes: dict[str, Any]) -> float:
        try:
            if name in _STARTS:
                return check_time(name, attributes[name])
            return check_number(name, attributes[name], positive=True)
        except ValueError as error:
            raise ValueError(f"{self._where}: {error}") from None

    def _blank_missing(self, file: Any, data: np.ndarray, samples: slice) -> None:
        mask, names = file.get(_MASK), file.get(_MASK_BITS)
        if mask is None or names is None:
            return
        bits = [_text(name) for name in names[()]]
        n_per_value, rest = divmod(self.axis.n_samples, len(mask)) if len(mask) else (0, 1)
        if "DATA" not in bits or rest:
            return
        first, last = samples.start // n_per_value, -(-samples.stop // n_per_value)
        absent = (mask[first:last].astype(np.int64) >> bits.index("DATA")) & 1 == 0
        if absent.any():
            begin = samples.start - first * n_per_value
            data[np.repeat(absent, n_per_value)[begin : begin + len(data)]] = np.nan


def agree(name: str, given: Any, found: float | None, where: str) -> float | None:
    """Value of a parameter that may be given, found in the data, both, or neither.

    Raises ValueError if they differ. ``where`` is what the data is called in the message.
    """
    if given is None:
        return found
    if name == "sample_rate":
        number = check_number(name, given, positive=True)
    else:
        number = check_time(name, given)
    # A float resolves a GPS time to a quarter of a microsecond.
    if found is not None and not math.isclose(number, found, rel_tol=0, abs_tol=1e-6):
        raise ValueError(f"{name}={show_gps(number)}, but {where} has {show_gps(found)}.")
    return number if found is None else found


def agree_ifo(given: str | None, found: str, where: str) -> str:
    """Detector that is given, found in the data (else empty), or both."""
    if given is not None and found and given != found:
        raise ValueError(f"ifo={given!r}, but {where} has {found!r}.")
    return found or given or ""


def ifo_of_channel(name: str) -> str:
    """Detector of a channel such as ``H1:GDS-CALIB_STRAIN``, empty if it starts otherwise."""
    match = re.match(r"([A-Z]\d):", name)
    return match[1] if match else ""


def _find_ifo(attributes: dict[str, Any], dataset: str) -> str:
    for name in _DETECTORS:
        if name in attributes:
            return _text(attributes[name])
    channels = [_text(attributes[name]) for name in _CHANNELS if name in attributes]
    return next(filter(None, map(ifo_of_channel, [*channels, dataset.rpartition("/")[2]])), "")


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
