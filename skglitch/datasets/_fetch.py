"""The Gravity Spy training set from Zenodo."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import uuid
import warnings
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .._download import ZenodoRecord
from .._files import get_data_home
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
    """Load the Gravity Spy training set, downloading it if necessary.

    It has about 8,000 glitches of 22 classes from the first two observing runs [1]_ (CC BY 4.0).

    Parameters
    ----------
    data_home : path, default=None
        Folder for the data, see :func:`get_data_home`. The pictures are in its folder
        ``gravity_spy/trainingsetv1d1``. An archive that was put there by hand is kept.
    download_if_missing : bool, default=True
        If False, raise an error instead of downloading.
    durations, size, missing, on_error, return_X_y, cache, n_jobs
        As in :func:`load_gravity_spy`, but ``cache=True`` is a folder in ``data_home``.
    progress : bool, default=True
        Whether to show progress bars of the download and of the decoding.
    base_url : str, default="https://zenodo.org"
        Server, for mirrors.
    n_retries, delay
        As in :func:`fetch_open_strain`.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        As from :func:`load_gravity_spy`, and

        frame : pandas.DataFrame of n rows, or None
            The authors' table, in the order of ``data``. Among its columns are ``event_time``
            (GPS time in s), ``ifo``, ``snr``, ``peak_frequency`` in Hz and ``sample_type``, their
            split: ``"train"``, ``"validation"`` or ``"test"``. A glitch that is not in the table
            has NaN. None if the table is not available.
    (data, target) : tuple
        If ``return_X_y=True``.

    Raises
    ------
    OSError
        If the data is missing and cannot be downloaded. The message says which file to put where.
    ValueError
        If a parameter is invalid, the archive is damaged, and as from :func:`load_gravity_spy`.

    References
    ----------
    .. [1] S. Coughlin, "Updated Gravity Spy Data Set", Zenodo (2018),
       https://doi.org/10.5281/zenodo.1476551.

    Examples
    --------
    >>> from skglitch.datasets import fetch_gravity_spy
    >>> X, y = fetch_gravity_spy(return_X_y=True)  # doctest: +SKIP
    """
    import pandas as pd

    # Before an hour of download, not after it.
    check_parameters(durations, size, missing, on_error, cache)
    home = get_data_home(data_home)
    folder = home / "gravity_spy"
    record = ZenodoRecord(
        _RECORD, folder, base_url, download_if_missing, n_retries, delay, progress
    )
    pictures = folder / _ARCHIVE.removesuffix(".tar.gz")
    if not pictures.is_dir():
        is_there = (folder / _ARCHIVE).exists()
        archive = record.fetch(_ARCHIVE)
        _unpack(archive, pictures, progress)
        if not is_there:
            archive.unlink()
    bunch = load_gravity_spy(
        _class_folder(pictures),
        durations=durations,
        size=size,
        missing=missing,
        on_error=on_error,
        cache=home / "gravity_spy_cache" if cache is True else cache,
        n_jobs=n_jobs,
        progress=progress,
    )
    if return_X_y:
        return bunch.data, bunch.target
    bunch.frame = None
    if not download_if_missing and not (folder / _METADATA).exists():
        return bunch
    try:
        rows = pd.read_csv(record.fetch(_METADATA), dtype={"gravityspy_id": str})
        rows = rows.drop_duplicates("gravityspy_id").set_index("gravityspy_id")
        bunch.frame = rows.reindex(bunch.ids).reset_index()
    except (OSError, KeyError, ValueError) as error:
        # The pictures are useful without it.
        table = folder / _METADATA
        warnings.warn(f"frame is None, since {table} cannot be read: {error!r}", stacklevel=2)
    return bunch


def _unpack(archive: Path, folder: Path, progress: bool) -> None:
    """Unpack into a temporary folder, which is renamed when it is complete."""
    unpacked = folder.with_name(f".unpacking-{uuid.uuid4().hex}")
    unpacked.mkdir()
    try:
        with tarfile.open(archive) as tar:
            members = tqdm(tar, desc="Unpacking", unit=" files", delay=2.0, disable=not progress)
            # The filter of Python exists since 3.11.4 only.
            tar.extraction_filter = getattr(tarfile, "data_filter", None)
            tar.extractall(unpacked, members=_safe_members(members, unpacked))
            # To the end, where gzip has a checksum.
            while tar.fileobj.read(1 << 20):
                pass
        if not folder.is_dir():
            unpacked.rename(folder)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"{archive} cannot be unpacked ({error}): remove it to download it again."
        ) from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)


def _safe_members(members: Iterable[tarfile.TarInfo], folder: Path) -> Iterator[tarfile.TarInfo]:
    """Yield the members of an archive, which must be files or folders inside of the folder."""
    root = folder.resolve()
    for member in members:
        if not (member.isreg() or member.isdir()):
            raise tarfile.ExtractError(f"{member.name} is neither a file nor a folder")
        if not (root / member.name).resolve().is_relative_to(root):
            raise tarfile.ExtractError(f"{member.name} is outside of the folder")
        yield member


def _class_folder(folder: Path) -> Path:
    """Descend to the folder that contains the class folders."""
    while True:
        inner = [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
        if len(inner) != 1 or not any(path.is_dir() for path in inner[0].iterdir()):
            return folder
        folder = inner[0]
