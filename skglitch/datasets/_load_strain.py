"""Strain from HDF5 files, frame files, arrays and the time series of gwpy."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from .._files import list_paths
from .._hdf5 import open_hdf5, read_array, read_attribute
from .._lazy import import_extra
from .._validation import describe_gaps, find_gaps
from ._channels import GWOSC, find_channels, frame_error, ifo_of_channel, is_frame
from ._strain import (
    Strain,
    TimeAxis,
    as_samples,
    check_number,
    check_order,
    check_samples,
    check_time,
    show_gps,
)

# Data quality per second in files of GWOSC, and the names of its bits.
_MASK, _MASK_BITS = "quality/simple/DQmask", "quality/simple/DQShortnames"
# Names of attributes in files of GWOSC and gwpy, and others in common use.
_RATES = ("sample_rate", "fs")
_SPACINGS = ("Xspacing", "dx", "dt")
_STARTS = ("Xstart", "x0", "t0", "epoch", "gps_start")
_DETECTORS = ("ifo", "detector")
_CHANNELS = ("channel", "name")
_ATTRIBUTES = (*_RATES, *_SPACINGS, *_STARTS, *_DETECTORS, *_CHANNELS, "xunit", "Npoints")


def load_strain(
    source: Any,
    *,
    sample_rate: float | None = None,
    t0: float | None = None,
    ifo: str | None = None,
    dataset: str | None = None,
    start: float | None = None,
    stop: float | None = None,
) -> Strain:
    """Load strain from a file, an array or a gwpy TimeSeries.

    Parameters
    ----------
    source : path, array-like of shape (n_samples,), gwpy TimeSeries or Strain
        Files may be HDF5 files of GWOSC, other HDF5 files with the sample rate as an attribute
        of the data set (such as those of gwpy), or frame files (``.gwf``).
    sample_rate : float, default=None
        Sample rate in Hz of an array, or of a file that does not contain it. Strain is not
        resampled: a value that differs from the one in the source is an error.
    t0 : float, default=None
        GPS time of the first sample in s, if the source does not contain it; by default 0.
    ifo : str, default=None
        The detector, such as ``"H1"``, if the source does not contain it.
    dataset : str, default=None
        Path of the data set in an HDF5 file, or the channel of a frame file, with or without the
        detector prefix. Not needed for files of GWOSC, or with one data set or channel.
    start, stop : float, default=None
        GPS times in s of the part to load. None is the start or the end of the source.

    Returns
    -------
    strain : Strain
        NaN in gaps. In files of GWOSC, gaps are the seconds whose data quality bit ``DATA`` is not
        set. Other bits are ignored, as glitches also occur in data of poor quality.

    Raises
    ------
    BlockingIOError, FileNotFoundError, IsADirectoryError
        If another program is writing the file, or there is no such file.
    ImportError
        If h5py, or gwpy for a frame file, is not installed.
    ValueError
        If the source is not strain, or is empty, all zeros or all NaN; if a parameter is missing
        or contradicts the source; or if ``start`` and ``stop`` are not ordered times within it.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.datasets import load_strain
    >>> noise = np.random.default_rng(0).normal(size=40_960)
    >>> load_strain(noise, sample_rate=4096, t0=1126259462, ifo="H1", stop=1126259464)
    <Strain H1, 8192 samples at 4096 Hz, GPS 1126259462 to 1126259464>
    """
    if ifo is not None and not isinstance(ifo, str):
        raise ValueError(f"ifo={ifo!r} must be text, such as 'H1'.")
    start, stop = check_order(start, stop)
    is_path = isinstance(source, str | os.PathLike)
    if not is_path and list_paths(source):
        raise ValueError(
            f"source is a {type(source).__name__} of paths, but must be one file: StrainFiles and "
            "load_triggers take several."
        )
    if dataset is not None and not is_path:
        raise ValueError(f"dataset={dataset!r} is for files, not for a {type(source).__name__}.")
    where = f"the {type(source).__name__}"
    series: Strain | Hdf5Strain
    if is_path:
        path = Path(source).expanduser()
        where = repr(str(path))
        if is_frame(path):
            frame = _read_frame(path, dataset, ifo, start, stop)
            series = _from_series(frame, sample_rate, t0, ifo, where)
        else:
            series = Hdf5Strain(path, dataset, sample_rate=sample_rate, t0=t0, ifo=ifo)
    elif isinstance(source, Strain):
        agree("sample_rate", sample_rate, source.sample_rate, where)
        agree("t0", t0, source.t0, where)
        series = replace(source, ifo=agree_ifo(ifo, source.ifo, where))
    elif all(hasattr(source, name) for name in ("value", "sample_rate", "t0")):
        series = _from_series(source, sample_rate, t0, ifo, where)
    else:
        data = as_samples(source, "source")
        if sample_rate is None:
            raise ValueError("An array has no sample rate: pass sample_rate= in Hz.")
        series = Strain(data, sample_rate, 0.0 if t0 is None else t0, ifo or "")
    strain = series.crop(start, stop)
    check_any_data(strain, where)
    return strain


class Hdf5Strain:
    """One series of an HDF5 file, of which only the requested parts are read."""

    def __init__(
        self,
        path: Path,
        dataset: str | None = None,
        *,
        sample_rate: float | None = None,
        t0: float | None = None,
        ifo: str | None = None,
    ):
        self.path = path
        self.dataset = _find_channel(path, dataset, ifo)
        self._where = where = f"{str(path)!r}, data set {self.dataset!r}"
        with open_hdf5(path) as file:
            series = file[self.dataset]
            shape, dtype = series.shape, series.dtype
            attributes = {name: read_attribute(series, name) for name in _ATTRIBUTES}
            if self.dataset == GWOSC:
                for name, attribute in (("GPSstart", "gps_start"), ("Detector", "ifo")):
                    if attributes[attribute] is None:
                        attributes[attribute] = read_array(file, f"meta/{name}")
        attributes = {name: value for name, value in attributes.items() if value is not None}
        check_samples(shape, dtype, where)
        n_samples = shape[0]
        unit = _text(attributes.get("xunit", "s"))
        if unit not in ("s", ""):
            raise ValueError(f"{where} is not a time series: its axis is in {unit}.")
        expected = self._number("Npoints", attributes) if "Npoints" in attributes else n_samples
        if expected != n_samples:
            raise ValueError(
                f"{where} has {n_samples} samples, but Npoints={expected:.0f}: the file is "
                "incomplete."
            )
        rate = agree("sample_rate", sample_rate, self._find_rate(attributes), where)
        if rate is None:
            raise ValueError(
                f"{where} has no sample rate as an attribute "
                f"({', '.join(_RATES + _SPACINGS)}): pass sample_rate=."
            )
        starts = (self._number(name, attributes) for name in _STARTS if name in attributes)
        start = agree("t0", t0, next(starts, None), where)
        self.axis = TimeAxis(0.0 if start is None else start, rate, n_samples, str(path))
        self.sample_rate, self.t0, self.t1 = rate, self.axis.t0, self.axis.t1
        self.ifo = agree_ifo(ifo, _find_ifo(attributes, self.dataset), where)

    def crop(self, start: float | None, stop: float | None) -> Strain:
        """Read a part of the series, NaN in seconds that a GWOSC file marks as without data."""
        samples = self.axis.between(start, stop)
        with open_hdf5(self.path) as file:
            data = np.asarray(read_array(file, self.dataset, samples))
            missing = self._find_missing(file, samples) if self.dataset == GWOSC else None
        data = as_samples(data, self._where)
        if missing is not None:
            data[missing] = np.nan
        return Strain(data, self.sample_rate, self.axis.time(samples.start), self.ifo)

    def _find_rate(self, attributes: dict[str, Any]) -> float | None:
        name = next((name for name in _RATES + _SPACINGS if name in attributes), None)
        if name is None or name in _RATES:
            return None if name is None else self._number(name, attributes)
        rate = 1 / self._number(name, attributes)
        # The inverse of a spacing such as 0.001 is not whole to the last bit.
        return float(round(rate)) if abs(rate - round(rate)) < 1e-6 * rate else rate

    def _number(self, name: str, attributes: dict[str, Any]) -> float:
        try:
            if name in _STARTS:
                return check_time(name, attributes[name])
            return check_number(name, attributes[name], positive=True)
        except ValueError as error:
            raise ValueError(f"{self._where}: {error}") from None

    def _find_missing(self, file: Any, samples: slice) -> np.ndarray | None:
        """Find the samples in seconds without data; None if the file does not say."""
        mask, names = (read_array(file, name) for name in (_MASK, _MASK_BITS))
        if mask is None or names is None:
            return None
        bits = [_text(name) for name in names]
        n_per_value, rest = divmod(self.axis.n_samples, len(mask)) if len(mask) else (0, 1)
        if "DATA" not in bits or rest:
            return None
        first, last = samples.start // n_per_value, -(-samples.stop // n_per_value)
        absent = (mask[first:last].astype(np.int64) >> bits.index("DATA")) & 1 == 0
        begin = samples.start - first * n_per_value
        return np.repeat(absent, n_per_value)[begin : begin + samples.stop - samples.start]


def _find_channel(path: Path, dataset: str | None, ifo: str | None) -> str:
    if isinstance(dataset, Mapping):
        raise ValueError(f"dataset={dataset!r} must be the name of a data set or channel.")
    names = [name for name, _ in find_channels(path, dataset, ifo)]
    if len(names) > 1:
        raise ValueError(
            f"{str(path)!r} has {' and '.join(map(repr, names))}: pass one as dataset=, or ifo=."
        )
    return names[0]


def agree(name: str, given: Any, found: float | None, where: str) -> float | None:
    """Value of a parameter that is given, found in the data, both if they agree, or neither."""
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


def _find_ifo(attributes: dict[str, Any], dataset: str) -> str:
    for name in _DETECTORS:
        if name in attributes:
            return _text(attributes[name])
    channels = [_text(attributes[name]) for name in _CHANNELS if name in attributes]
    return next(filter(None, map(ifo_of_channel, [*channels, dataset.rpartition("/")[2]])), "")


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def check_any_data(strain: Strain, where: str) -> None:
    """Raise ValueError if all samples are zeros or in gaps."""
    start, stop = map(show_gps, strain.span)
    if not strain.data[np.isfinite(strain.data)].any() and np.isfinite(strain.data).any():
        raise ValueError(f"{where} is all zeros from GPS {start} to {stop}.")
    if find_gaps(strain.data, strain.sample_rate).all():
        kind = describe_gaps(strain.data)
        raise ValueError(f"{where} has no data (only {kind}) from GPS {start} to {stop}.")


def _read_frame(path: Path, dataset: str | None, ifo: str | None, start: Any, stop: Any) -> Any:
    import_extra("gwpy", "Reading frame files", "gwpy")
    from gwpy.timeseries import TimeSeries

    channel = _find_channel(path, dataset, ifo)
    limits = {}
    # Frames start and end at whole seconds. The strain is cropped to the nearest sample later.
    if start is not None:
        limits["start"] = math.floor(start)
    if stop is not None:
        limits["end"] = math.ceil(stop)
    try:
        return TimeSeries.read(str(path), channel, format="gwf", **limits)
    except Exception as error:
        raise frame_error(error, f"Channel {channel!r} of {str(path)!r}") from error


def _from_series(series: Any, sample_rate: Any, t0: Any, ifo: str | None, where: str) -> Strain:
    """Convert a TimeSeries of gwpy, recognized by its attributes so that gwpy is not needed."""
    rate = series.sample_rate
    rate = float(rate.to_value("Hz") if hasattr(rate, "to_value") else rate)
    rate = agree("sample_rate", sample_rate, rate, where)
    begin = agree("t0", t0, check_time(f"t0 of {where}", series.t0), where)
    names = (str(getattr(series, name, "")) for name in ("channel", "name"))
    found = next(filter(None, map(ifo_of_channel, names)), "")
    assert rate is not None
    assert begin is not None
    return Strain(as_samples(series.value, "source"), rate, begin, agree_ifo(ifo, found, where))
