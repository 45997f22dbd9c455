"""What the explorer takes, checked before anything slow is done."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from ._columns import check_column
from ._spectrogram import check_views


def check_known(labels: Any, about: Any, n_samples: int) -> dict[str, list[Any]]:
    """Give all that is known of glitches by the name of a column, the labels first.

    Parameters
    ----------
    labels : array-like of shape (n_samples,) or None
    about : mapping or DataFrame of array-like of shape (n_samples,), or None
    n_samples : int

    Returns
    -------
    columns : dict of str to list of length n_samples

    Raises
    ------
    TypeError
        If `about` has no named columns.
    ValueError
        If a column has another length, or a name that there is already.
    """
    # A Series has items too, but no columns.
    if not (about is None or isinstance(about, Mapping) or hasattr(about, "columns")):
        raise TypeError(
            f"about must be a dict or a DataFrame, got {type(about).__name__}: "
            'name what it holds, as in about={"snr": snr}.'
        )
    columns = {} if labels is None else {"label": check_column(labels, "labels", n_samples)}
    for key, values in () if about is None else about.items():
        name = str(key)
        if name in ("id", "label"):
            raise ValueError(f"about has a column {name!r}: pass it as {name}s=.")
        if name in columns:
            raise ValueError(f"about has two columns {name!r}: rename one.")
        columns[name] = check_column(values, f"about[{key!r}]", n_samples)
    return columns


def check_ids(ids: Any, n_samples: int) -> list[str]:
    """Give ids as texts, none of which names two glitches.

    Parameters
    ----------
    ids : array-like of shape (n_samples,) or None
        None takes the row numbers.
    n_samples : int

    Returns
    -------
    ids : list of str

    Raises
    ------
    ValueError
        If one is missing, or two are the same.
    """
    way_out = "Each glitch needs one of its own: rename it, or pass ids=None for row numbers."
    row_of: dict[str, int] = {}
    values = range(n_samples) if ids is None else check_column(ids, "ids", n_samples)
    for row, value in enumerate(values):
        # NaN is not equal to itself, and whether NA is, is unknown.
        if value is None or (value == value) is not True or value == "":
            raise ValueError(f"ids[{row}]={value!r} names no glitch. {way_out}")
        first = row_of.setdefault(str(value), row)
        if first != row:
            raise ValueError(f"ids[{first}] and ids[{row}] are both {value!r}. {way_out}")
    return list(row_of)


def check_pictures(
    X: Any, durations: Any, frange: Any, n_samples: int
) -> tuple[np.ndarray, tuple[float, ...], tuple[float, float]]:
    """Check pictures, but for what takes a look at each.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_views, height, width)
        May be a memory map.
    durations : float, sequence of float or None
    frange : tuple of float
    n_samples : int

    Returns
    -------
    X : ndarray of shape (n_samples, n_views, height, width)
        Without a copy, also where it is a memory map.
    durations : tuple of float
        One for each view.
    frange : tuple of float

    Raises
    ------
    ValueError
        If they are not as many as there are places, or no pictures, or do not fit together.
    """
    array = np.asarray(X)
    if array.ndim == 0 or len(array) != n_samples:
        raise ValueError(f"X has shape {array.shape}, but there are {n_samples} places on the map.")
    if array.dtype.kind not in "buif":
        raise ValueError(f"X has the type {array.dtype}, but energies of pixels are numbers.")
    _, durations = check_views(array[0], durations)
    pair = np.ravel(frange).tolist()
    is_pair = len(pair) == 2 and all(isinstance(value, Real) for value in pair)
    if not is_pair or not 0 < pair[0] < pair[1] < np.inf:
        raise ValueError(
            f"frange={frange!r} must be a lowest and a highest frequency, both positive."
        )
    return array, tuple(map(float, durations)), (float(pair[0]), float(pair[1]))
