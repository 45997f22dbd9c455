"""GPS times: one check for the whole room."""

from __future__ import annotations

from datetime import date, time, timedelta

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .._labels import as_labels

_CALENDAR = (date, time, timedelta, np.datetime64, np.timedelta64)
_WAY_OUT = "astropy.time.Time(...).gps turns dates into GPS times."


def check_gps_times(values: ArrayLike, name: str = "times") -> NDArray[np.float64]:
    """Give GPS times as an array of float64, with NaN for missing ones.

    Parameters
    ----------
    values : array-like
        Numbers, or what turns into a number such as gwpy's GPS times.
    name : str, default="times"
        What to call them in an error message.

    Returns
    -------
    times : ndarray of float64
        Of the same shape.

    Raises
    ------
    ValueError
        If they are dates, which NumPy would silently turn into numbers of another origin and
        unit, or no numbers.

    Examples
    --------
    >>> from skglitch.discovery._gps_times import check_gps_times
    >>> check_gps_times([1126259462, None]).tolist()
    [1126259462.0, nan]
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"{name} must be GPS times in s, got rows that differ in length."
        ) from error
    if array.dtype.kind == "O":
        listed = as_labels(array.ravel(), name)
        found = next((value for value in listed if isinstance(value, _CALENDAR)), None)
        if found is not None:
            raise ValueError(f"{name} must be GPS times in s, got {found!r}. {_WAY_OUT}")
        # Of missing values only NaN turns into a number; pandas.NA is not even equal to itself.
        filled = [np.nan if v is None or (v != v) is not False else v for v in listed]
        array = np.array(filled, dtype=object).reshape(array.shape)
    if array.dtype.kind in "mM":
        raise ValueError(f"{name} must be GPS times in s, got {array.dtype}. {_WAY_OUT}")
    try:
        if array.dtype.kind == "c":
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError) as error:
        told = f"{array.ravel().tolist()[0]!r}, ..." if array.size else array.dtype
        raise ValueError(f"{name} must be GPS times in s, got {told}. {_WAY_OUT}") from error
