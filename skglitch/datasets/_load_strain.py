"""Strain out of files, arrays and the objects of other packages."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from ._hdf5 import Hdf5Strain, agree, agree_ifo, ifo_of_channel
from ._strain import Strain, as_samples
from ._time_axis import check_number, check_order, show_gps

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
    """Load strain from a file, an array or an object of gwpy.

    Parameters
    ----------
    source : path, array-like of shape (n_samples,), gwpy TimeSeries or Strain
        The files that are read are HDF5 files of GWOSC, other HDF5 files with a data set
        that has its sample rate as an attribute (those that gwpy writes do), and frame files
        (``.gwf``).
    sample_rate : float, default=None
        In Hz. An array needs it, and a file that does not tell it. Where the source tells
        it, it must be the same: nothing is resampled.
    t0 : float, default=None
        GPS time of the first sample in s, where the source does not tell it; None is then 0.
    ifo : str, default=None
        The detector, such as ``"H1"``, where the source does not tell it.
    dataset : str, default=None
        Path of the data set in an HDF5 file, or the channel of a frame file. Files of GWOSC
        in HDF5 and those with one data set need none.
    start, stop : float, default=None
        GPS times in s between which to load. Only this part of a file is read. None is the
        end of what there is.

    Returns
    -------
    strain : Strain
        NaN where there are gaps.

    Raises
    ------
    FileNotFoundError, IsADirectoryError
        If there is no such file.
    ImportError
        If h5py, or gwpy for a frame file, is not installed.
    ValueError
        If the source is no strain, is empty, zero throughout or nothing but a gap, if a
        parameter is missing or not what the source says, or if ``start`` and ``stop`` are
        not in this order within the source.

    See Also
    --------
    fetch_open_strain : Download strain from GWOSC.
    StrainFiles : Many files as one.
    load_triggers : Make spectrograms of many glitches.

    Notes
    -----
    In files of GWOSC, seconds whose bit ``DATA`` of the data quality is not set are gaps.
    The other bits are not looked at: glitches are found in bad times, too.

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
    if isinstance(source, str | os.PathLike):
        path = Path(source).expanduser()
        check_file(path)
        if is_frame(path):
            series = _read_frame(path, dataset, start, stop)
            strain = _from_series(series, sample_rate, t0, ifo, repr(str(path)))
            strain = strain.crop(start, stop)
        else:
            hdf5 = Hdf5Strain(path, dataset, sample_rate=sample_rate, t0=t0, ifo=ifo)
            strain = hdf5.read(hdf5.axis.between(start, stop))
        check_any_data(strain, repr(str(path)))
        return strain
    if dataset is not None:
        raise ValueError(f"dataset={dataset!r} is for files, not for a {type(source).__name__}.")
    if isinstance(source, Strain):
        strain = _from_strain(source, sample_rate, t0, ifo)
    elif all(hasattr(source, name) for name in ("value", "sample_rate", "t0")):
        strain = _from_series(source, sample_rate, t0, ifo, f"the {type(source).__name__}")
    else:
        strain = _from_array(source, sample_rate, t0, ifo)
    strain = strain.crop(start, stop)
    check_any_data(strain, f"the {type(source).__name__}")
    return strain


def check_any_data(strain: Strain, where: str) -> None:
    """Refuse strain without a number to work with."""
    start, stop = map(show_gps, strain.span)
    finite = np.isfinite(strain.data)
    if not finite.any():
        raise ValueError(f"{where} has a gap (NaN) from GPS {start} to {stop} and no data there.")
    if not strain.data[finite].any():
        raise ValueError(f"{where} is zero throughout from GPS {start} to {stop}.")


def open_hdf5(path: str | os.PathLike[str]) -> Hdf5Strain:
    """Open an HDF5 file to read from it here and there, or say why it cannot be done."""
    path = Path(path).expanduser()
    check_file(path)
    if is_frame(path):
        raise ValueError(
            f"{str(path)!r} is a frame file: pass load_strain({path.name!r}, dataset=CHANNEL) "
            "in place of its path."
        )
    return Hdf5Strain(path)


def check_file(path: Path) -> None:
    """Refuse what cannot be a file of strain."""
    if not path.exists():
        raise FileNotFoundError(f"{str(path)!r} does not exist.")
    if path.is_dir():
        raise IsADirectoryError(f"{str(path)!r} is a folder: give a file in it.")
    if path.stat().st_size == 0:
        raise ValueError(f"{str(path)!r} is empty.")
    with open(path, "rb") as stream:
        begin = stream.read(len(_HDF5_START))
    known = begin == _HDF5_START or begin.startswith(_FRAME_START)
    # HDF5 may come after a block of something else, so its suffix counts as well.
    if not known and path.suffix.lower() not in (*_HDF5_SUFFIXES, ".gwf"):
        raise ValueError(
            f"{str(path)!r} is no strain file: it is neither HDF5 nor a frame file (.gwf)."
        )


def is_frame(path: Path) -> bool:
    """Whether a file that is there is a frame file."""
    if path.suffix.lower() == ".gwf":
        return True
    with open(path, "rb") as stream:
        return stream.read(len(_FRAME_START)) == _FRAME_START


def _read_frame(path: Path, channel: str | None, start: Any, stop: Any) -> Any:
    try:
        from gwpy.timeseries import TimeSeries
    except ImportError as error:
        raise ImportError('Frame files are read with gwpy: pip install "skglitch[gwpy]"') from error
    if channel is None:
        raise ValueError(
            f"{str(path)!r} is a frame file: pass the channel to read as dataset=, such as "
            "dataset='H1:GWOSC-4KHZ_R1_STRAIN'."
        )
    limits = {}
    # Whole seconds, at which frames start and end: what is nearest to a time is settled later.
    if start is not None:
        limits["start"] = math.floor(check_number("start", start))
    if stop is not None:
        limits["end"] = math.ceil(check_number("stop", stop))
    try:
        return TimeSeries.read(str(path), channel, format="gwf", **limits)
    except ImportError as error:
        raise ImportError(
            f"gwpy needs a library to read frame files ({error}): pip install lalsuite"
        ) from error
    except (ValueError, RuntimeError, OSError, KeyError) as error:
        # Each of the libraries has its own kinds of errors.
        raise ValueError(f"Channel {channel!r} of {str(path)!r} cannot be read: {error}") from error


def _from_series(series: Any, sample_rate: Any, t0: Any, ifo: str | None, where: str) -> Strain:
    """Take over a TimeSeries of gwpy, known by its attributes so that gwpy is not needed."""
    rate = agree("sample_rate", sample_rate, _plain(series.sample_rate, "Hz"), where)
    begin = agree("t0", t0, _plain(series.t0, "s"), where)
    names = (str(getattr(series, name, "")) for name in ("channel", "name"))
    told = next(filter(None, map(ifo_of_channel, names)), "")
    assert rate is not None
    assert begin is not None
    return Strain(as_samples(series.value, "source"), rate, begin, agree_ifo(ifo, told, where))


def _plain(quantity: Any, unit: str) -> float:
    """Take the number out of a quantity."""
    return float(quantity.to_value(unit) if hasattr(quantity, "to_value") else quantity)


def _from_strain(strain: Strain, sample_rate: Any, t0: Any, ifo: str | None) -> Strain:
    agree("sample_rate", sample_rate, strain.sample_rate, "the Strain")
    agree("t0", t0, strain.t0, "the Strain")
    detector = agree_ifo(ifo, strain.ifo, "the Strain")
    return Strain(strain.data, strain.sample_rate, strain.t0, detector)


def _from_array(source: Any, sample_rate: Any, t0: Any, ifo: str | None) -> Strain:
    data = as_samples(source, "source")
    if sample_rate is None:
        raise ValueError("An array does not tell its sample rate: pass sample_rate= in Hz.")
    return Strain(data, sample_rate, 0.0 if t0 is None else t0, ifo or "")
