"""The Gravity Spy training set off the web."""

from __future__ import annotations

import csv
import os
import shutil
import tarfile
import uuid
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from .._download import check_transfer, download, record_files
from .._home import get_data_home
from ._gravity_spy import check_parameters, load_gravity_spy

_RECORD = "1476551"
_ARCHIVE = "trainingsetv1d1.tar.gz"
_METADATA = "trainingset_v1d1_metadata.csv"


def fetch_gravity_spy(
    data_home: str | os.PathLike[str] | None = None,
    *,
    download_if_missing: bool = True,
    durations: Sequence[float] | None = (0.5, 1.0, 2.0, 4.0),
    size: tuple[int, int] | None = (140, 170),
    missing: str = "raise",
    on_error: str = "raise",
    return_X_y: bool = False,
    cache: bool | str | os.PathLike[str] = True,
    n_jobs: int | None = -1,
    progress: bool = True,
    base_url: str = "https://zenodo.org",
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Load the Gravity Spy training set, downloading it first if need be.

    Parameters
    ----------
    data_home : path, default=None
        Folder for the data, see :func:`get_data_home`. The pictures go to
        ``gravity_spy/trainingsetv1d1`` in it.
    download_if_missing : bool, default=True
        If False, raise an error instead of downloading.
    durations, size, missing, on_error, return_X_y
        As in :func:`load_gravity_spy`.
    cache : bool or path, default=True
        As in :func:`load_gravity_spy`; True is a folder in ``data_home``.
    n_jobs, progress
        As in :func:`load_gravity_spy`; ``progress`` shows the download as well.
    base_url : str, default="https://zenodo.org"
        Server to download from, for mirrors.
    n_retries : int, default=3
        How often to try again when the network fails.
    delay : float, default=1.0
        Time in s before the second try, twice as long before each further one.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        As from :func:`load_gravity_spy`, and with

        split : ndarray of shape (n,), dtype str, or None
            Part of the data that the authors of the set put a glitch in: ``"train"``,
            ``"validation"``, ``"test"``, or empty where they do not say. None if their
            table cannot be had.
    (data, target) : tuple
        If ``return_X_y`` is True.

    Raises
    ------
    OSError
        If the data is not there and cannot be downloaded. The message says what to put where
        by hand.
    ValueError
        If a parameter is out of range or the archive is not what it should be, and as
        :func:`load_gravity_spy` does.

    See Also
    --------
    load_gravity_spy : Load pictures that are on disk.

    Notes
    -----
    The set is record 1476551 of Zenodo (CC BY 4.0) [1]_, about 8,000 glitches of 22 classes
    from the first two observing runs. A download that breaks off goes on where it was, now
    or with the next call, and is compared with the checksum of the record. The archive is
    removed once its pictures are unpacked; one that was put there by hand is kept.

    References
    ----------
    .. [1] S. Coughlin, "Updated Gravity Spy Data Set", Zenodo (2018),
       https://doi.org/10.5281/zenodo.1476551.

    Examples
    --------
    >>> from skglitch.datasets import fetch_gravity_spy
    >>> X, y = fetch_gravity_spy(return_X_y=True)  # doctest: +SKIP
    """
    # Now and not after an hour of download.
    check_parameters(durations, size, missing, on_error, cache)
    check_transfer("base_url", base_url, n_retries, delay)
    home = get_data_home(data_home)
    shelf = _Shelf(home / "gravity_spy", base_url.rstrip("/"), n_retries, delay, progress)
    pictures = shelf.folder / _ARCHIVE.removesuffix(".tar.gz")
    if not pictures.is_dir():
        if not download_if_missing and not (shelf.folder / _ARCHIVE).exists():
            raise OSError(f"{pictures} does not exist, and download_if_missing=False.")
        by_hand = (shelf.folder / _ARCHIVE).exists()
        archive = shelf.obtain(_ARCHIVE)
        _unpack(archive, pictures, progress)
        if not by_hand:
            archive.unlink()
    if cache is True:
        cache = home / "gravity_spy_cache"
    bunch = load_gravity_spy(
        _class_folder(pictures),
        durations=durations,
        size=size,
        missing=missing,
        on_error=on_error,
        cache=cache,
        n_jobs=n_jobs,
        progress=progress,
    )
    if return_X_y:
        return bunch.data, bunch.target
    bunch.split = _read_split(shelf, bunch.ids, download_if_missing)
    return bunch


class _Shelf:
    """The folder that downloads go to, and how to get them."""

    def __init__(self, folder: Path, base_url: str, n_retries: int, delay: float, progress: bool):
        self.folder = folder
        self.base_url = base_url
        self.n_retries = n_retries
        self.delay = delay
        self.progress = progress

    def obtain(self, name: str) -> Path:
        """Return the path of a file of the record, downloaded unless it is there."""
        path = self.folder / name
        if path.exists():
            self._check(path)
            return path
        url = f"{self.base_url}/records/{_RECORD}/files/{name}?download=1"
        try:
            files = record_files(self.base_url, _RECORD)
            if name not in files:
                raise ConnectionError(f"the record has no file {name}, only {', '.join(files)}")
            download(
                files[name],
                path,
                n_retries=self.n_retries,
                delay=self.delay,
                progress=self.progress,
            )
        except ConnectionError as error:
            raise OSError(
                f"Cannot download {url} ({error}). What has arrived is kept and the next call "
                f"goes on from there. Or get the file in another way and put it at {path}"
            ) from error
        return path

    def _check(self, path: Path) -> None:
        """Compare a file that was put there by hand with the record."""
        try:
            file = record_files(self.base_url, _RECORD)[path.name]
        except (OSError, KeyError) as error:
            warnings.warn(
                f"{path} is used without comparing its checksum: {error}.",
                UserWarning,
                stacklevel=4,
            )
            return
        if not file.matches(path):
            raise ValueError(
                f"{path} is not the file of the record, which has {file.size} bytes and the "
                f"checksum {file.checksum}: remove it to have it downloaded."
            )


def _unpack(archive: Path, folder: Path, progress: bool) -> None:
    """Unpack into a folder of another name, and rename that once it is complete."""
    unpacked = folder.with_name(f".unpacking-{uuid.uuid4().hex}")
    unpacked.mkdir()
    try:
        with tarfile.open(archive) as tar:
            members = tqdm(tar, desc="Unpacking", unit=" files", delay=2.0, disable=not progress)
            # Python's own filter came with 3.11.4 only.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(unpacked, members=_staying_inside(members, unpacked))
        if not folder.is_dir():
            unpacked.rename(folder)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise ValueError(
            f"{archive} cannot be unpacked ({error}): remove it to have it downloaded."
        ) from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _staying_inside(members: Iterable[tarfile.TarInfo], folder: Path) -> Iterator[tarfile.TarInfo]:
    """Pass on members of an archive, none of which may leave the folder or lead out of it."""
    root = folder.resolve()
    for member in members:
        if not (member.isreg() or member.isdir()):
            raise tarfile.ExtractError(f"{member.name} is neither a file nor a folder")
        if not (root / member.name).resolve().is_relative_to(root):
            raise tarfile.ExtractError(f"{member.name} would leave the folder")
        yield member


def _class_folder(folder: Path) -> Path:
    """Go down to the folder that holds the class folders."""
    while True:
        inner = [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
        if len(inner) != 1 or not any(path.is_dir() for path in inner[0].iterdir()):
            return folder
        folder = inner[0]


def _read_split(shelf: _Shelf, ids: np.ndarray, download_if_missing: bool) -> np.ndarray | None:
    path = shelf.folder / _METADATA
    try:
        if not path.exists():
            if not download_if_missing:
                return None
            shelf.obtain(_METADATA)
        with open(path, newline="", encoding="utf-8") as stream:
            split = {row["gravityspy_id"]: row["sample_type"] for row in csv.DictReader(stream)}
    except (OSError, KeyError, UnicodeDecodeError) as error:
        # The pictures are good without it.
        warnings.warn(f"split is None, since {path} cannot be read: {error!r}", stacklevel=3)
        return None
    return np.array([split.get(id_) or "" for id_ in ids])
