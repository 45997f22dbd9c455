"""Downloads of Gravity Spy: training set, catalog, pictures, and votes of volunteers."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import tarfile
import uuid
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import Bunch
from tqdm import tqdm

from .._download import RemoteFile, ZenodoRecord, check_transfer, download
from .._files import check_path, get_data_home
from .._pictures import DURATIONS
from ._gravity_spy import check_parameters, load_gravity_spy
from ._parameters import check_choice, check_durations, list_problems
from ._trigger_table import Columns

if TYPE_CHECKING:
    import pandas as pd

_TRAINING_SET, _CATALOG, _VOTES = "1476551", "5649212", "13904422"
_ARCHIVE, _METADATA = "trainingsetv1d1.tar.gz", "trainingset_v1d1_metadata.csv"
_RUNS, _IFOS = ("O1", "O2", "O3a", "O3b"), ("H1", "L1")
_VOTES_FILE = "classifications.csv.bz2"
# Parts of a path that come from a table must not lead out of the folder.
_PART, _URL = re.compile(r"\w[\w.+ -]*"), re.compile(r"https?://\S+")
_PNG = b"\x89PNG\r\n\x1a\n"


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
    n_retries: int = 3,
    delay: float = 1.0,
) -> Any:
    """Load the Gravity Spy training set, downloading it if necessary.

    It has about 8,000 glitches of 22 classes from the first two observing runs [1]_ (CC BY 4.0).

    Parameters
    ----------
    data_home : path, default=None
        Folder for the data, see :func:`get_data_home`. The pictures are in its subfolder
        ``gravity_spy/trainingsetv1d1``. An archive that was already in ``gravity_spy`` is kept.
    download_if_missing : bool, default=True
        If False, raise an error instead of downloading.
    durations, size, missing, on_error, return_X_y, cache, n_jobs
        As in :func:`load_gravity_spy`, but ``cache=True`` is a folder in ``data_home``.
    progress : bool, default=True
        Whether to show progress bars of downloading and decoding.
    n_retries, delay
        As in :func:`fetch_open_strain`.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        As from :func:`load_gravity_spy`, and

        frame : pandas.DataFrame of n rows, or None
            The authors' table, in the order of ``data``. Its columns include ``event_time``
            (GPS time in s), ``ifo``, ``snr``, ``peak_frequency`` in Hz and ``sample_type``, their
            split: ``"train"``, ``"validation"`` or ``"test"``. Glitches that are not in the table
            have NaN. None if the table is not available.
    (data, target) : tuple
        If ``return_X_y=True``.

    Raises
    ------
    OSError
        If the data is missing and cannot be downloaded. The message says which file to put where.
    ValueError
        As from :func:`load_gravity_spy`, or if the archive is damaged.

    References
    ----------
    .. [1] S. Coughlin, "Updated Gravity Spy Data Set", Zenodo (2018),
       https://doi.org/10.5281/zenodo.1476551.

    Examples
    --------
    >>> from skglitch.datasets import fetch_gravity_spy
    >>> X, y = fetch_gravity_spy(return_X_y=True)  # doctest: +SKIP
    """
    # Before an hour of download, not after it.
    check_parameters(durations, size, missing, on_error, cache)
    home = get_data_home(data_home)
    folder = home / "gravity_spy"
    record = ZenodoRecord(_TRAINING_SET, folder, download_if_missing, n_retries, delay, progress)
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
        rows = _read(record.fetch(_METADATA), dtype={"gravityspy_id": str})
        rows = rows.drop_duplicates("gravityspy_id").set_index("gravityspy_id")
        bunch.frame = rows.reindex(bunch.ids).reset_index()
    except (OSError, KeyError, ValueError) as error:
        # The pictures are useful without it.
        table = folder / _METADATA
        warnings.warn(f"frame is None, since {table} cannot be read: {error!r}", stacklevel=2)
    return bunch


def _unpack(archive: Path, folder: Path, progress: bool) -> None:
    """Unpack into a temporary folder, and rename it when it is complete."""
    unpacked = folder.with_name(f".unpacking-{uuid.uuid4().hex}")
    unpacked.mkdir()
    try:
        with tarfile.open(archive) as tar:
            members = tqdm(tar, desc="Unpacking", unit=" files", delay=2.0, disable=not progress)
            # The filter refuses what would be outside of the folder.
            tar.extractall(unpacked, members=members, filter="data")
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


def _class_folder(folder: Path) -> Path:
    """Descend to the folder that contains the class folders."""
    while True:
        inner = [p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")]
        if len(inner) != 1 or not any(path.is_dir() for path in inner[0].iterdir()):
            return folder
        folder = inner[0]


def fetch_gravity_spy_catalog(
    data_home: str | os.PathLike[str] | None = None,
    *,
    runs: Sequence[str] = _RUNS,
    ifos: Sequence[str] = _IFOS,
    download_if_missing: bool = True,
    progress: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Bunch:
    """Load the Gravity Spy catalog of O1 to O3b, downloading it if necessary.

    It has 613,786 glitches [1]_ (CC BY 4.0), in one table of up to 142 MB per detector and run.

    Parameters
    ----------
    data_home : path, default=None
        Folder for the data, see :func:`get_data_home`.
    runs : sequence of {"O1", "O2", "O3a", "O3b"}, default=("O1", "O2", "O3a", "O3b")
        Observing runs.
    ifos : sequence of {"H1", "L1"}, default=("H1", "L1")
        Detectors.
    download_if_missing, progress, n_retries, delay
        As in :func:`fetch_gravity_spy`.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        frame : pandas.DataFrame
            One row per glitch. Its columns include ``gravityspy_id``, ``run``, ``ifo``,
            ``event_time`` (GPS time in s), ``ml_label`` and ``ml_confidence`` (the class by machine
            learning and its probability), ``snr``, ``peak_frequency`` in Hz, ``duration`` in s, and
            ``url1`` to ``url4`` (pictures of 0.5, 1, 2 and 4 s).
        target_names : ndarray of shape (n_classes,), dtype str
            The labels, sorted.

    Raises
    ------
    OSError
        If a file is missing and cannot be downloaded. The message says which file to put where.
    ValueError
        If a parameter is invalid, or a file cannot be read.

    References
    ----------
    .. [1] J. Glanzer et al., "Gravity Spy Machine Learning Classifications of LIGO Glitches from
       Observing Runs O1, O2, O3a, and O3b", Zenodo (2021),
       https://doi.org/10.5281/zenodo.5649212.

    Examples
    --------
    >>> from skglitch.datasets import fetch_gravity_spy_catalog
    >>> catalog = fetch_gravity_spy_catalog(runs=["O1"])  # doctest: +SKIP
    >>> confident = catalog.frame[catalog.frame["ml_confidence"] >= 0.9]  # doctest: +SKIP
    """
    import pandas as pd

    for name, values, allowed in (("runs", runs, _RUNS), ("ifos", ifos, _IFOS)):
        if isinstance(values, str) or not values or not set(values) <= set(allowed):
            raise ValueError(
                f"{name}={values!r} must be a list of some of {', '.join(map(repr, allowed))}."
            )
    folder = get_data_home(data_home) / "gravity_spy_catalog"
    record = ZenodoRecord(_CATALOG, folder, download_if_missing, n_retries, delay, progress)
    tables = []
    for run in dict.fromkeys(runs):
        for ifo in dict.fromkeys(ifos):
            path = record.fetch(f"{ifo}_{run}.csv")
            dtypes = {"gravityspy_id": str, "ml_label": str, "ml_confidence": float}
            table = _read(path, dtype=dtypes, low_memory=False)
            if not {"ml_label", "ml_confidence"} <= set(table):
                raise ValueError(f"{path} lacks the column 'ml_label' or 'ml_confidence'.")
            tables.append(table.assign(run=run))
    frame = pd.concat(tables, ignore_index=True)
    return Bunch(frame=frame, target_names=np.unique(frame["ml_label"].dropna().to_numpy(str)))


def fetch_gravity_spy_pictures(
    frame: pd.DataFrame,
    folder: str | os.PathLike[str],
    *,
    label: str | None = "ml_label",
    durations: Sequence[float] = DURATIONS,
    on_error: str = "raise",
    n_jobs: int | None = 4,
    n_retries: int = 3,
    delay: float = 1.0,
    progress: bool = True,
) -> Bunch:
    """Download pictures of glitches in the Gravity Spy catalog.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows of :func:`fetch_gravity_spy_catalog`, or others with the columns ``gravityspy_id``,
        ``ifo`` and ``url1`` to ``url4``, the URLs of the pictures of 0.5, 1, 2 and 4 s.
    folder : path
        Folder for :func:`load_gravity_spy`. Pictures that are in it are not downloaded again.
    label : str or None, default="ml_label"
        Column of the labels, the names of the class folders. None creates no class folders.
    durations : sequence of float, default=(0.5, 1.0, 2.0, 4.0)
        Durations in s of the views to download.
    on_error : {"raise", "skip"}, default="raise"
        Whether a row whose pictures cannot be downloaded raises an error, or is left out and
        listed in a warning. Pictures that were downloaded stay.
    n_jobs : int or None, default=4
        Number of pictures to download at a time.
    n_retries, delay, progress
        As in :func:`fetch_open_strain`.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        folder : str
            The folder.
        skipped : dict of int to str
            Rows, starting at 0, that lack a picture, and why.

    Raises
    ------
    OSError
        If a picture cannot be downloaded (``on_error="raise"``). The next call resumes.
    ValueError
        If a parameter is invalid, or `frame` lacks a column or has an invalid value in one.

    Examples
    --------
    >>> from skglitch.datasets import fetch_gravity_spy_catalog, fetch_gravity_spy_pictures
    >>> catalog = fetch_gravity_spy_catalog(runs=["O1"])  # doctest: +SKIP
    >>> some = catalog.frame.groupby("ml_label").head(20)  # doctest: +SKIP
    >>> folder = fetch_gravity_spy_pictures(some, "o1").folder  # doctest: +SKIP
    """
    check_choice("on_error", on_error, ("raise", "skip"))
    check_transfer(n_retries, delay)
    folder = check_path(folder, "folder")
    views = check_durations(durations) or DURATIONS
    if not set(views) <= set(DURATIONS):
        raise ValueError(f"durations={durations!r} must be some of {DURATIONS}.")
    urls = [f"url{1 + DURATIONS.index(view)}" for view in views]
    names = ["ifo", "gravityspy_id", *([] if label is None else [label]), *urls]
    lacking = [name for name in names if name not in frame]
    if lacking:
        raise ValueError(f"frame lacks the columns {', '.join(map(repr, lacking))}.")

    problems: dict[int, str] = {}
    files: dict[Path, tuple[int, str]] = {}
    cells = frame[names].astype(object).where(frame[names].notna(), "").astype(str)
    for row, values in enumerate(cells.to_numpy()):
        for name, value in zip(names, values, strict=True):
            pattern, kind = (_URL, "address") if name in urls else (_PART, "name")
            if not pattern.fullmatch(value):
                problems[row] = f"{name}={value!r} is not a valid {kind}"
        if row not in problems:
            ifo, id_, *labels = values[: -len(urls)]
            for view, url in zip(views, values[-len(urls) :], strict=True):
                path = folder.joinpath(*labels, f"{ifo}_{id_}_spectrogram_{view}.png")
                files[path] = row, url
    if problems and on_error == "raise":
        raise ValueError(_describe(problems, len(frame)))

    todo = [(path, row, url) for path, (row, url) in files.items() if not path.exists()]
    # Tasks stop at an error: joblib complains if its generator is not exhausted.
    tasks = (
        delayed(_download)(url, path, n_retries, delay)
        for path, _, url in todo
        if not problems or on_error == "skip"
    )
    results = tqdm(
        Parallel(n_jobs=n_jobs, prefer="threads", return_as="generator")(tasks),
        total=len(todo),
        desc="Downloading pictures",
        unit=" pictures",
        disable=not progress,
    )
    # Not strict, since tasks may stop; results come first to be exhausted.
    for reason, (_, row, _) in zip(results, todo, strict=False):
        if reason:
            problems[row] = reason
    if problems and on_error == "raise":
        raise OSError(_describe(problems, len(frame)))
    if problems:
        warnings.warn(_describe(problems, len(frame)), stacklevel=2)
    return Bunch(folder=str(folder), skipped=dict(sorted(problems.items())))


def fetch_gravity_spy_votes(
    data_home: str | os.PathLike[str] | None = None,
    *,
    glitch: str = "auto",
    label: str = "auto",
    download_if_missing: bool = True,
    progress: bool = True,
    n_retries: int = 3,
    delay: float = 1.0,
) -> Bunch:
    """Load the votes of Gravity Spy's volunteers, downloading them if necessary.

    The file [1]_ has one row per vote until July 2024. Subject ids of Zooniverse differ from the
    ``gravityspy_id`` of the catalog.

    Parameters
    ----------
    data_home : path, default=None
        Folder for the data, see :func:`get_data_home`.
    glitch : str, default="auto"
        Column of the glitches; ``"auto"`` is ``gravityspy_id``, ``subject_id`` or ``subject_ids``.
    label : str, default="auto"
        Column of the labels. ``"auto"`` is as in :func:`load_triggers`.
    download_if_missing, progress, n_retries, delay
        As in :func:`fetch_gravity_spy`.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        frame : pandas.DataFrame of shape (n_glitches, n_classes)
            Fraction of the votes for each class. The index is the column ``glitch``.
        n_votes : ndarray of shape (n_glitches,), dtype int
            Number of votes.
        target_names : ndarray of shape (n_classes,), dtype str
            The classes, sorted.

    Raises
    ------
    OSError, ValueError
        As from :func:`fetch_gravity_spy_catalog`, and if the file lacks a column.

    References
    ----------
    .. [1] K. Crowston et al., "Gravity Spy Volunteer Classifications of LIGO Glitches", Zenodo
       (2024), https://doi.org/10.5281/zenodo.13904422.

    Examples
    --------
    >>> from skglitch.datasets import fetch_gravity_spy_votes
    >>> votes = fetch_gravity_spy_votes()  # doctest: +SKIP
    >>> soft_labels = votes.frame[votes.n_votes >= 5]  # doctest: +SKIP
    """
    folder = get_data_home(data_home) / "gravity_spy_votes"
    record = ZenodoRecord(_VOTES, folder, download_if_missing, n_retries, delay, progress)
    path = record.fetch(_VOTES_FILE)
    columns = Columns(_read(path, nrows=0), str(path))
    names = [columns.find("glitch", glitch), columns.find("label", label)]
    if None in names:
        raise ValueError(f"{path} has no columns of usual names: pass glitch and label. {columns}")
    rows = _read(path, usecols=names, dtype=dict.fromkeys(names, "category"))
    counts = rows.groupby(names, observed=True).size().unstack(fill_value=0)
    counts.index, counts.columns = counts.index.astype(str), counts.columns.astype(str)
    n_votes = counts.sum(axis=1)
    frame, classes = counts.div(n_votes, axis=0), counts.columns.to_numpy(dtype=str)
    return Bunch(frame=frame, n_votes=n_votes.to_numpy(), target_names=classes)


def _download(url: str, path: Path, n_retries: int, delay: float) -> str | None:
    """Download a picture, or return why this failed."""
    try:
        download(RemoteFile(url), path, n_retries=n_retries, delay=delay, progress=False)
    except (ConnectionError, ValueError) as error:
        return str(error)
    with path.open("rb") as file:
        if file.read(len(_PNG)) == _PNG:
            return None
    path.unlink()
    return f"{url} is not a picture in PNG format"


def _describe(problems: dict[int, str], n_rows: int) -> str:
    rows = {f"row {row}": reason for row, reason in sorted(problems.items())}
    return (
        f"{len(rows)} of {n_rows} rows of frame lack pictures (on_error='skip' leaves such rows "
        f"out, and the next call downloads what is missing):{list_problems(rows)}"
    )


def _read(path: Path, **options: Any) -> pd.DataFrame:
    import pandas as pd

    try:
        return pd.read_csv(path, **options)
    except (ValueError, OSError, EOFError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from error
