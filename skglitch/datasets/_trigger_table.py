"""Tables of triggers: GPS times, detectors and labels from files and data frames."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from .._files import list_paths
from .._hdf5 import check_structure
from .._labels import as_labels, is_labeled, strip_labels
from .._tables import read_arrow, read_csv
from .._validation import check_gps, column_names, kind_of_labels
from ._event_files import EVENT_SUFFIXES, is_of_pandas, read_events
from ._parameters import shorten
from ._strain import show_gps

# Usual names of columns, in order of preference. In tables of Gravity Spy, event_time is the time
# of the trigger.
_USUAL = {
    "gps": (
        *("gps", "gps_time", "gpstime", "event_time", "peak_time", "trigger_time", "time"),
        "end_time",
    ),
    "ifo": ("ifo", "detector", "interferometer"),
    "label": ("label", "ml_label", "class", "glitch_class"),
    "glitch": ("gravityspy_id", "subject_id", "subject_ids"),
}
_IFO = re.compile(r"[A-Z]\d")
_ARROW = (".parquet", ".pq", ".feather")
_SUFFIXES = (".csv", *_ARROW, ".hdf5", ".hdf", ".h5", ".json", *EVENT_SUFFIXES)


@dataclass
class Triggers:
    """Columns of a table, if any, and problems of rows, where gps is NaN or ifo is empty."""

    gps: list[float]
    ifo: list[str] | None
    target: np.ndarray | None
    labeled: np.ndarray
    # Name of the table in messages.
    where: str
    problems: dict[int, str] = field(default_factory=dict)

    def name(self, row: int) -> str:
        """Name a row in a message."""
        known = [] if math.isnan(self.gps[row]) else [f"GPS {show_gps(self.gps[row])}"]
        known += [self.ifo[row]] if self.ifo and self.ifo[row] else []
        return f"row {row} ({', '.join(known)})" if known else f"row {row}"


def read_triggers(table: Any, gps: str, ifo: str | None, label: str | None) -> Triggers:
    """Read a table, with the parameters of load_triggers."""
    for role, name in (("gps", gps), ("ifo", ifo), ("label", label)):
        if not isinstance(name, str) and (name is not None or role == "gps"):
            raise ValueError(f"{role}={name!r} must be the name of a column.")
    path = f"table={str(table)!r}" if isinstance(table, str | os.PathLike) else ""
    columns = Columns(_read_columns(table), path)
    n_rows = len(next(iter(columns.values()), ()))
    if n_rows == 0:
        raise ValueError(f"{columns.title} has no rows.")
    name = columns.find("gps", gps)
    if name is None:
        raise ValueError(
            f"{columns.title} has no column of GPS times with a usual name "
            f"({', '.join(_USUAL['gps'])}): pass gps=. {columns}"
        )
    times, problems = _gps_times(columns, name)
    triggers = Triggers(times, None, None, np.zeros(n_rows, dtype=bool), columns.where, problems)
    if ifo is not None and _IFO.fullmatch(ifo) and ifo not in columns:
        triggers.ifo = [ifo] * n_rows
    elif ifo is not None and (name := columns.find("ifo", ifo)) is not None:
        values = as_labels(columns[name], columns.name(name))
        names = [str(value).upper() for value in strip_labels(values)]
        triggers.ifo = [ifo if _IFO.fullmatch(ifo) else "" for ifo in names]
        for row, value in enumerate(values):
            if not triggers.ifo[row]:
                reason = f"ifo={value!r} is not a detector, such as 'H1' or 'L1'"
                problems.setdefault(row, reason)
    if label is not None and (name := columns.find("label", label)) is not None:
        labels = strip_labels(as_labels(columns[name], columns.name(name)))
        triggers.labeled = is_labeled(labels, columns.name(name))
        if triggers.labeled.any():
            pairs = list(zip(labels, triggers.labeled, strict=True))
            known = [value for value, is_known in pairs if is_known]
            kind_of_labels(known, columns.name(name))
            kinds = set(map(type, known))
            fill: Any = -1 if all(issubclass(kind, int) for kind in kinds) else math.nan
            fill = "" if all(issubclass(kind, str) for kind in kinds) else fill
            triggers.target = np.array([v if is_known else fill for v, is_known in pairs])
    return triggers


def _gps_times(columns: Columns, name: str) -> tuple[list[float], dict[int, str]]:
    """GPS times of a column, NaN for invalid values, and the rows of these."""
    values = columns[name]
    cells = list(values)
    if any(isinstance(value, str) for value in cells):
        values = [None if isinstance(value, str) else value for value in cells]
    gps = check_gps(values, columns.name(name)).tolist()
    # Tables of Gravity Spy and LIGO_LW split times into whole seconds and ns.
    ns = columns.match(f"{name.strip()}_ns")
    problems = {}
    for row, value in enumerate(cells):
        shown = f"{name}={value!r}" if isinstance(value, str) else f"{name}={value}"
        if isinstance(value, str):
            gps[row] = _to_float(value)
        if ns is not None and gps[row].is_integer():
            shown = f"{ns}={columns[ns][row]}"
            gps[row] += _to_float(columns[ns][row]) * 1e-9
        if not math.isfinite(gps[row]):
            problems[row] = f"{shown} is not a GPS time"
            gps[row] = math.nan
    return gps, problems


def _to_float(value: Any) -> float:
    try:
        return math.nan if value is np.ma.masked else float(value)
    except (TypeError, ValueError):
        return math.nan


class Columns(dict[str, Any]):
    """Columns of a table, and its name at the start of messages and within them."""

    def __init__(self, columns: Mapping[str, Any], path: str):
        super().__init__(columns)
        self.title, self.where = path or "The table", path or "the table"

    def find(self, role: str, name: str) -> str | None:
        """Find a column, or None if ``name="auto"`` and no column has a usual name."""
        if name != "auto" or "auto" in self:
            found = self.match(name)
            if found is None:
                raise ValueError(f"{role}={name!r} is not a column of {self.where}. {self}")
            return found
        return next(filter(None, map(self.match, _USUAL[role])), None)

    def match(self, name: str) -> str | None:
        """Find the only column of this name, ignoring case if there is no exact match."""
        wanted = name.strip().casefold()
        names = [name] if name in self else [n for n in self if n.strip().casefold() == wanted]
        if len(names) > 1 or (names and getattr(self[names[0]], "ndim", 1) > 1):
            shown = " and ".join(map(repr, names))
            raise ValueError(f"{self.title} has more than one column {shown}. {self}")
        return names[0] if names else None

    def name(self, column: str) -> str:
        """Name a column in a message."""
        return f"{self.where}: column {column!r}"

    def __str__(self) -> str:
        return f"Its columns: {shorten(self, 30)}."


def _read_columns(table: Any) -> Mapping[str, Any]:
    table = list(table) if isinstance(table, Iterator) else table
    paths = list_paths(table)
    if paths:
        import pandas as pd

        files = [pd.DataFrame(_read_file(path)) for path in paths]
        table = files[0] if len(files) == 1 else pd.concat(files, ignore_index=True)
    if isinstance(table, Mapping):
        columns = {str(name): values for name, values in table.items()}
        lengths = sorted({len(values) for values in columns.values()})
        if len(lengths) > 1:
            raise ValueError(f"The columns of the table differ in length: {lengths}.")
        return columns
    names = column_names(table)
    if names is not None:
        columns = {str(name): table[name] for name in names}
        # Without the index of a data frame, which need not be row numbers.
        return {name: getattr(values, "array", values) for name, values in columns.items()}
    try:
        rows = [dict(row) for row in table]
    except (TypeError, ValueError):
        raise ValueError(
            f"table is a {type(table).__name__}, but must be the path of a table, a data frame, "
            "or a list of dicts."
        ) from None
    found: Sequence[str] = list(dict.fromkeys(str(name) for row in rows for name in row))
    return {name: [row.get(name) for row in rows] for name in found}


def _read_file(path: str | os.PathLike[str]) -> Any:
    import pandas as pd

    # gwtrigfind finds URLs of files.
    path = Path(urlsplit(str(path)).path if str(path).startswith("file://") else path).expanduser()
    if not path.exists():
        raise FileNotFoundError(f"table={str(path)!r} does not exist.")
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return read_csv(path)
    if not path.name.lower().endswith(_SUFFIXES):
        raise ValueError(f"table={str(path)!r} does not end in one of {', '.join(_SUFFIXES)}.")
    try:
        if suffix in _ARROW:
            return read_arrow(path)
        if suffix == ".json":
            # Text is converted to GPS times with all its digits later.
            return pd.read_json(path, convert_dates=False, precise_float=True)
        if suffix in EVENT_SUFFIXES or suffix == ".gz":
            return read_events(path)
        check_structure(path)
        return pd.read_hdf(path) if is_of_pandas(path) else read_events(path)
    except ImportError:
        # It names the missing package.
        raise
    except Exception as error:
        # The readers raise errors of many types.
        raise ValueError(f"table={str(path)!r} cannot be read: {error}") from error
