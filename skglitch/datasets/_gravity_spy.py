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

from .._home import get_data_home
from ._cache import FORMAT, ViewCache, warn_no_cache
from ._decode import Reader, load_views
from ._messages import list_problems, shorten
from ._parameters import MissingViewsError, check_choice, check_durations, check_size
from ._scan import Glitch, Scan, scan_folder

_DESCR = """\
Gravity Spy omega scans of glitches
-----------------------------------
data: normalized Q-transform energy, uint8, 255 = 25.5; axes are glitch, view, frequency
(logarithmic, 2048 Hz at the top to 10 Hz) and time (linear, the glitch in the middle).
target: the class of each glitch, None for a folder without class folders.

Zevin et al. 2017, Class. Quantum Grav. 34 064003, https://doi.org/10.1088/1361-6382/aa5cea
"""


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
    """Load a folder of Gravity Spy pictures.

    Parameters
    ----------
    folder : path
        With a folder for each class that holds pictures named
        ``<ifo>_<id>_spectrogram_<duration>.png``, or with such pictures directly, which then
        have no labels. Hidden files and files that are no pictures are ignored.
    durations : sequence of float or None, default=(0.5, 1.0, 2.0, 4.0)
        Durations in s of the views to load, in the order they get in ``data``. None loads
        every duration that the folder holds, the shortest first.
    size : tuple of (height, width) or None, default=(140, 170)
        Size in pixels of a view. None keeps the pictures' own 466 x 566.
    missing : {"raise", "skip", "fill"}, default="raise"
        What to do about glitches that lack a view: raise an error, leave them out, or fill
        the view with zeros (then marked in ``missing_views``).
    on_error : {"raise", "skip"}, default="raise"
        What to do about a picture that is broken, no Gravity Spy picture or wrongly named,
        and about a glitch that is in several classes: raise an error, or leave the file and
        its glitch out and name them in one warning.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    cache : bool or path, default=True
        Where the decoded views are kept: True is the folder ``gravity_spy_cache`` in
        :func:`get_data_home`, a path another folder, False is nowhere but in memory.
    n_jobs : int or None, default=-1
        Threads that decode pictures. -1 is one a processor, None is 1 or what a surrounding
        :func:`joblib.parallel_config` says.
    progress : bool, default=True
        Whether to show a progress bar when decoding takes more than 2 s.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        With

        data : ndarray of shape (n, n_views, height, width), dtype uint8
            Normalized energy, 255 being 25.5. From the cache, this is a read-only
            :class:`numpy.memmap`: copy it, or parts of it, to write to it.
        target : ndarray of shape (n,), dtype str, or None
            Class of each glitch; None if the folder has no class folders.
        target_names : ndarray of shape (n_classes,), dtype str, or None
            The classes, sorted.
        ids, ifo : ndarray of shape (n,), dtype str
            Identifier and detector of each glitch, from the file names.
        durations : tuple of float
            Duration in s of each view.
        filenames : ndarray of shape (n, n_views), dtype str
            Path below ``folder`` of each view, empty for a missing one.
        missing_views : ndarray of shape (n, n_views), dtype bool
            Which views are missing and filled with zeros.
        folder : str
            The folder.
        DESCR : str
            What the numbers mean.
    (data, target) : tuple
        If ``return_X_y`` is True.

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If there is no such folder.
    MissingViewsError
        If glitches lack views (``missing="raise"``), or no glitch has a view of a duration.
    ValueError
        If a parameter is out of range, the folder holds no pictures, a file cannot be used
        (``on_error="raise"``), or ``return_X_y=True`` and the folder has no labels.

    See Also
    --------
    fetch_gravity_spy : Download the Gravity Spy training set and load it.
    skglitch.spectrograms.read_picture : How one picture is read.

    Notes
    -----
    Glitches are sorted by class, then by id. The colors are turned back into the energy
    they stand for; see :func:`~skglitch.spectrograms.read_picture`.

    Each picture is decoded once. The next call with the same folder, durations, size and
    ``missing`` compares names, sizes and times of change with the cache and maps it into
    memory. Where files were added, changed or removed, only those are decoded. The cache is
    written aside and put in place at the end, so an interrupted call leaves none. If it
    cannot be written, a warning says so and the views stay in memory.

    References
    ----------
    .. [1] M. Zevin et al., "Gravity Spy: integrating advanced LIGO detector
       characterization, machine learning, and citizen science", Class. Quantum Grav. 34
       064003 (2017).

    Examples
    --------
    >>> import pathlib, tempfile
    >>> import matplotlib, numpy as np
    >>> from PIL import Image
    >>> from skglitch.datasets import load_gravity_spy
    >>> picture = matplotlib.colormaps["viridis"](np.full((466, 566), 30), bytes=True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("Blip/H1_a1", "Blip/L1_b2", "Whistle/L1_c3"):
    ...         path = pathlib.Path(folder, f"{name}_spectrogram_4.0.png")
    ...         path.parent.mkdir(exist_ok=True)
    ...         Image.fromarray(picture).save(path)
    ...     bunch = load_gravity_spy(folder, durations=(4.0,), cache=False)
    >>> bunch.data.shape, bunch.data.dtype, int(bunch.data.max())
    ((3, 1, 140, 170), dtype('uint8'), 30)
    >>> bunch.target
    array(['Blip', 'Blip', 'Whistle'], dtype='<U7')
    >>> bunch.ids
    array(['a1', 'b2', 'c3'], dtype='<U2')
    """
    durations, size = check_parameters(durations, size, missing, on_error, cache)
    folder = Path(folder).expanduser()

    scan = scan_folder(folder)
    if return_X_y and not scan.labeled:
        raise ValueError(
            f"return_X_y=True, but folder={str(folder)!r} has no class folders and so no y: take "
            "the data of the Bunch that return_X_y=False gives."
        )
    if scan.problems and on_error == "raise":
        raise ValueError(
            f"{len(scan.problems)} in folder={str(folder)!r} cannot be used (on_error='skip' "
            f"leaves them out):{list_problems(scan.problems)}"
        )
    durations = _match_durations(scan, durations, missing, folder)
    glitches = _treat_missing(scan.glitches(durations), durations, missing)

    reader = Reader(folder, (len(durations), *size), n_jobs, progress)
    store = _open_cache(cache, folder, durations, size, missing)
    data, broken = load_views(reader, glitches, store, on_error)
    problems = scan.problems | {file.name: reason for file, reason in broken.items()}
    if problems:
        warnings.warn(
            f"{len(problems)} in folder={str(folder)!r} cannot be used and are left out with "
            f"their glitches:{list_problems(problems)}",
            UserWarning,
            stacklevel=2,
        )
    glitches = [glitch for glitch in glitches if broken.keys().isdisjoint(glitch.files)]
    if not glitches:
        raise ValueError(f"No glitch of folder={str(folder)!r} is left.")
    bunch = _make_bunch(data, glitches, durations, folder, scan.labeled)
    return (bunch.data, bunch.target) if return_X_y else bunch


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
    """Settle the durations, all of which some glitch must have unless views may be filled."""
    present = tuple(sorted(scan.durations))
    if durations is None:
        return present
    absent = [duration for duration in durations if duration not in present]
    if absent and (missing != "fill" or len(absent) == len(durations)):
        counts = ", ".join(f"{d} s of {scan.durations[d]} glitches" for d in present)
        useful = tuple(d for d in durations if d in present) or present
        raise MissingViewsError(
            f"durations={durations!r}, but no glitch in folder={str(folder)!r} has a picture of "
            f"{' or '.join(map(str, absent))} s; there are {counts}. Pass durations={useful!r}.",
            tuple(absent),
            {duration: scan.durations[duration] for duration in present},
        )
    return durations


def _treat_missing(
    glitches: list[Glitch], durations: tuple[float, ...], missing: str
) -> list[Glitch]:
    incomplete = [glitch for glitch in glitches if not glitch.is_complete]
    if not incomplete:
        return glitches
    lacking = [f"{glitch} ({glitch.lacks(durations)})" for glitch in incomplete]
    what = f"{len(incomplete)} of {len(glitches)} glitches lack a view: {shorten(lacking)}."
    if missing == "raise":
        has = np.array([[file is not None for file in glitch.files] for glitch in glitches])
        raise MissingViewsError(
            f"{what} missing='skip' leaves them out, missing='fill' fills in zeros.",
            tuple(
                d for d, complete in zip(durations, has.all(axis=0), strict=True) if not complete
            ),
            dict(zip(durations, has.sum(axis=0).tolist(), strict=True)),
        )
    done = "They are left out." if missing == "skip" else "These views are filled with zeros."
    warnings.warn(f"{what} {done}", UserWarning, stacklevel=3)
    if missing == "fill":
        return glitches
    complete = [glitch for glitch in glitches if glitch.is_complete]
    if not complete:
        raise ValueError(f"{what} With missing='skip' that leaves none.")
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
    if cache is True:
        try:
            directory = get_data_home() / "gravity_spy_cache"
        except OSError as error:
            warn_no_cache(error)
            return None
    else:
        directory = Path(cache).expanduser()
    settings = [FORMAT, str(folder.resolve()), durations, size, missing]
    digest = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:16]
    # Some of the folder's name, for people who look; the digest is what tells caches apart.
    readable = re.sub(r"\W+", "_", folder.resolve().name)[:40]
    return ViewCache(directory, f"{readable}-{digest}", (len(durations), *size))


def _make_bunch(
    data: np.ndarray,
    glitches: list[Glitch],
    durations: tuple[float, ...],
    folder: Path,
    labeled: bool,
) -> Bunch:
    target = np.array([glitch.label for glitch in glitches]) if labeled else None
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
        DESCR=_DESCR,
    )
