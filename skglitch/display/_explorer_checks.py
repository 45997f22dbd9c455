"""Checks of the arguments of the explorer, before anything slow is computed."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np

from ._map_classes import check_column
from ._spectrogram import check_views


def check_known(labels: Any, about: Any, n_samples: int) -> dict[str, list[Any]]:
    """Return the columns of `labels` (first, if given) and `about` by name."""
    # A Series has items too, but no columns.
    if not (about is None or isinstance(about, Mapping) or hasattr(about, "columns")):
        raise TypeError(
            f"about must be a dict or a DataFrame, got {type(about).__name__}: name its values, "
            'as in about={"snr": snr}.'
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
    """Return unique ids as text; None takes the row numbers."""
    advice = "Each glitch needs a unique id: rename it, or pass ids=None for row numbers."
    row_of: dict[str, int] = {}
    values = range(n_samples) if ids is None else check_column(ids, "ids", n_samples)
    for row, value in enumerate(values):
        # NaN is not equal to itself, and comparisons of NA are neither true nor false.
        if value is None or (value == value) is not True or value == "":
            raise ValueError(f"ids[{row}]={value!r} is missing. {advice}")
        first = row_of.setdefault(str(value), row)
        if first != row:
            raise ValueError(f"ids[{first}] and ids[{row}] are both {value!r}. {advice}")
    return list(row_of)


def check_pictures(
    X: Any, durations: Any, frange: Any, n_samples: int
) -> tuple[np.ndarray, tuple[float, ...], tuple[float, float]]:
    """Check pictures, except for values of pixels, without copying a memory map."""
    array = np.asarray(X)
    if array.ndim == 0 or len(array) != n_samples:
        raise ValueError(
            f"X has shape {array.shape}, but there are {n_samples} glitches on the map."
        )
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
