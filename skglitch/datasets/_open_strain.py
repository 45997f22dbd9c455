"""Public strain from GWOSC."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from .._download import RemoteFile, check_transfer, download
from .._files import get_data_home
from .._hdf5 import import_h5py
from .._lazy import import_extra
from ._load_strain import Hdf5Strain, check_any_data
from ._strain import Strain, check_number, check_time, join

# File names that GWOSC has used since 2010, such as H-H1_LOSC_4_V2-1126259446-32.hdf5 or
# L-L1_GWOSC_O3a_16KHZ_R1-1238163456-4096.hdf5.
_NAME = re.compile(
    r"[A-Z]-(?P<ifo>[A-Z]\d)_(?P<release>(?:L|GW)OSC_(?:[\w.-]+_)?(?P<rate>4|16)(?:KHZ)?"
    r"_[RV](?P<version>\d+))-(?P<start>\d+)-(?P<duration>\d+)\.(?:hdf5|h5)"
)
_HOST = "https://gwosc.org"
_RATES = {4096: "4", 16384: "16"}
_NO_DATA = (
    "GWOSC does not have all data of {}. Near an end of the data, try a shorter duration; "
    "https://gwosc.org/timeline shows what is available."
)


def fetch_open_strain(
    gps: float,
    ifo: str,
    *,
    duration: float = 32.0,
    sample_rate: int = 4096,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
    progress: bool = True,
) -> Strain:
    """Load public strain from GWOSC [1]_ (CC BY 4.0) around a time, downloading it if necessary.

    Parameters
    ----------
    gps : float
        GPS time in s.
    ifo : str
        The detector, such as ``"H1"``.
    duration : float, default=32.0
        Duration of the strain in s, with ``gps`` in the middle.
    sample_rate : {4096, 16384}, default=4096
        Sample rate in Hz.
    data_home : path, default=None
        Folder for the data, see :func:`get_data_home`. The files are in its subfolder
        ``open_strain``: 1 MB each around events of the first runs, and 125 MB otherwise.
    download_if_missing : bool, default=True
        If False, raise an error instead of downloading.
    n_retries : int, default=3
        Number of times to retry a failed download.
    delay : float, default=1.0
        Time in s before the first retry. It doubles with each retry.
    progress : bool, default=True
        Whether to show a progress bar of the download.

    Returns
    -------
    strain : Strain
        NaN in gaps.

    Raises
    ------
    ImportError
        If h5py is not installed, or gwosc to locate files to download.
    OSError
        If files are missing and cannot be downloaded. The message says which file to put where.
    ValueError
        If a parameter is invalid, or GWOSC has no data at that time.

    References
    ----------
    .. [1] https://gwosc.org

    Examples
    --------
    >>> from skglitch.datasets import fetch_open_strain
    >>> fetch_open_strain(1126259462.4, "H1", duration=8.0)  # doctest: +SKIP
    <Strain H1, 32768 samples at 4096 Hz, GPS 1126259458.4 to 1126259466.4>
    """
    middle = check_time("gps", gps)
    half = check_number("duration", duration, positive=True) / 2
    if not isinstance(ifo, str) or not re.fullmatch(r"[A-Z]\d", ifo):
        raise ValueError(f"ifo={ifo!r} must be a detector, such as 'H1'.")
    if sample_rate not in _RATES:
        raise ValueError(f"sample_rate={sample_rate!r} is not one of 4096, 16384.")
    check_transfer(n_retries, delay)
    # Before the download, not after it.
    import_h5py()
    span = _Span(ifo, int(sample_rate), math.floor(middle - half), math.ceil(middle + half))
    folder = get_data_home(data_home) / "open_strain"
    files = span.choose(path.name for path in folder.glob("*"))
    new = []
    if files is None:
        if not download_if_missing:
            raise OSError(f"{folder} has no files of {span}, and download_if_missing=False.")
        urls = _locate(span, folder)
        names = {urlsplit(url).path.rpartition("/")[2]: url for url in urls}
        files = span.choose(names)
        if files is None:
            raise ValueError(_NO_DATA.format(span))
        new = [file.name for file in files if not (folder / file.name).exists()]
        for name in new:
            url, path = names[name], folder / name
            try:
                download(RemoteFile(url), path, n_retries=n_retries, delay=delay, progress=progress)
            except ConnectionError as error:
                raise OSError(
                    f"Cannot download {url} ({error}). The next call resumes the download. "
                    f"Alternatively put the file at {path}"
                ) from error
    parts = [_read(folder / file.name, file, span, file.name in new) for file in files]
    strain = join(parts)[0]
    check_any_data(strain, f"{folder / files[0].name}")
    return strain.crop(middle - half, middle + half)


@dataclass(frozen=True)
class _File:
    """A file as described by its name, with GPS times in s."""

    name: str
    release: str
    version: int
    start: int
    stop: int


@dataclass(frozen=True)
class _Span:
    """Requested strain, in whole GPS s as files are."""

    ifo: str
    sample_rate: int
    start: int
    stop: int

    def choose(self, names: Iterable[str]) -> list[_File] | None:
        """Choose files of one release that contain the span, None if there are none."""
        releases: dict[str, list[_File]] = {}
        for name in names:
            match = _NAME.fullmatch(name)
            if match and match["ifo"] == self.ifo and match["rate"] == _RATES[self.sample_rate]:
                start = int(match["start"])
                stop = start + int(match["duration"])
                file = _File(name, match["release"], int(match["version"]), start, stop)
                releases.setdefault(file.release, []).append(file)
        choices = [files for release in releases.values() if (files := self._cover(release))]
        return min(choices, key=_cost, default=None)

    def _cover(self, files: list[_File]) -> list[_File] | None:
        """Cover the span with files of one release."""
        single = [f for f in files if f.start <= self.start and f.stop >= self.stop]
        if single:
            return [min(single, key=lambda file: (file.stop - file.start, file.name))]
        chosen = []
        end = self.start
        while end < self.stop:
            further = [f for f in files if f.start <= end < f.stop]
            if not further:
                return None
            chosen.append(max(further, key=lambda file: (file.stop, file.name)))
            end = chosen[-1].stop
        return chosen

    def __str__(self) -> str:
        return f"{self.ifo} at {self.sample_rate} Hz from GPS {self.start} to {self.stop}"


def _cost(files: list[_File]) -> tuple[bool, int, int, int, str]:
    seconds = sum(file.stop - file.start for file in files)
    first = files[0]
    return "_CLN_" in first.release, len(files), seconds, -first.version, first.name


def _locate(span: _Span, folder: Path) -> list[str]:
    gwosc = import_extra("gwosc.locate", "Locating files of GWOSC", "strain")
    options = {"sample_rate": span.sample_rate, "format": "hdf5", "host": _HOST}
    try:
        return gwosc.get_urls(span.ifo, span.start, span.stop, **options)
    except Exception as error:
        # gwosc raises ValueError if there is no data. Network errors have types of its
        # dependencies, some of which are subclasses of ValueError.
        if type(error) is ValueError:
            raise ValueError(_NO_DATA.format(span)) from error
        example = (
            f"{span.ifo[0]}-{span.ifo}_GWOSC_{_RATES[span.sample_rate]}KHZ_R1-"
            f"{span.start // 4096 * 4096}-4096.hdf5"
        )
        raise OSError(
            f"{_HOST} cannot be queried for files of {span} ({error or type(error).__name__}). "
            f"Alternatively download them from https://gwosc.org/data and put them into {folder} "
            f"under their own names, such as {example}"
        ) from error


def _read(path: Path, file: _File, span: _Span, is_new: bool) -> Strain:
    """Read the part of the span that a file contains."""
    try:
        hdf5 = Hdf5Strain(path, "strain/Strain", sample_rate=span.sample_rate, ifo=span.ifo)
        return hdf5.crop(max(file.start, span.start), min(file.stop, span.stop))
    except ValueError as error:
        if not is_new:
            raise ValueError(f"{error} Remove {path} to download it again.") from error
        # GWOSC publishes no checksums: a file that cannot be read did not arrive intact.
        path.unlink()
        raise OSError(f"The download was corrupt and has been removed: {error}") from error
