"""Tables about time: when glitches were, and when detectors observed."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

# Names that columns usually have, in lower case; the first that there is counts.
_IDS = ("gravityspy_id", "id", "unique_id", "uniqueid")
_TIMES = ("gps_time", "gps", "event_time", "peak_time", "trigger_time", "time")
_DETECTORS = ("ifo", "detector")


def read_times(path: Path, ids: np.ndarray) -> np.ndarray:
    """Look up the GPS times of glitches by their ids.

    Parameters
    ----------
    path : pathlib.Path
        CSV table with a column of ids and one of GPS times, such as the metadata of Gravity Spy.
    ids : ndarray of shape (n,), dtype str

    Returns
    -------
    times : ndarray of shape (n,), dtype float64
        In s; NaN for glitches that are not in the table.

    Raises
    ------
    ValueError
        If the table lacks a column, has none of the ids, or a time that is no number.
    """
    import numpy as np

    names, rows = _read(path)
    name, time = _find(path, names, _IDS, "ids"), _find(path, names, _TIMES, "GPS times")
    times = {row[name]: _number(path, line, row[time]) for line, row in rows}
    found = np.array([times.get(str(one), np.nan) for one in ids])
    if np.isnan(found).all():
        raise ValueError(
            f"{str(path)!r} has none of the {len(ids)} glitches in its column {name!r}; the first "
            f"is {str(ids[0])!r}."
        )
    return found


def read_segments(path: Path) -> Any:
    """Read observing segments.

    Parameters
    ----------
    path : pathlib.Path
        CSV table with the columns ``start`` and ``stop`` in GPS s and, where it is not the same
        for all detectors, ``ifo``.

    Returns
    -------
    segments : list of tuple, or dict of str to list of tuple
        As :func:`skglitch.discovery.find_onsets` takes them.

    Raises
    ------
    ValueError
        If the table lacks a column, or has a time that is no number.
    """
    names, rows = _read(path)
    start = _find(path, names, ("start",), "starts")
    stop = _find(path, names, ("stop", "end"), "stops")
    ifo = next((name for name in names if name in _DETECTORS), None)
    segments: dict[str, list[tuple[float, float]]] = {}
    for line, row in rows:
        pair = _number(path, line, row[start]), _number(path, line, row[stop])
        segments.setdefault(row[ifo] if ifo else "", []).append(pair)
    return segments if ifo else segments.get("", [])


def read_runs(path: Path) -> dict[str, tuple[float, float]]:
    """Read observing runs.

    Parameters
    ----------
    path : pathlib.Path
        CSV table with the columns ``run``, and ``start`` and ``stop`` in GPS s.

    Returns
    -------
    runs : dict of str to tuple
        As :func:`skglitch.discovery.find_onsets` takes them.

    Raises
    ------
    ValueError
        If the table lacks a column, has a run twice, or a time that is no number.
    """
    names, rows = _read(path)
    name = _find(path, names, ("run", "name"), "runs")
    start = _find(path, names, ("start",), "starts")
    stop = _find(path, names, ("stop", "end"), "stops")
    runs: dict[str, tuple[float, float]] = {}
    for line, row in rows:
        if row[name] in runs:
            raise ValueError(f"{str(path)!r}, line {line}: the run {row[name]!r} is there twice.")
        runs[row[name]] = _number(path, line, row[start]), _number(path, line, row[stop])
    return runs


def _read(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Read the names of columns, in lower case, and the rows with the numbers of their lines."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            names = [name.strip().casefold() for name in next(reader, [])]
            rows = [(reader.line_num, dict(zip(names, row, strict=True))) for row in reader if row]
    except (ValueError, csv.Error) as error:
        raise ValueError(
            f"{str(path)!r} is no CSV table with as many values in each line: {error}"
        ) from error
    return names, rows


def _find(path: Path, names: list[str], usual: tuple[str, ...], what: str) -> str:
    found = next((name for name in usual if name in names), None)
    if found is None:
        raise ValueError(
            f"{str(path)!r} has no column of {what} ({', '.join(usual)}); it has "
            f"{', '.join(names) or 'none'}."
        )
    return found


def _number(path: Path, line: int, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{str(path)!r}, line {line}: {text!r} is no GPS time.") from None
