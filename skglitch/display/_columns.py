"""What is known of each glitch, as displays take and write it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .._labels import as_labels

# Above, floats are whole for want of digits.
_LARGEST_WHOLE = 2.0**53


def check_column(values: ArrayLike, name: str, n_samples: int) -> list[Any]:
    """Give what is known of each glitch as a list of plain values.

    Parameters
    ----------
    values : array-like of shape (n_samples,) or (n_samples, 1)
    name : str
        What to call them in an error message.
    n_samples : int

    Returns
    -------
    values : list of length n_samples

    Raises
    ------
    ValueError
        If there is not one value for each glitch.
    """
    shape = np.shape(np.asarray(values, dtype=object))
    if shape not in ((n_samples,), (n_samples, 1)):
        raise ValueError(
            f"{name} has shape {shape}, but there are {n_samples} places on the map: give one "
            "value for each."
        )
    return as_labels(values, name)


def is_whole(value: Any) -> bool:
    """Tell whether a value is an integer in a float's clothes.

    A float is what an integer becomes in a column with gaps.

    Examples
    --------
    >>> from skglitch.display._columns import is_whole
    >>> [is_whole(value) for value in (3.0, 3.5, 1e300, float("inf"), "Blip")]
    [True, False, False, False, False]
    """
    return isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST_WHOLE


def text_of(value: Any) -> str:
    """Write a value as text.

    Examples
    --------
    >>> from skglitch.display._columns import text_of
    >>> [text_of(value) for value in ("Blip", 3, 3.0, 3.5)]
    ['Blip', '3', '3', '3.5']
    """
    return str(int(value)) if is_whole(value) else str(value)
