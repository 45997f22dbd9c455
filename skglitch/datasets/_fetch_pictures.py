"""The pictures of Gravity Spy glitches, one by one."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from joblib import Parallel, delayed
from sklearn.utils import Bunch
from tqdm import tqdm

from .._download import RemoteFile, check_transfer, download
from .._files import check_path
from .._pictures import DURATIONS
from ._parameters import check_choice, check_durations, list_problems

if TYPE_CHECKING:
    import pandas as pd

# Parts of a path that come from a table must not lead out of the folder.
_PART, _URL = re.compile(r"\w[\w.+ -]*"), re.compile(r"https?://\S+")
_PNG = b"\x89PNG\r\n\x1a\n"


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
    """Download the pictures of some glitches of the Gravity Spy catalog.

    Parameters
    ----------
    frame : pandas.DataFrame
        Rows of :func:`fetch_gravity_spy_catalog`, or others with the columns ``gravityspy_id``,
        ``ifo`` and ``url1`` to ``url4``, the addresses of the pictures of 0.5, 1, 2 and 4 s.
    folder : path
        Folder for the pictures, in the layout that :func:`load_gravity_spy` reads. Pictures that
        it contains are not downloaded again.
    label : str or None, default="ml_label"
        Column of the labels, which become folders. With None there are no class folders.
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
            Why a row lacks a picture, by its number, starting at 0.

    Raises
    ------
    OSError
        If a picture cannot be downloaded (``on_error="raise"``). The next call continues.
    ValueError
        If a parameter is invalid, `frame` lacks a column, or a row has an invalid value in one
        (``on_error="raise"``).

    Examples
    --------
    >>> from skglitch.datasets import fetch_gravity_spy_catalog, load_gravity_spy
    >>> from skglitch.datasets import fetch_gravity_spy_pictures
    >>> catalog = fetch_gravity_spy_catalog(runs=["O1"])  # doctest: +SKIP
    >>> some = catalog.frame.groupby("ml_label").head(20)  # doctest: +SKIP
    >>> pictures = fetch_gravity_spy_pictures(some, "o1")  # doctest: +SKIP
    >>> X, y = load_gravity_spy(pictures.folder, return_X_y=True)  # doctest: +SKIP
    """
    check_choice("on_error", on_error, ("raise", "skip"))
    check_transfer("url1", "https://", n_retries, delay)
    folder = check_path(folder, "folder")
    views = check_durations(durations) or DURATIONS
    if not set(views) <= set(DURATIONS):
        raise ValueError(f"durations={durations!r} must be some of {DURATIONS}.")
    urls = [f"url{1 + DURATIONS.index(view)}" for view in views]
    parts = ["ifo", "gravityspy_id", *([] if label is None else [label])]
    lacking = [name for name in (*parts, *urls) if name not in frame]
    if lacking:
        raise ValueError(f"frame lacks the columns {', '.join(map(repr, lacking))}.")

    problems: dict[int, str] = {}
    files: dict[Path, tuple[int, str]] = {}
    cells = frame[[*parts, *urls]].astype(object)
    for row, values in enumerate(cells.where(cells.notna(), "").to_numpy()):
        for name, value in zip((*parts, *urls), map(str, values), strict=True):
            if not (_URL if name in urls else _PART).fullmatch(value):
                problems[row] = (
                    f"{name}={value!r} is not a valid {'address' if name in urls else 'name'}"
                )
        ifo, id_, *labels = map(str, values[: len(parts)])
        for view, url in zip(views, values[len(parts) :], strict=True):
            files[folder.joinpath(*labels, f"{ifo}_{id_}_spectrogram_{view}.png")] = row, url
    if problems and on_error == "raise":
        raise ValueError(_describe(problems, len(frame)))

    todo = {path: (row, url) for path, (row, url) in files.items() if row not in problems}
    todo = {path: value for path, value in todo.items() if not path.exists()}
    # Tasks stop at an error: joblib complains if its generator is not exhausted.
    tasks = (
        delayed(_download)(url, path, n_retries, delay)
        for path, (_, url) in todo.items()
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
    for reason, (row, _) in zip(results, todo.values(), strict=False):
        if reason:
            problems[row] = reason
    if problems and on_error == "raise":
        raise OSError(_describe(problems, len(frame)))
    if problems:
        warnings.warn(_describe(problems, len(frame)), stacklevel=2)
    return Bunch(folder=str(folder), skipped=dict(sorted(problems.items())))


def _download(url: str, path: Path, n_retries: int, delay: float) -> str | None:
    """Download a picture, or return why this is impossible."""
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
