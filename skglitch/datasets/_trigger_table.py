"""Tables of triggers: times, detectors and labels out of files and data frames."""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .._labels import is_labeled
from ._scan import shorten
from ._time_axis import show_gps

AUTO = "auto"
# Names that columns usually have, the most telling first: tables of Gravity Spy have several
# times, of which event_time is that of the trigger.
_USUAL = {
    "time": ("gps", "gps_time", "gpstime", "event_time", "peak_time", "trigger_time", "time"),
    "ifo": ("ifo", "detector", "interferometer"),
    "label": ("label", "ml_label", "class", "glitch_class"),
}
_READERS = {
    ".parquet": "read_parquet",
    ".pq": "read_parquet",
    ".hdf5": "read_hdf",
    ".hdf": "read_hdf",
    ".h5": "read_hdf",
    ".feather": "read_feather",
    ".json": "read_json",
}
_DETECTOR = re.compile(r"[A-Z]\d")

Columns = Mapping[str, Sequence[Any]]


@dataclass
class Triggers:
    """What a table says, a value a row.

    Attributes
    ----------
    gps : list of float
        NaN where there is a problem.
    ifo : list of str
        Empty where there is none, or a problem.
    label : list or None
        None if the table has no labels.
    problems : dict
        What is wrong with a row, by its number.
    has_ifo : bool
        Whether the table has detectors.
    """

    gps: list[float]
    ifo: list[str]
    label: list[Any] | None
    problems: dict[int, str] = field(default_factory=dict)
    has_ifo: bool = False

    def name(self, row: int) -> str:
        """Name a row for a message."""
        about = [] if math.isnan(self.gps[row]) else [f"GPS {show_gps(self.gps[row])}"]
        about += [self.ifo[row]] if self.ifo[row] else []
        return f"row {row} ({', '.join(about)})" if about else f"row {row}"


def read_triggers(table: Any, time: str, ifo: str | None, label: str | None) -> Triggers:
    """Read a table.

    Parameters
    ----------
    table : path, DataFrame or list of dict
        The table.
    time, ifo, label : str or None
        Names of the columns, ``"auto"`` for the usual names. ``ifo`` may be a detector, and
        ``ifo`` and ``label`` None for none.

    Returns
    -------
    triggers : Triggers

    Raises
    ------
    FileNotFoundError, ImportError
        If there is no such file, or pandas is needed to read it and not installed.
    ValueError
        If it is no table, has no rows, or lacks a column.
    """
    for name, value in (("time", time), ("ifo", ifo), ("label", label)):
        if not isinstance(value, str) and (value is not None or name == "time"):
            raise ValueError(f"{name}={value!r} must be the name of a column.")
    columns = _read_columns(table)
    count = len(next(iter(columns.values()), ()))
    if count == 0:
        raise ValueError("The table has no rows.")
    times = _find(columns, "time", time)
    if times is None:
        raise ValueError(
            f"The table has no column of GPS times with a usual name ({', '.join(_USUAL['time'])})"
            f": pass time=. {_list(columns)}"
        )
    triggers = Triggers([math.nan] * count, [""] * count, None)
    _take_times(triggers, columns, times)
    fixed = ifo if ifo is not None and _DETECTOR.fullmatch(ifo) and ifo not in columns else None
    detectors = None if ifo is None or fixed else _find(columns, "ifo", ifo)
    triggers.has_ifo = bool(fixed or detectors)
    if fixed:
        triggers.ifo = [fixed] * count
    elif detectors is not None:
        _take_detectors(triggers, columns[detectors])
    labels = None if label is None else _find(columns, "label", label)
    if labels is not None:
        _take_labels(triggers, columns[labels])
    return triggers


def _take_times(triggers: Triggers, columns: Columns, name: str) -> None:
    # Tables of Gravity Spy split the time of the peak into whole seconds and the rest in ns.
    parts = _match(columns, "peak_time_ns") if _plain(name) == "peak_time" else None
    for row, value in enumerate(columns[name]):
        try:
            gps = float(value)
        except (TypeError, ValueError):
            gps = math.nan
        if parts is not None and gps.is_integer():
            gps += _number_or_zero(columns[parts][row]) * 1e-9
        if math.isfinite(gps):
            triggers.gps[row] = gps
        else:
            triggers.problems[row] = f"{name}={_show(value)} is no GPS time"


def _take_detectors(triggers: Triggers, values: Sequence[Any]) -> None:
    for row, value in enumerate(values):
        detector = str(value).strip().upper()
        if _DETECTOR.fullmatch(detector):
            triggers.ifo[row] = detector
        else:
            triggers.problems.setdefault(
                row, f"ifo={_show(value)} is no detector, such as 'H1' or 'L1'"
            )


def _take_labels(triggers: Triggers, values: Sequence[Any]) -> None:
    triggers.label = list(values)
    for row in np.flatnonzero(~is_labeled(triggers.label)):
        triggers.problems.setdefault(int(row), "has no label (label=None loads without labels)")


def _show(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def _number_or_zero(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0.0
    return number if math.isfinite(number) else 0.0


def _find(columns: Columns, role: str, name: str) -> str | None:
    """Find a column; None if it is to be found by the usual names and there is none."""
    if name != AUTO or AUTO in columns:
        found = _match(columns, name)
        if found is None:
            raise ValueError(f"{role}={name!r} is not a column of the table. {_list(columns)}")
        return found
    return next(filter(None, (_match(columns, usual) for usual in _USUAL[role])), None)


def _match(columns: Columns, name: str) -> str | None:
    if name in columns:
        return name
    return next((column for column in columns if _plain(column) == _plain(name)), None)


def _plain(name: str) -> str:
    return name.strip().casefold()


def _list(columns: Columns) -> str:
    return f"Its columns: {shorten(columns, 30)}."


def _read_columns(table: Any) -> Columns:
    if isinstance(table, str | os.PathLike):
        return _read_file(Path(table).expanduser())
    if isinstance(table, Mapping):
        return _check_lengths({str(name): list(values) for name, values in table.items()})
    for names in ("columns", "colnames"):
        # Data frames, and tables of astropy and gwpy.
        if hasattr(table, names):
            return {str(name): list(table[name]) for name in getattr(table, names)}
    try:
        rows = [dict(row) for row in table]
    except (TypeError, ValueError):
        raise ValueError(
            f"table, a {type(table).__name__}, must be the path of a table, a data frame, or a "
            "list of dicts."
        ) from None
    names_found = dict.fromkeys(str(name) for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names_found}


def _read_file(path: Path) -> Columns:
    if not path.exists():
        raise FileNotFoundError(f"table={str(path)!r} does not exist.")
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return _read_csv(path)
    if suffix not in _READERS:
        raise ValueError(
            f"table={str(path)!r} does not end in one of {', '.join(['.csv', *_READERS])}."
        )
    try:
        import pandas as pd
    except ImportError as error:
        raise ImportError(f"Tables in {suffix} are read with pandas: pip install pandas") from error
    try:
        return _read_columns(getattr(pd, _READERS[suffix])(path))
    except ImportError:
        # pandas names what it lacks.
        raise
    except Exception as error:
        # Each format has its own kinds of errors.
        raise ValueError(f"table={str(path)!r} cannot be read: {error}") from error


def _read_csv(path: Path) -> Columns:
    try:
        with open(path, newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream)
            names = next(reader, [])
            rows = []
            for row in filter(None, reader):
                if len(row) != len(names):
                    raise ValueError(
                        f"table={str(path)!r}, line {reader.line_num}, has {len(row)} values for "
                        f"{len(names)} columns."
                    )
                rows.append(row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"table={str(path)!r} is no CSV file: {error}") from error
    return {name: [row[i] for row in rows] for i, name in enumerate(names)}


def _check_lengths(columns: Columns) -> Columns:
    lengths: Iterable[int] = {len(values) for values in columns.values()}
    if len(set(lengths)) > 1:
        raise ValueError(f"The columns of the table differ in length: {sorted(lengths)}.")
    return columns
