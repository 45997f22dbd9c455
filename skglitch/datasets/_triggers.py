"""Tables of triggers and strain as X and y."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from numbers import Integral
from typing import Any, Protocol

import numpy as np
from sklearn.utils import Bunch
from tqdm import tqdm

from ._hdf5 import Hdf5Strain
from ._load_strain import load_strain, open_hdf5
from ._scan import describe_problems
from ._strain import Strain
from ._strain_files import StrainFiles
from ._time_axis import check_number
from ._trigger_table import AUTO, Triggers, read_triggers

_DESCR = """\
Strain around triggers, transformed
-----------------------------------
data: what the transformer makes of the strain around each trigger; of a QTransformer this is
normalized Q-transform energy, uint8, 255 = 25.5, with axes glitch, view, frequency and time.
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
    time: str = AUTO,
    ifo: str | None = AUTO,
    label: str | None = AUTO,
    length: float = 16.0,
    batch_size: int = 32,
    on_error: str = "raise",
    return_strain: bool = False,
    return_X_y: bool = False,
    progress: bool = True,
) -> Any:
    """Turn a table of triggers into X, with the strain around each of them.

    Parameters
    ----------
    table : path, DataFrame or list of dict
        A row for each trigger, with its GPS time in s, its detector and its label. Files are
        CSV (``.csv``), or what pandas reads: Parquet, HDF5, Feather and JSON, by extension.
    strain : Strain, path, list of paths, StrainFiles, mapping or callable
        Where the strain is: a :class:`Strain`, the path of an HDF5 file with one series, any
        number of files (:class:`StrainFiles`), a mapping from detectors to a series of each,
        or a function of GPS time and detector that returns a :class:`Strain`, such as
        :func:`fetch_open_strain`.
    transformer : object
        With ``transform``, which takes an array of shape ``(n, n_times)``, and
        ``sample_rate`` in Hz: a :class:`~skglitch.spectrograms.QTransformer`.
    time : str, default="auto"
        Column of the GPS times. ``"auto"`` takes the first of ``gps``, ``gps_time``,
        ``gpstime``, ``event_time``, ``peak_time``, ``trigger_time`` and ``time`` that there
        is. Case does not matter, here and for the other columns.
    ifo : str or None, default="auto"
        Column of the detectors, or the detector of all rows, such as ``"H1"``. ``"auto"``
        takes the first of ``ifo``, ``detector`` and ``interferometer``. Without one, or with
        None, all are of the detector of ``strain``.
    label : str or None, default="auto"
        Column of the labels. ``"auto"`` takes the first of ``label``, ``ml_label``,
        ``class`` and ``glitch_class``. Without one, or with None, ``target`` is None.
    length : float, default=16.0
        How many s of strain to give the transformer, the trigger in the middle.
    batch_size : int, default=32
        How many triggers are read and transformed at a time.
    on_error : {"raise", "skip"}, default="raise"
        What to do about rows that cannot be used, such as those without a time or with gaps
        in their strain: raise an error, or leave them out and name them in one warning.
    return_strain : bool, default=False
        Whether to keep the strain as well.
    return_X_y : bool, default=False
        Whether to return ``(data, target)`` instead of a Bunch.
    progress : bool, default=True
        Whether to show a progress bar when it takes more than 2 s.

    Returns
    -------
    bunch : :class:`~sklearn.utils.Bunch`
        With

        data : ndarray of shape (n, ...)
            What the transformer returned; of a QTransformer uint8 of shape ``(n, n_views,
            height, width)``.
        target : ndarray of shape (n,) or None
            Label of each trigger.
        target_names : ndarray of shape (n_classes,) or None
            The labels, sorted.
        ids : ndarray of shape (n,), dtype str
            Such as ``"H1_1126259462.4"``.
        ifo : ndarray of shape (n,), dtype str
            The detectors.
        gps : ndarray of shape (n,)
            The times in s.
        rows : ndarray of shape (n,), dtype int
            Number of each trigger's row in the table, from 0.
        skipped : dict of int to str
            Why a row was left out, by its number.
        strain : ndarray of shape (n, n_times)
            If ``return_strain`` is True: the samples that were transformed.
        DESCR : str
            What the numbers mean.
    (data, target) : tuple
        If ``return_X_y`` is True.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ImportError
        If a package is needed to read a file and not installed. The message says how to get
        it.
    OSError
        If ``strain`` is a function and fails so.
    ValueError
        If a parameter is out of range, the table lacks a column, rows cannot be used
        (``on_error="raise"``, they are named by number and GPS time) or none is left, the
        sample rates of strain and transformer differ, or ``return_X_y`` is asked of a table
        without labels.

    See Also
    --------
    load_gravity_spy : Load pictures in place of strain.
    fetch_open_strain : Strain around a time, from the web.
    StrainFiles : Strain in many files, as one.

    Notes
    -----
    Of files, only the strain around triggers is read. Besides the result, memory holds the
    strain of one batch and what the transformer needs.

    Where a column ``peak_time`` is taken and has whole seconds, as in tables of Gravity
    Spy, ``peak_time_ns`` is added.

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
    >>> bunch.data.shape, bunch.data.dtype
    ((2, 4, 140, 170), dtype('uint8'))
    >>> bunch.ids
    array(['H1_1126259457.2', 'H1_1126259460.0'], dtype='<U15')
    """
    _check_parameters(transformer, length, batch_size, on_error)
    triggers = read_triggers(table, time, ifo, label)
    if return_X_y and triggers.label is None:
        raise ValueError(
            "return_X_y=True, but the table has no labels and so no y: take the data of the "
            "Bunch that return_X_y=False gives, or name their column with label=."
        )
    source = _Source(strain, transformer.sample_rate, float(length))
    source.settle(triggers)
    if triggers.problems and on_error == "raise":
        raise ValueError(
            f"{len(triggers.problems)} of {len(triggers.gps)} rows cannot be used "
            f"(on_error='skip' leaves them out):{_describe(triggers)}"
        )
    work = _Work(triggers, source, transformer, on_error == "raise", return_strain)
    work.run(int(batch_size), progress)
    if not work.rows:
        raise ValueError(f"No row of the table is left:{_describe(triggers)}")
    if triggers.problems:
        warnings.warn(
            f"{len(triggers.problems)} of {len(triggers.gps)} rows cannot be used and are left "
            f"out:{_describe(triggers)}",
            UserWarning,
            stacklevel=2,
        )
    bunch = _make_bunch(work)
    return (bunch.data, bunch.target) if return_X_y else bunch


def _check_parameters(transformer: Any, length: Any, batch_size: Any, on_error: Any) -> None:
    if not callable(getattr(transformer, "transform", None)):
        raise ValueError(f"transformer={transformer!r} has no method transform.")
    if not hasattr(transformer, "sample_rate"):
        raise ValueError(f"transformer={transformer!r} has no attribute sample_rate.")
    check_number("transformer.sample_rate", transformer.sample_rate, positive=True)
    check_number("length", length, positive=True)
    if not isinstance(batch_size, Integral) or isinstance(batch_size, bool) or batch_size < 1:
        raise ValueError(f"batch_size={batch_size!r} must be a whole number, 1 or more.")
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error={on_error!r} is not one of 'raise', 'skip'.")


def _describe(triggers: Triggers) -> str:
    return describe_problems(
        {triggers.name(row): reason for row, reason in sorted(triggers.problems.items())}
    )


def _open(strain: Any) -> Strain | Hdf5Strain:
    if isinstance(strain, Strain):
        return strain
    if isinstance(strain, str | os.PathLike):
        return open_hdf5(strain)
    return load_strain(strain)


def _are_paths(strain: Any) -> bool:
    return isinstance(strain, list | tuple) and all(
        isinstance(one, str | os.PathLike) for one in strain
    )


class _Source:
    """Where strain comes from: one series, one for each detector, many files, or a function."""

    def __init__(self, strain: Any, sample_rate: float, length: float):
        self.sample_rate = sample_rate
        self.length = length
        self.function: Callable[[float, str], Any] | None = None
        self.files: StrainFiles | None = None
        # By detector; the name is empty for a series that does not tell its own.
        self.series: dict[str, Strain | Hdf5Strain] = {}
        if isinstance(strain, Mapping):
            self.series = {str(ifo).upper(): _open(one) for ifo, one in strain.items()}
        elif isinstance(strain, StrainFiles) or _are_paths(strain):
            self.files = strain if isinstance(strain, StrainFiles) else StrainFiles(strain)
            self._check_rate(self.files.sample_rate, "the strain files")
        elif callable(strain):
            self.function = strain
        else:
            one = _open(strain)
            self.series = {one.ifo: one}
        for ifo, one in self.series.items():
            self._check(one, ifo)

    def settle(self, triggers: Triggers) -> None:
        """Settle which detector each trigger is of, and note those without strain."""
        if not triggers.has_ifo:
            # Files that do not tell their detector are those of one.
            told = list(self.series) if self.files is None else self.files.detectors or [""]
            if len(told) != 1:
                raise ValueError(
                    "The table has no column of detectors, and strain is not that of one "
                    "detector: pass ifo=, the name of the column or a detector such as 'H1'."
                )
            triggers.ifo = told * len(triggers.gps)
            return
        detectors = sorted(set(filter(None, triggers.ifo)))
        if "" in self.series:
            if len(detectors) > 1:
                raise ValueError(
                    f"The table has triggers of {', '.join(detectors)}, but strain does not tell "
                    "of which detector it is: pass a mapping from detectors to strain."
                )
            self.series |= {ifo: self.series[""] for ifo in detectors}
        if self.function is not None or self.files is not None:
            return
        there = ", ".join(sorted(filter(None, self.series))) or "no detector"
        for row, ifo in enumerate(triggers.ifo):
            if ifo not in self.series:
                triggers.problems.setdefault(row, f"there is strain of {there}, not of {ifo}")

    def around(self, gps: float, ifo: str) -> np.ndarray:
        """Take the samples around a trigger."""
        if self.files is not None:
            return self.files.around(gps, self.length, ifo)
        if self.function is None:
            return self.series[ifo].around(gps, self.length)
        one = self.function(gps, ifo)
        one = one if isinstance(one, Strain) else load_strain(one)
        self._check(one, ifo)
        return one.around(gps, self.length)

    def _check(self, one: Strain | Hdf5Strain, ifo: str) -> None:
        name = f"the strain of {ifo}" if ifo else "the strain"
        if one.ifo and one.ifo != ifo:
            raise ValueError(f"What was given as {name} is of {one.ifo}.")
        self._check_rate(one.sample_rate, name)

    def _check_rate(self, rate: float, name: str) -> None:
        if rate != self.sample_rate:
            raise ValueError(
                f"The sample rate of {name} is {rate:g} Hz, but the transformer takes "
                f"{self.sample_rate:g} Hz."
            )


class _Work:
    """The way from rows to X, batch by batch."""

    def __init__(
        self,
        triggers: Triggers,
        source: _Source,
        transformer: _Transformer,
        strict: bool,
        keep_strain: bool,
    ):
        self.triggers = triggers
        self.source = source
        self.transformer = transformer
        self.strict = strict
        self.keep_strain = keep_strain
        self.todo = [row for row in range(len(triggers.gps)) if row not in triggers.problems]
        self.rows: list[int] = []
        self.data = np.empty(0)
        self.strain = np.empty(0)

    def run(self, batch_size: int, progress: bool) -> None:
        """Transform all rows that have no problem so far."""
        bar = tqdm(
            total=len(self.todo),
            desc="Loading triggers",
            unit=" triggers",
            delay=2.0,
            disable=not progress,
        )
        with bar:
            for begin in range(0, len(self.todo), batch_size):
                rows = self.todo[begin : begin + batch_size]
                pieces = {row: piece for row in rows if (piece := self._read(row)) is not None}
                if pieces:
                    self._add(*self._transform(pieces))
                bar.update(len(rows))

    def _read(self, row: int) -> np.ndarray | None:
        try:
            return self.source.around(self.triggers.gps[row], self.triggers.ifo[row])
        except (ValueError, OSError) as error:
            self._note(row, error)
            return None

    def _note(self, row: int, error: Exception) -> None:
        if self.strict:
            kind = OSError if isinstance(error, OSError) else ValueError
            raise kind(
                f"{self.triggers.name(row)} cannot be used (on_error='skip' leaves it out): {error}"
            ) from error
        self.triggers.problems[row] = str(error)

    def _transform(self, pieces: dict[int, np.ndarray]) -> tuple[np.ndarray, np.ndarray, list[int]]:
        strain = np.stack(list(pieces.values()))
        rows = list(pieces)
        try:
            return self._call(strain), strain, rows
        except ValueError as error:
            batch_error = error
        # One by one, to learn which row it is.
        results = {}
        for i, row in enumerate(rows):
            try:
                results[row] = self._call(strain[i : i + 1])
            except ValueError as error:
                self._note(row, error)
        if len(results) == len(rows):
            raise batch_error
        kept = [row in results for row in rows]
        data = np.concatenate(list(results.values())) if results else np.empty(0)
        return data, strain[kept], list(results)

    def _call(self, strain: np.ndarray) -> np.ndarray:
        data = np.asarray(self.transformer.transform(strain))
        if data.ndim == 0 or len(data) != len(strain):
            raise TypeError(
                f"transformer.transform made an array of shape {data.shape} of "
                f"{len(strain)} stretches of strain."
            )
        return data

    def _add(self, data: np.ndarray, strain: np.ndarray, rows: list[int]) -> None:
        if not rows:
            return
        if not self.rows:
            # All at once, as putting batches together at the end takes twice the memory.
            self.data = np.empty((len(self.todo), *data.shape[1:]), data.dtype)
            if self.keep_strain:
                self.strain = np.empty((len(self.todo), strain.shape[1]))
        part = slice(len(self.rows), len(self.rows) + len(rows))
        self.data[part] = data
        if self.keep_strain:
            self.strain[part] = strain
        self.rows += rows


def _make_bunch(work: _Work) -> Bunch:
    triggers, rows = work.triggers, work.rows
    gps = [triggers.gps[row] for row in rows]
    ifo = [triggers.ifo[row] for row in rows]
    target = None if triggers.label is None else np.array([triggers.label[row] for row in rows])
    bunch = Bunch(
        data=work.data[: len(rows)],
        target=target,
        target_names=None if target is None else np.unique(target),
        ids=np.array([f"{i}_{t!r}" if i else repr(t) for i, t in zip(ifo, gps, strict=True)]),
        ifo=np.array(ifo),
        gps=np.array(gps),
        rows=np.array(rows),
        skipped=dict(sorted(triggers.problems.items())),
        DESCR=_DESCR,
    )
    if work.keep_strain:
        bunch.strain = work.strain[: len(rows)]
    return bunch
