"""Strain in HDF5 files: those of GWOSC, and any series with a few attributes."""

from __future__ import annotations

import contextlib
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ._scan import shorten
from ._strain import Strain, as_samples
from ._time_axis import TimeAxis, check_number, show_gps

_GWOSC = "strain/Strain"
_MASK = "quality/simple/DQmask"
_MASK_BITS = "quality/simple/DQShortnames"
# The attributes of GWOSC, of gwpy, and what people write by hand.
_RATES = ("sample_rate", "fs")
_SPACINGS = ("Xspacing", "dx", "dt")
_STARTS = ("Xstart", "x0", "t0", "epoch", "gps_start")
_DETECTORS = ("ifo", "detector")
_CHANNELS = ("channel", "name")


def import_h5py() -> Any:
    """Import h5py, or say how to get it."""
    try:
        import h5py
    except ImportError as error:
        raise ImportError('HDF5 files need h5py: pip install "skglitch[strain]"') from error
    return h5py


class Hdf5Strain:
    """One series of an HDF5 file, read stretch by stretch.

    Parameters
    ----------
    path : path
        The file.
    dataset : str, default=None
        Path of the data set in it. None takes the strain of a file in GWOSC's form, or else
        the only data set there is.
    sample_rate, t0 : float, default=None
        What to assume in Hz and s where the file does not say it.
    ifo : str, default=None
        The same for the detector.

    Raises
    ------
    ImportError
        If h5py is not installed.
    ValueError
        If the file is none of HDF5, has no such series, does not tell the sample rate, or
        tells another one than the parameters do.
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
        with self._open() as file:
            self.dataset = self._find(file, dataset)
            series = file[self.dataset]
            self._where = f"{str(self.path)!r}, data set {self.dataset!r}"
            self._check_form(series)
            attributes = dict(series.attrs)
            meta = _read_meta(file) if self.dataset == _GWOSC else {}
            rate = agree("sample_rate", sample_rate, self._find_rate(attributes), self._where)
            if rate is None:
                raise ValueError(
                    f"{self._where} does not tell its sample rate in any of the attributes "
                    f"{', '.join(_RATES + _SPACINGS)}: pass sample_rate=."
                )
            start = agree("t0", t0, self._find_start(attributes, meta), self._where)
            self.axis = TimeAxis(
                0.0 if start is None else start, rate, series.shape[0], str(self.path)
            )
            self.ifo = agree_ifo(ifo, _find_ifo(attributes, meta, self.dataset), self._where)

    @property
    def sample_rate(self) -> float:
        """Sample rate in Hz."""
        return self.axis.sample_rate

    def read(self, samples: slice) -> Strain:
        """Read a part of the series.

        Parameters
        ----------
        samples : slice
            Which samples, as :attr:`axis` counts them.

        Returns
        -------
        strain : Strain
            With NaN in the seconds that the file marks as being without data.
        """
        with self._open() as file:
            data = as_samples(file[self.dataset][samples], self._where)
            if self.dataset == _GWOSC:
                self._blank_missing(file, data, samples)
        return Strain(data, self.axis.sample_rate, self.axis.time(samples.start), self.ifo)

    def around(self, gps: float, length: float) -> np.ndarray:
        """Read the samples around a time, as :meth:`Strain.around` takes them."""
        samples = self.axis.around(gps, length)
        data = self.read(samples).data
        self.axis.check_content(data, samples)
        return data

    @contextlib.contextmanager
    def _open(self) -> Iterator[Any]:
        h5py = import_h5py()
        if not h5py.is_hdf5(self.path):
            raise ValueError(f"{str(self.path)!r} is not an HDF5 file.")
        try:
            with h5py.File(self.path, "r") as file:
                yield file
        except (OSError, RuntimeError) as error:
            # What h5py raises of a file that is cut short, or has bytes that do not unpack.
            raise ValueError(f"{str(self.path)!r} is damaged: {error}.") from error

    def _find(self, file: Any, dataset: str | None) -> str:
        h5py = import_h5py()
        if dataset is not None:
            if isinstance(file.get(dataset), h5py.Dataset):
                return dataset
            found = shorten(map(repr, _list_datasets(file))) or "none"
            raise ValueError(
                f"{str(self.path)!r} has no data set {dataset!r}. Those it has: {found}."
            )
        if isinstance(file.get(_GWOSC), h5py.Dataset):
            return _GWOSC
        names = _list_datasets(file)
        if len(names) == 1:
            return names[0]
        if not names:
            raise ValueError(f"{str(self.path)!r} is no strain file: it has no data set.")
        raise ValueError(
            f"{str(self.path)!r} is no strain file of GWOSC (it has no {_GWOSC!r}), and has "
            f"{len(names)} data sets: pass one of them as dataset=, such as "
            f"{shorten(map(repr, names))}."
        )

    def _check_form(self, series: Any) -> None:
        """Look at shape and type before anything is read."""
        if series.shape is None or len(series.shape) != 1:
            raise ValueError(f"{self._where} is not one-dimensional but of shape {series.shape}.")
        if series.shape[0] == 0:
            raise ValueError(f"{self._where} is empty.")
        if series.dtype.kind not in "fiu":
            raise ValueError(f"{self._where} holds {series.dtype}, which are no real numbers.")
        unit = _text(series.attrs.get("xunit", "s"))
        if unit not in ("s", ""):
            raise ValueError(f"{self._where} is no series in time: its axis is in {unit}.")
        told = series.attrs.get("Npoints", series.shape[0])
        if told != series.shape[0]:
            raise ValueError(
                f"{self._where} has {series.shape[0]} samples, but says that they are {told}: "
                "the file is not complete."
            )

    def _find_rate(self, attributes: dict[str, Any]) -> float | None:
        for name in _RATES:
            if name in attributes:
                return self._number(name, attributes[name], positive=True)
        for name in _SPACINGS:
            if name in attributes:
                rate = 1 / self._number(name, attributes[name], positive=True)
                # Of a spacing such as 0.001 the rate is not whole to the last bit.
                return float(round(rate)) if abs(rate - round(rate)) < 1e-6 * rate else rate
        return None

    def _find_start(self, attributes: dict[str, Any], meta: dict[str, Any]) -> float | None:
        for name in _STARTS:
            if name in attributes:
                return self._number(name, attributes[name])
        return self._number("GPSstart", meta["GPSstart"]) if "GPSstart" in meta else None

    def _number(self, name: str, value: Any, positive: bool = False) -> float:
        try:
            return check_number(name, value, positive=positive)
        except ValueError as error:
            raise ValueError(f"{self._where}: {error}") from None

    def _blank_missing(self, file: Any, data: np.ndarray, samples: slice) -> None:
        mask, names = file.get(_MASK), file.get(_MASK_BITS)
        if mask is None or names is None:
            return
        bits = [_text(name) for name in names[()]]
        per_value, rest = divmod(self.axis.n_samples, len(mask)) if len(mask) else (0, 1)
        if "DATA" not in bits or rest:
            return
        first, last = samples.start // per_value, -(-samples.stop // per_value)
        absent = (mask[first:last].astype(np.int64) >> bits.index("DATA")) & 1 == 0
        if absent.any():
            begin = samples.start - first * per_value
            data[np.repeat(absent, per_value)[begin : begin + len(data)]] = np.nan


def agree(name: str, given: Any, told: float | None, where: str) -> float | None:
    """Settle a number that a parameter, the data, both, or neither tell.

    Parameters
    ----------
    name : str
        The parameter.
    given : float or None
        Its value.
    told : float or None
        What the data says.
    where : str
        Which data that is, for the message.

    Returns
    -------
    value : float or None

    Raises
    ------
    ValueError
        If they differ.
    """
    if given is None:
        return told
    number = check_number(name, given, positive=name == "sample_rate")
    # A float resolves a GPS time to a quarter of a microsecond.
    if told is not None and not math.isclose(number, told, rel_tol=0, abs_tol=1e-6):
        raise ValueError(
            f"{name}={show_gps(number)} is not what {where} has, which is {show_gps(told)}."
        )
    return number if told is None else told


def agree_ifo(given: str | None, told: str, where: str) -> str:
    """Settle the detector in the same way; ``told`` is empty where the data does not say it."""
    if given is not None and told and given != told:
        raise ValueError(f"ifo={given!r} is not the detector of {where}, which is {told!r}.")
    return told or given or ""


def ifo_of_channel(name: str) -> str:
    """Detector of a channel such as ``H1:GDS-CALIB_STRAIN``, empty if it starts otherwise."""
    match = re.match(r"([A-Z]\d):", name)
    return match[1] if match else ""


def _find_ifo(attributes: dict[str, Any], meta: dict[str, Any], dataset: str) -> str:
    if "Detector" in meta:
        return _text(meta["Detector"])
    for name in _DETECTORS:
        if name in attributes:
            return _text(attributes[name])
    names = [_text(attributes[name]) for name in _CHANNELS if name in attributes]
    return next(filter(None, map(ifo_of_channel, [*names, dataset.rpartition("/")[2]])), "")


def _read_meta(file: Any) -> dict[str, Any]:
    names = [name for name in ("GPSstart", "Detector") if f"meta/{name}" in file]
    return {name: file[f"meta/{name}"][()] for name in names}


def _list_datasets(file: Any) -> list[str]:
    h5py = import_h5py()
    names: list[str] = []
    file.visititems(
        lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None
    )
    return names


def _text(value: Any) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
