"""Strain from files, arrays and the time series of gwpy."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from ._hdf5 import Hdf5Strain, agree, agree_ifo, ifo_of_channel
from ._strain import Strain, as_samples
from ._time_axis import check_order, check_time, show_gps

_HDF5_SUFFIXES = (".hdf5", ".hdf", ".h5")
_HDF5_START = b"\x89HDF\r\n\x1a\n"
_FRAME_START = b"IGWD"


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
        Sample rate in Hz of an array, or of a file that does not contain it. Nothing is
        resampled: a value that differs from the one in the source is an error.
    t0 : float, default=None
        GPS time of the first sample in s, where the source does not contain it. The default is
        then 0.
    ifo : str, default=None
        The detector, such as ``"H1"``, where the source does not contain it.
    dataset : str, default=None
        Path of the data set in an HDF5 file, or the channel of a frame file. HDF5 files of GWOSC
        and those with a single data set do not need it.
    start, stop : float, default=None
        GPS times in s of the part to load. None is the start or the end of the source.

    Returns
    -------
    strain : Strain
        NaN in gaps.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    ImportError
        If h5py, or gwpy for a frame file, is not installed.
    ValueError
        If the source is not strain, or is empty, all zeros or all NaN; if a parameter is missing
        or contradicts the source; or if ``start`` and ``stop`` are not in this order within it.

    See Also
    --------
    fetch_open_strain : Download strain from GWOSC.
    StrainFiles : Many files as one.
    load_triggers : Transform the strain around triggers.

    Notes
    -----
    In files of GWOSC, seconds whose data quality bit ``DATA`` is not set are gaps. The other bits
    are ignored, since glitches occur in bad times, too.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.datasets import load_strain
    >>> noise = np.random.default_rng(0).normal(size=40_960)
    >>> load_strain(noise, sample_rate=4096, t0=1126259462, ifo="H1", stop=1126259464)
    <Strain H1, 8192 samples at 4096 Hz, GPS 1126259462 to 1126259464>
    >>> load_strain("H-H1_GWOSC_4KHZ_R1-1126259447-32.hdf5")  # doctest: +SKIP
    <Strain H1, 131072 samples at 4096 Hz, GPS 1126259447 to 1126259479>
    """
    if ifo is not None and not isinstance(ifo, str):
        raise ValueError(f"ifo={ifo!r} must be text, such as 'H1'.")
    check_order(start, stop)
    is_path = isinstance(source, str | os.PathLike)
    if dataset is not None and not is_path:
        raise ValueError(f"dataset={dataset!r} is for files, not for a {type(source).__name__}.")
    where = f"the {type(source).__name__}"
    if is_path:
        path = Path(source).expanduser()
        where = repr(str(path))
        check_file(path)
        if is_frame(path):
            series = _read_frame(path, dataset, start, stop)
            strain = _from_series(series, sample_rate, t0, ifo, where).crop(start, stop)
        else:
            hdf5 = Hdf5Strain(path, dataset, sample_rate=sample_rate, t0=t0, ifo=ifo)
            strain = hdf5.read(hdf5.axis.between(start, stop))
    elif isinstance(source, Strain):
        agree("sample_rate", sample_rate, source.sample_rate, where)
        agree("t0", t0, source.t0, where)
        detector = agree_ifo(ifo, source.ifo, where)
        strain = Strain(source.data, source.sample_rate, source.t0, detector).crop(start, stop)
    elif all(hasattr(source, name) for name in ("value", "sample_rate", "t0")):
        strain = _from_series(source, sample_rate, t0, ifo, where).crop(start, stop)
    else:
        data = as_samples(source, "source")
        if sample_rate is None:
            raise ValueError("An array has no sample rate: pass sample_rate= in Hz.")
        strain = Strain(data, sample_rate, 0.0 if t0 is None else t0, ifo or "").crop(start, stop)
    check_any_data(strain, where)
    return strain


def check_any_data(strain: Strain, where: str) -> None:
    """Raise ValueError if all samples are NaN or zero."""
    start, stop = map(show_gps, strain.span)
    finite = np.isfinite(strain.data)
    if not finite.any():
        raise ValueError(f"{where} has no data (only NaN) from GPS {start} to {stop}.")
    if not strain.data[finite].any():
        raise ValueError(f"{where} is all zeros from GPS {start} to {stop}.")


def check_file(path: Path) -> None:
    """Raise an error if a file cannot be a strain file."""
    if not path.exists():
        raise FileNotFoundError(f"{str(path)!r} does not exist.")
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder: pass a file in it.")
    if path.stat().st_size == 0:
        raise ValueError(f"{str(path)!r} is empty.")
    with open(path, "rb") as stream:
        begin = stream.read(len(_HDF5_START))
    known = begin == _HDF5_START or begin.startswith(_FRAME_START)
    # HDF5 may start after a block of other data, so its suffix counts as well.
    if not known and path.suffix.lower() not in (*_HDF5_SUFFIXES, ".gwf"):
        raise ValueError(
            f"{str(path)!r} is not a strain file: neither HDF5 nor a frame file (.gwf)."
        )


def is_frame(path: Path) -> bool:
    """Whether an existing file is a frame file."""
    if path.suffix.lower() == ".gwf":
        return True
    with open(path, "rb") as stream:
        return stream.read(len(_FRAME_START)) == _FRAME_START


def _read_frame(path: Path, channel: str | None, start: Any, stop: Any) -> Any:
    try:
        from gwpy.timeseries import TimeSeries
    except ImportError as error:
        raise ImportError('Frame files need gwpy: pip install "skglitch[gwpy]"') from error
    if channel is None:
        raise ValueError(
            f"{str(path)!r} is a frame file: pass its channel as dataset=, such as "
            "dataset='H1:GWOSC-4KHZ_R1_STRAIN'."
        )
    limits = {}
    # Frames start and end at whole seconds. The strain is cropped to the nearest sample later.
    if start is not None:
        limits["start"] = math.floor(check_time("start", start))
    if stop is not None:
        limits["end"] = math.ceil(check_time("stop", stop))
    try:
        return TimeSeries.read(str(path), channel, format="gwf", **limits)
    except ImportError as error:
        raise ImportError(
            f"gwpy needs a library to read frame files ({error}): pip install lalsuite"
        ) from error
    except (ValueError, RuntimeError, OSError, KeyError) as error:
        # Each of the libraries raises errors of its own types.
        raise ValueError(f"Channel {channel!r} of {str(path)!r} cannot be read: {error}") from error


def _from_series(series: Any, sample_rate: Any, t0: Any, ifo: str | None, where: str) -> Strain:
    """Convert a TimeSeries of gwpy, recognized by its attributes so that gwpy is not needed."""
    rate = agree("sample_rate", sample_rate, _in_unit(series.sample_rate, "Hz"), where)
    begin = agree("t0", t0, _in_unit(series.t0, "s"), where)
    names = (str(getattr(series, name, "")) for name in ("channel", "name"))
    found = next(filter(None, map(ifo_of_channel, names)), "")
    assert rate is not None
    assert begin is not None
    return Strain(as_samples(series.value, "source"), rate, begin, agree_ifo(ifo, found, where))


def _in_unit(quantity: Any, unit: str) -> float:
    return float(quantity.to_value(unit) if hasattr(quantity, "to_value") else quantity)
