"""Strain of GWOSC off the web."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from .._download import RemoteFile, check_transfer, download
from .._home import get_data_home
from ._hdf5 import Hdf5Strain, import_h5py
from ._load_strain import check_any_data
from ._strain import Strain
from ._time_axis import check_number

# Names of files as GWOSC has given them since 2010, such as
# H-H1_LOSC_4_V2-1126259446-32.hdf5 or L-L1_GWOSC_O3a_16KHZ_R1-1238163456-4096.hdf5.
_NAME = re.compile(
    r"[A-Z]-(?P<ifo>[A-Z]\d)_(?P<release>(?:L|GW)OSC_(?:[\w.-]+_)?(?P<rate>4|16)(?:KHZ)?"
    r"_[RV](?P<version>\d+))-(?P<start>\d+)-(?P<duration>\d+)\.(?:hdf5|h5)"
)
_RATES = {4096: "4", 16384: "16"}


def fetch_open_strain(
    gps: float,
    ifo: str,
    *,
    length: float = 32.0,
    sample_rate: int = 4096,
    data_home: str | os.PathLike[str] | None = None,
    download_if_missing: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
    progress: bool = True,
    host: str = "https://gwosc.org",
) -> Strain:
    """Load public strain around a time, downloading it first if need be.

    Parameters
    ----------
    gps : float
        GPS time in s.
    ifo : str
        The detector, such as ``"H1"``.
    length : float, default=32.0
        How many s to load, ``gps`` in the middle.
    sample_rate : {4096, 16384}, default=4096
        In Hz.
    data_home : path, default=None
        Folder for the data, see :func:`get_data_home`. The files go to ``open_strain`` in it.
    download_if_missing : bool, default=True
        If False, raise an error instead of downloading.
    n_retries : int, default=3
        How often to try again when a download fails.
    delay : float, default=1.0
        Time in s before the second try, twice as long before each further one.
    progress : bool, default=True
        Whether to show the download.
    host : str, default="https://gwosc.org"
        Server to ask, for mirrors.

    Returns
    -------
    strain : Strain
        NaN where the detector took no data.

    Raises
    ------
    ImportError
        If h5py is not installed, or gwosc while files have to be found.
    OSError
        If files are missing and cannot be downloaded. The message says what to put where by
        hand.
    ValueError
        If a parameter is out of range, or GWOSC has no data of that time.

    See Also
    --------
    load_strain : Load strain from a file.
    load_triggers : Make spectrograms of many glitches; takes this function as ``strain``.

    Notes
    -----
    The Gravitational Wave Open Science Center publishes the strain of LIGO, Virgo and KAGRA
    (CC BY 4.0) [1]_. Where it has a file of 32 s of the time, as around events of the first
    runs, that is downloaded (1 MB), otherwise one of 4096 s (some 125 MB, at 4096 Hz), or
    two where the time is near the end of one.

    Files stay in the folder, also such as were put there by hand, and are known by their
    names: nothing is asked of the server while they hold what is wanted. To make room,
    remove them.

    References
    ----------
    .. [1] https://gwosc.org

    Examples
    --------
    >>> from skglitch.datasets import fetch_open_strain
    >>> fetch_open_strain(1126259462.4, "H1", length=8.0)  # doctest: +SKIP
    <Strain H1, 32768 samples at 4096 Hz, GPS 1126259458.4 to 1126259466.4>
    """
    middle = check_number("gps", gps)
    half = check_number("length", length, positive=True) / 2
    if not isinstance(ifo, str) or not re.fullmatch(r"[A-Z]\d", ifo):
        raise ValueError(f"ifo={ifo!r} must be a detector, such as 'H1'.")
    if sample_rate not in _RATES:
        raise ValueError(f"sample_rate={sample_rate!r} is not one of 4096, 16384.")
    check_transfer("host", host, n_retries, delay)
    # Now and not after a download.
    import_h5py()
    wanted = _Wanted(ifo, int(sample_rate), math.floor(middle - half), math.ceil(middle + half))
    folder = get_data_home(data_home) / "open_strain"
    files = wanted.choose(path.name for path in folder.glob("*"))
    new = []
    if files is None:
        if not download_if_missing:
            raise OSError(f"{folder} has no files of {wanted}, and download_if_missing=False.")
        urls = _locate(wanted, host.rstrip("/"), folder)
        names = {urlsplit(url).path.rpartition("/")[2]: url for url in urls}
        files = wanted.choose(names)
        if files is None:
            raise ValueError(_nothing_found(wanted))
        new = [file.name for file in files if not (folder / file.name).exists()]
        for name in new:
            _obtain(names[name], folder / name, n_retries, delay, progress)
    strain = _join([_read(folder / file.name, file, wanted, file.name in new) for file in files])
    check_any_data(strain, f"{folder / files[0].name}")
    return strain.crop(middle - half, middle + half)


@dataclass(frozen=True)
class _File:
    """A file as its name describes it, with GPS times in s."""

    name: str
    release: str
    version: int
    start: int
    stop: int


@dataclass(frozen=True)
class _Wanted:
    """The stretch to load, in whole seconds as files have them."""

    ifo: str
    sample_rate: int
    start: int
    stop: int

    def choose(self, names: Iterable[str]) -> list[_File] | None:
        """Choose the files to take the stretch from, None if they do not hold all of it.

        All are of one release, as calibrations differ. Of several ways, the one with the
        fewest and then the shortest files is taken, and the newest version; strain that was
        cleaned of glitches is the last choice.
        """
        releases: dict[str, list[_File]] = {}
        for name in names:
            match = _NAME.fullmatch(name)
            if match and match["ifo"] == self.ifo and match["rate"] == _RATES[self.sample_rate]:
                start = int(match["start"])
                stop = start + int(match["duration"])
                file = _File(name, match["release"], int(match["version"]), start, stop)
                releases.setdefault(file.release, []).append(file)
        ways = [way for files in releases.values() if (way := self._cover(files))]
        return min(ways, key=_cost, default=None)

    def _cover(self, files: list[_File]) -> list[_File] | None:
        """Cover the stretch with files of one release."""
        alone = [f for f in files if f.start <= self.start and f.stop >= self.stop]
        if alone:
            return [min(alone, key=lambda file: (file.stop - file.start, file.name))]
        way = []
        reached = self.start
        while reached < self.stop:
            further = [f for f in files if f.start <= reached < f.stop]
            if not further:
                return None
            way.append(max(further, key=lambda file: (file.stop, file.name)))
            reached = way[-1].stop
        return way

    def __str__(self) -> str:
        return f"{self.ifo} at {self.sample_rate} Hz from GPS {self.start} to {self.stop}"


def _cost(way: list[_File]) -> tuple[bool, int, int, int, str]:
    seconds = sum(file.stop - file.start for file in way)
    return "_CLN_" in way[0].release, len(way), seconds, -way[0].version, way[0].name


def _locate(wanted: _Wanted, host: str, folder: Path) -> list[str]:
    try:
        from gwosc.locate import get_urls
    except ImportError as error:
        raise ImportError(
            'Files of GWOSC are found with gwosc: pip install "skglitch[strain]"'
        ) from error
    try:
        return get_urls(
            wanted.ifo,
            wanted.start,
            wanted.stop,
            sample_rate=wanted.sample_rate,
            format="hdf5",
            host=host,
        )
    except Exception as error:
        # A ValueError alone is its answer that there is nothing. What goes wrong with the
        # network is of types of the packages below it, of which some are ValueErrors too.
        if type(error) is ValueError:
            raise ValueError(_nothing_found(wanted)) from error
        raise OSError(
            f"{host} cannot be asked for files of {wanted} ({_brief(error)}). Or get them in "
            f"another way, from https://gwosc.org/data, and put them into {folder} with the "
            f"names that they have there, such as {_example(wanted)}"
        ) from error


def _brief(error: Exception) -> str:
    return str(error) or type(error).__name__


def _example(wanted: _Wanted) -> str:
    start = wanted.start // 4096 * 4096
    rate = _RATES[wanted.sample_rate]
    return f"{wanted.ifo[0]}-{wanted.ifo}_GWOSC_{rate}KHZ_R1-{start}-4096.hdf5"


def _nothing_found(wanted: _Wanted) -> str:
    return (
        f"GWOSC has no data of all of {wanted}. Near an end of the data, a smaller length may do; "
        "https://gwosc.org/timeline shows what there is."
    )


def _obtain(url: str, path: Path, n_retries: int, delay: float, progress: bool) -> None:
    try:
        download(RemoteFile(url), path, n_retries=n_retries, delay=delay, progress=progress)
    except ConnectionError as error:
        raise OSError(
            f"Cannot download {url} ({error}). What has arrived is kept and the next call goes "
            f"on from there. Or get the file in another way and put it at {path}"
        ) from error


def _read(path: Path, file: _File, wanted: _Wanted, is_new: bool) -> Strain:
    """Read what a file has of the stretch."""
    try:
        hdf5 = Hdf5Strain(path, "strain/Strain", sample_rate=wanted.sample_rate, ifo=wanted.ifo)
        start, stop = max(file.start, wanted.start), min(file.stop, wanted.stop)
        return hdf5.read(hdf5.axis.between(start, stop))
    except ValueError as error:
        if not is_new:
            raise ValueError(f"{error} Remove {path} to have it downloaded.") from error
        # GWOSC publishes no checksums: that it cannot be read tells that it came wrong.
        path.unlink()
        raise OSError(f"What was downloaded is of no use and has been removed: {error}") from error


def _join(pieces: list[Strain]) -> Strain:
    """Put stretches that follow one another into one, without what two of them have."""
    first = pieces[0]
    data = [first.data]
    end = first.t1
    for piece in pieces[1:]:
        data.append(piece.crop(start=end).data if piece.t0 < end else piece.data)
        end = piece.t1
    return Strain(np.concatenate(data), first.sample_rate, first.t0, first.ifo)
