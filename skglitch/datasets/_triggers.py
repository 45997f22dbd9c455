"""X and y from tables of triggers and strain."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from numbers import Integral
from typing import Any, Protocol

import joblib
import numpy as np
from sklearn.utils import Bunch
from tqdm import tqdm

from .._files import list_paths
from .._validation import unfold_views
from ._batches import Batches
from ._channels import ifo_of_channel
from ._load_strain import load_strain
from ._open_strain import fetch_open_strain
from ._parameters import check_choice, list_problems
from ._strain import Strain, check_number
from ._strain_files import StrainFiles
from ._trigger_table import Triggers, read_triggers

_DESCR = """\
Transformed strain around triggers
----------------------------------
data: what the transformer returned. For a QTransformer this is normalized Q-transform energy,
uint8, 255 = 25.5, with axes glitch, view, frequency and time.
target: the label of each trigger, None for a table without labels.
"""


class _Transformer(Protocol):
    sample_rate: float

    def transform(self, X: np.ndarray) -> np.ndarray: ...


def load_triggers(
    table: Any,
    strain: Any,
    transformer: _Transformer,
    *,
    gps: str = "auto",
    ifo: str | None = "auto",
    label: str | None = "auto",
    duration: float = 16.0,
    batch_size: int = 32,
    on_error: str = "raise",
    return_strain: bool = False,
    checkpoint: str | os.PathLike[str] | None = None,
    return_X_y: bool = False,
    progress: bool = True,
) -> Any:
    """Transform the strain around the triggers of a table.

    Parameters
    ----------
    table : path, iterable of paths, DataFrame, astropy table, structured array, mapping or list \
            of dict
        One row per trigger, with its GPS time in s, its detector and its label. Files are CSV,
        Parquet, HDF5, Feather or JSON, by extension, or those of Omicron and PyCBC (LIGO_LW
        ``.xml`` and ``.xml.gz``, ROOT, HDF5), which gwpy reads. Labels are stripped, and the
        strings ``nan``, ``None``, ``<NA>`` and ``-1`` stand for no label.
    strain : Strain, path, iterable of paths, StrainFiles, mapping or callable
        A :class:`Strain`, one or more files (:class:`StrainFiles`), a mapping from detectors or
        channels to one of these, such as gwpy's ``TimeSeriesDict``, or a function of GPS time and
        detector that returns a :class:`Strain`, such as :func:`fetch_open_strain`.
    transformer : object
        A :class:`~skglitch.spectrograms.QTransformer`, or another object with the attribute
        ``sample_rate`` in Hz and a method ``transform`` for arrays of shape ``(n, n_times)``.
    gps : str, default="auto"
        Column of the GPS times. ``"auto"`` is the first of ``gps``, ``gps_time``, ``gpstime``,
        ``event_time``, ``peak_time``, ``trigger_time``, ``time`` and ``end_time`` in the table.
        Names of columns are case-insensitive. A column such as ``peak_time_ns`` is added to
        ``peak_time`` in whole seconds.
    ifo : str or None, default="auto"
        Column of the detectors, or the detector of all rows, such as ``"H1"``. ``"auto"`` is
        the first of ``ifo``, ``detector`` and ``interferometer``. With None, or without such a
        column, all triggers are from the detector of ``strain``.
    label : str or None, default="auto"
        Column of the labels. ``"auto"`` is the first of ``label``, ``ml_label``, ``class`` and
        ``glitch_class``. With None, or without such a column, ``target`` is None.
    duration : float, default=16.0
        Duration in s of the strain to transform, with the trigger in the middle.
    batch_size : int, default=32
        Number of triggers to read and transform at a time.
    on_error : {"raise", "skip"}, default="raise"
        Whether rows that cannot be used, such as those without a GPS time or with gaps in their
        strain, raise an error, or are left out and listed in a warning.
    return_strain : bool, default=False
        Whether to return the strain, too.
    checkpoint : path, default=None
        Folder to which each batch is written. After an interruption, the same call resumes, with
        the same result. Strain files are identified by path and time.
    return_X_y, progress
        As in :func:`load_gravity_spy`.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        data : ndarray of shape (n, ...)
            The output of the transformer: uint8 views for a QTransformer. With ``checkpoint``,
            this and ``strain`` are read-only memory maps of files in the folder.
        target : ndarray of shape (n,) or None
            Labels. A missing label is ``""`` among strings, -1 among integers, and else NaN.
        target_names : ndarray of shape (n_classes,) or None
            The labels, sorted.
        ids : ndarray of shape (n,), dtype str
            Such as ``"H1_1126259462.4"``.
        ifo : ndarray of shape (n,), dtype str
            Detectors.
        gps : ndarray of shape (n,)
            GPS times in s.
        rows : ndarray of shape (n,), dtype int
            Row of each trigger in the table, starting at 0.
        skipped : dict of int to str
            Rows that were left out, and why.
        strain : ndarray of shape (n, n_times)
            The samples that were transformed, if ``return_strain=True``.
        DESCR : str
            Description.
    (data, target) : tuple
        If ``return_X_y=True``.

    Raises
    ------
    FileNotFoundError, ImportError
        If a file does not exist, or a package to read it is not installed.
    OSError
        If ``strain`` is a function that raises it.
    ValueError
        If a parameter is invalid, the table lacks a column, has it twice or has GPS times of
        fewer than 64 bits, rows cannot be used (``on_error="raise"``) or none can, the sample
        rates of strain and transformer differ, ``return_X_y=True`` and the table has no labels,
        or ``checkpoint`` was made with other parameters.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.datasets import Strain, load_triggers
    >>> from skglitch.spectrograms import QTransformer
    >>> noise = np.random.default_rng(0).normal(size=32 * 4096)
    >>> strain = Strain(noise, sample_rate=4096, t0=1126259442, ifo="H1")
    >>> table = [
    ...     {"gps": 1126259457.2, "label": "No_Glitch"},
    ...     {"gps": 1126259460.0, "label": "No_Glitch"},
    ... ]
    >>> bunch = load_triggers(table, strain, QTransformer(sample_rate=4096))
    >>> bunch.data.shape, bunch.ids.tolist()
    ((2, 4, 140, 170), ['H1_1126259457.2', 'H1_1126259460.0'])
    """
    _check_parameters(transformer, duration, batch_size, on_error)
    triggers = read_triggers(table, gps, ifo, label)
    problems = triggers.problems
    if return_X_y and triggers.target is None:
        raise ValueError(
            "return_X_y=True, but the table has no labels and so no y. Name their column with "
            "label=, or take data of the Bunch that return_X_y=False returns."
        )
    source = _Source(strain, transformer.sample_rate, float(duration))
    ifos = source.assign_ifos(triggers)
    if problems and on_error == "raise":
        raise ValueError(
            f"{len(problems)} of {len(ifos)} rows of {triggers.where} cannot be used "
            f"(on_error='skip' leaves them out):{_describe(triggers)}"
        )

    def note(row: int, error: Exception) -> None:
        if on_error == "raise":
            kind = OSError if isinstance(error, OSError) else ValueError
            reason = f"cannot be used (on_error='skip' leaves it out): {error}"
            raise kind(f"{triggers.name(row)} of {triggers.where} {reason}") from error
        problems[row] = str(error)

    todo = [row for row in range(len(ifos)) if row not in problems]
    settings: dict[str, Any] = {}
    if checkpoint is not None:
        labels = None if triggers.target is None else triggers.target.tolist()
        function = getattr(source.function, "func", source.function)
        params = repr(getattr(transformer, "get_params", dict)())
        settings = {
            "table": joblib.hash(repr((triggers.gps, ifos, labels))),
            # Files by their paths, detectors, times and rates.
            "strain": getattr(function, "__qualname__", None) or joblib.hash(source.series),
            "transformer": [type(transformer).__qualname__, transformer.sample_rate, params],
            "duration": duration,
            "return_strain": return_strain,
        }
    done = Batches(len(todo), checkpoint, settings)
    for batch in done.notes:
        for row, reason in batch["problems"]:
            note(row, ValueError(reason))
    n_done = sum(batch["n"] for batch in done.notes)
    bar = tqdm(
        total=len(todo),
        initial=n_done,
        desc="Loading triggers",
        unit=" triggers",
        delay=2.0,
        disable=not progress,
    )
    with bar:
        for begin in range(n_done, len(todo), int(batch_size)):
            batch = todo[begin : begin + int(batch_size)]
            pieces = {}
            for row in batch:
                try:
                    pieces[row] = source.around(triggers.gps[row], ifos[row])
                except (ValueError, OSError) as error:
                    note(row, error)
            views = _transform(transformer, pieces, note)
            arrays = {"data": np.stack(list(views.values()))} if views else {}
            if views and return_strain:
                arrays["strain"] = np.stack([pieces[row] for row in views])
            failed = [[row, problems[row]] for row in batch if row in problems]
            done.append({"n": len(batch), "rows": list(views), "problems": failed}, **arrays)
            bar.update(len(batch))
    rows = [row for batch in done.notes for row in batch["rows"]]
    if not rows:
        raise ValueError(f"No row of {triggers.where} can be used:{_describe(triggers)}")
    if problems:
        warnings.warn(
            f"{len(problems)} of {len(ifos)} rows of {triggers.where} cannot be used and are left "
            f"out:{_describe(triggers)}",
            stacklevel=2,
        )

    times, ifos = [triggers.gps[row] for row in rows], [ifos[row] for row in rows]
    target = None if triggers.target is None else triggers.target[rows]
    bunch = Bunch(
        data=done.load("data"),
        target=target,
        target_names=None if target is None else np.unique(target[triggers.labeled[rows]]),
        ids=np.array([f"{i}_{t!r}" if i else repr(t) for i, t in zip(ifos, times, strict=True)]),
        ifo=np.array(ifos),
        gps=np.array(times),
        rows=np.array(rows),
        skipped=dict(sorted(problems.items())),
        DESCR=_DESCR,
    )
    if return_strain:
        bunch.strain = done.load("strain")
    return (bunch.data, bunch.target) if return_X_y else bunch


def _check_parameters(transformer: Any, duration: Any, batch_size: Any, on_error: Any) -> None:
    if not callable(getattr(transformer, "transform", None)):
        raise ValueError(f"transformer={transformer!r} has no method transform.")
    if not hasattr(transformer, "sample_rate"):
        raise ValueError(f"transformer={transformer!r} has no attribute sample_rate.")
    check_number("transformer.sample_rate", transformer.sample_rate, positive=True)
    check_number("duration", duration, positive=True)
    if not isinstance(batch_size, Integral) or isinstance(batch_size, bool) or batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r} must be an integer, 1 or more.")
    check_choice("on_error", on_error, ("raise", "skip"))


def _describe(triggers: Triggers) -> str:
    problems = sorted(triggers.problems.items())
    return list_problems({triggers.name(row): reason for row, reason in problems})


def _transform(
    transformer: _Transformer, pieces: dict[int, np.ndarray], note: Callable[[int, Exception], None]
) -> dict[int, np.ndarray]:
    """Transform strain in a batch, or row by row if this fails, to find the rows that fail."""
    if not pieces:
        return {}
    try:
        return dict(zip(pieces, _call(transformer, list(pieces.values())), strict=True))
    except ValueError as error:
        batch_error = error
    results = {}
    for row, piece in pieces.items():
        try:
            results[row] = _call(transformer, [piece])[0]
        except ValueError as error:
            note(row, error)
    if len(results) == len(pieces):
        raise batch_error
    return results


def _call(transformer: _Transformer, strain: list[np.ndarray]) -> np.ndarray:
    data = np.asarray(unfold_views(transformer.transform(np.stack(strain))))
    if data.ndim == 0 or len(data) != len(strain):
        raise TypeError(
            f"transformer.transform returned an array of shape {data.shape} for {len(strain)} "
            "samples."
        )
    return data


class _Source:
    """Strain of one or several detectors, from series, files or a function."""

    def __init__(self, strain: Any, sample_rate: float, duration: float):
        self.sample_rate = sample_rate
        self.duration = duration
        self.function: Callable[[float, str], Any] | None = None
        # By detector; "" is a series or files that may have any.
        self.series: dict[str, Strain | StrainFiles] = {}
        if isinstance(strain, Mapping):
            for key, one in strain.items():
                # Keys of gwpy's TimeSeriesDict are channels.
                ifo = ifo_of_channel(str(key)) or str(key).upper()
                if ifo in self.series:
                    raise ValueError(f"strain has several channels of {ifo}: {', '.join(strain)}.")
                self.series[ifo] = self._open(one, ifo, str(key) if ":" in str(key) else None)
        elif callable(strain):
            self.function = strain
            if strain is fetch_open_strain:
                # Only what is needed, as files can be as short as 32 s.
                self.function = partial(strain, duration=math.ceil(duration))
        else:
            series = self._open(strain)
            self.series = {series.ifo if isinstance(series, Strain) else "": series}

    def assign_ifos(self, triggers: Triggers) -> list[str]:
        """Detector of each trigger. Triggers without strain become problems."""
        any_ifo = self.series.get("")
        known = sorted(self.series) if any_ifo is None else _ifos(any_ifo)
        if triggers.ifo is None:
            if len(known) > 1 or self.function is not None or not self.series:
                raise ValueError(
                    "The table has no column of detectors, and strain is not of a single one: "
                    "pass ifo=, the name of the column or a detector such as 'H1'."
                )
            triggers.ifo = (known or [""]) * len(triggers.gps)
            return triggers.ifo
        wanted = sorted(set(filter(None, triggers.ifo)))
        if any_ifo is not None and not known and len(wanted) > 1:
            raise ValueError(
                f"The table has triggers of {', '.join(wanted)}, but it is unknown which of these "
                "strain is of: pass a mapping from detectors to strain."
            )
        if any_ifo is None and self.function is None:
            for row, ifo in enumerate(triggers.ifo):
                if ifo not in self.series:
                    reason = f"there is strain of {', '.join(known) or 'no detector'}, not of {ifo}"
                    triggers.problems.setdefault(row, reason)
        return triggers.ifo

    def around(self, gps: float, ifo: str) -> np.ndarray:
        """Take the samples around a trigger."""
        if self.function is not None:
            series = self._open(self.function(gps, ifo), ifo)
        else:
            series = self.series[ifo] if ifo in self.series else self.series[""]
        if isinstance(series, StrainFiles):
            return series.around(gps, self.duration, ifo)
        return series.around(gps, self.duration)

    def _open(self, strain: Any, ifo: str = "", channel: str | None = None) -> Strain | StrainFiles:
        """Open strain and check its detector, if known, and its sample rate."""
        paths = list_paths(strain)
        if paths is not None:
            strain = StrainFiles(paths, dataset={ifo: channel} if ifo else None)
        is_open = isinstance(strain, Strain | StrainFiles)
        series: Strain | StrainFiles = strain if is_open else load_strain(strain)
        ifo = ifo or (series.ifo if isinstance(series, Strain) else "")
        name = f"the strain of {ifo}" if ifo else "the strain"
        others = sorted(_ifos(series))
        if ifo and others and ifo not in others:
            raise ValueError(f"{name} that was passed is of {', '.join(others)}.")
        if series.sample_rate != self.sample_rate:
            raise ValueError(
                f"The sample rate of {name} is {series.sample_rate:g} Hz, but that of the "
                f"transformer is {self.sample_rate:g} Hz."
            )
        return series


def _ifos(series: Strain | StrainFiles) -> list[str]:
    return series.ifos if isinstance(series, StrainFiles) else list(filter(None, [series.ifo]))
