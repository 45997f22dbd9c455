"""Folders of Gravity Spy pictures as arrays."""

from __future__ import annotations

import hashlib
import json
import os
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from .._files import check_path, get_data_home
from ._cache import FORMAT, ViewCache, load_views, warn_no_cache
from ._parameters import (
    check_choice,
    check_durations,
    check_size,
    list_problems,
    shorten,
)
from ._scan import Glitch, Scan, scan_folder


def load_gravity_spy(
    folder: str | os.PathLike[str],
    *,
    durations: Sequence[float] | None = (0.5, 1.0, 2.0, 4.0),
    size: tuple[int, int] | None = (140, 170),
    missing: str = "raise",
    on_error: str = "raise",
    return_X_y: bool = False,
    cache: bool | str | os.PathLike[str] = True,
    n_jobs: int | None = -1,
    progress: bool = True,
) -> Any:
    """Load a folder of Gravity Spy pictures [1]_, sorted by class, then by id.

    Parameters
    ----------
    folder : path
        Folder with one folder per class, which contain pictures named
        ``<ifo>_<id>_spectrogram_<duration>.png``, or with unlabeled pictures of this name. Hidden
        files and files that are not pictures are ignored.
    durations : sequence of float or None, default=(0.5, 1.0, 2.0, 4.0)
        Durations in s of the views to load, in this order. None is all durations in the folder, the
        shortest first.
    size : tuple of (height, width) or None, default=(140, 170)
        Size in pixels of a view. None is the size of the pictures, 466 x 566.
    missing : {"raise", "skip", "fill"}, default="raise"
        Whether glitches that lack a view raise an error, are left out, or get a view of zeros.
    on_error : {"raise", "skip"}, default="raise"
        Whether pictures that are broken, not from Gravity Spy, misnamed or in nested folders, and
        glitches in several classes, raise an error, or are left out and listed in a warning.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    cache : bool or path, default=True
        Folder of the cache of decoded views. True is the folder ``gravity_spy_cache`` in
        :func:`get_data_home`; False is no cache. If it cannot be written, views are kept in memory.
    n_jobs : int or None, default=-1
        Number of threads that decode pictures, as in joblib: -1 is one per processor, None is 1.
    progress : bool, default=True
        Whether to show a progress bar if decoding takes longer than 2 s.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        data : ndarray of shape (n, n_views, height, width), dtype uint8
            Normalized energy times 10, from 2048 Hz in the first row to 10 Hz. With a cache, a
            read-only :class:`numpy.memmap`: copy it to modify it.
        target : ndarray of shape (n,), dtype str, or None
            Class of each glitch. None without class folders.
        target_names : ndarray of shape (n_classes,), dtype str, or None
            The classes, sorted.
        ids, ifo : ndarray of shape (n,), dtype str
            Id and detector of each glitch, from the file names.
        durations : tuple of float
            Duration of each view in s.
        filenames : ndarray of shape (n, n_views), dtype str
            Path of each view relative to ``folder``. Empty for a missing view.
        missing_views : ndarray of shape (n, n_views), dtype bool
            Views that are missing, and zero in ``data``.
        folder : str
            The folder.
    (data, target) : tuple
        If ``return_X_y=True``.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    ValueError
        If a parameter is invalid, the folder contains no pictures, glitches lack views
        (``missing="raise"``), no glitch has a view of a duration, a file cannot be used
        (``on_error="raise"``), or ``return_X_y=True`` and the folder has no labels.

    References
    ----------
    .. [1] M. Zevin et al., "Gravity Spy: integrating advanced LIGO detector characterization,
       machine learning, and citizen science", Class. Quantum Grav. 34 064003 (2017).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import matplotlib, numpy as np
    >>> from PIL import Image
    >>> from skglitch.datasets import load_gravity_spy
    >>> picture = matplotlib.colormaps["viridis"](np.full((466, 566), 30), bytes=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "Blip", "H1_a1_spectrogram_4.0.png")
    ...     path.parent.mkdir()
    ...     Image.fromarray(picture).save(path)
    ...     bunch = load_gravity_spy(folder, durations=(4.0,), cache=False)
    >>> bunch.data.shape, bunch.ids.tolist(), bunch.target.tolist()
    ((1, 1, 140, 170), ['a1'], ['Blip'])
    """
    durations, size = check_parameters(durations, size, missing, on_error, cache)
    folder = check_path(folder, "folder")
    scan = scan_folder(folder)
    if return_X_y and not scan.labeled:
        raise ValueError(
            f"return_X_y=True, but folder={str(folder)!r} has no class folders and so no y."
        )
    if scan.problems and on_error == "raise":
        raise ValueError(
            f"{len(scan.problems)} in folder={str(folder)!r} cannot be used (on_error='skip' "
            f"leaves them out):{list_problems(scan.problems)}"
        )
    if not scan.views:
        raise ValueError(
            f"No glitch of folder={str(folder)!r} can be used:{list_problems(scan.problems)}"
        )
    durations = _match_durations(scan, durations, missing, folder)
    glitches = _treat_missing(scan.glitches(durations), durations, missing)
    data, broken = load_views(
        folder,
        glitches,
        (len(durations), *size),
        _open_cache(cache, folder, durations, size, missing),
        on_error=on_error,
        n_jobs=n_jobs,
        progress=progress,
    )
    problems = scan.problems | {file.name: reason for file, reason in broken.items()}
    if problems:
        warnings.warn(
            f"{len(problems)} in folder={str(folder)!r} cannot be used and are left out with "
            f"their glitches:{list_problems(problems)}",
            stacklevel=2,
        )
    glitches = [glitch for glitch in glitches if broken.keys().isdisjoint(glitch.files)]
    if not glitches:
        raise ValueError(f"No glitch of folder={str(folder)!r} can be used.")
    target = np.array([glitch.label for glitch in glitches]) if scan.labeled else None
    if return_X_y:
        return data, target
    return Bunch(
        data=data,
        target=target,
        target_names=None if target is None else np.unique(target),
        ids=np.array([glitch.id for glitch in glitches]),
        ifo=np.array([glitch.ifo for glitch in glitches]),
        durations=durations,
        filenames=np.array([[f.name if f else "" for f in g.files] for g in glitches]),
        missing_views=np.array([[f is None for f in g.files] for g in glitches]),
        folder=str(folder),
    )


def check_parameters(
    durations: Any, size: Any, missing: Any, on_error: Any, cache: Any
) -> tuple[tuple[float, ...] | None, tuple[int, int]]:
    """Check the parameters of :func:`load_gravity_spy`; return ``durations`` and ``size``."""
    check_choice("missing", missing, ("raise", "skip", "fill"))
    check_choice("on_error", on_error, ("raise", "skip"))
    if not isinstance(cache, bool | str | os.PathLike):
        raise ValueError(f"cache={cache!r} must be True, False or the path of a folder.")
    return check_durations(durations), check_size(size)


def _match_durations(
    scan: Scan, durations: tuple[float, ...] | None, missing: str, folder: Path
) -> tuple[float, ...]:
    """Determine the durations. Each must be available, unless missing views are filled."""
    available = tuple(sorted(scan.durations))
    if durations is None:
        return available
    absent = tuple(duration for duration in durations if duration not in available)
    if absent and (missing != "fill" or len(absent) == len(durations)):
        counts = ", ".join(f"{d} s of {scan.durations[d]} glitches" for d in available)
        usable = tuple(d for d in durations if d in available)
        advice = f"durations={usable or available!r}" + (", or missing='fill'" if usable else "")
        raise ValueError(
            f"durations={durations!r}, but no glitch in folder={str(folder)!r} has a picture of "
            f"{' or '.join(map(str, absent))} s; there are {counts}. Pass {advice}."
        )
    return durations


def _treat_missing(
    glitches: list[Glitch], durations: tuple[float, ...], missing: str
) -> list[Glitch]:
    incomplete = [glitch for glitch in glitches if None in glitch.files]
    if not incomplete:
        return glitches
    lacking = []
    for glitch in incomplete:
        pairs = zip(durations, glitch.files, strict=True)
        absent = ", ".join(f"{duration} s" for duration, file in pairs if file is None)
        lacking.append(f"{glitch} ({absent})")
    message = f"{len(incomplete)} of {len(glitches)} glitches lack a view: {shorten(lacking)}."
    if missing == "raise":
        raise ValueError(f"{message} missing='skip' leaves them out, 'fill' fills in zeros.")
    action = "They are left out." if missing == "skip" else "These views are filled with zeros."
    warnings.warn(f"{message} {action}", stacklevel=3)
    if missing == "fill":
        return glitches
    complete = [glitch for glitch in glitches if None not in glitch.files]
    if not complete:
        raise ValueError(f"{message} With missing='skip' no glitch is left.")
    return complete


def _open_cache(
    cache: bool | str | os.PathLike[str],
    folder: Path,
    durations: tuple[float, ...],
    size: tuple[int, int],
    missing: str,
) -> ViewCache | None:
    if cache is False:
        return None
    try:
        directory = get_data_home() / "gravity_spy_cache" if cache is True else Path(cache)
    except OSError as error:
        warn_no_cache(error)
        return None
    settings = [FORMAT, str(folder.resolve()), durations, size, missing]
    digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]
    # The digest distinguishes caches. The name of the folder is for people.
    readable = re.sub(r"\W+", "_", folder.resolve().name)[:40]
    return ViewCache(directory.expanduser(), f"{readable}-{digest}", (len(durations), *size))
