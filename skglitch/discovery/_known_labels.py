"""Which samples have a label: one convention for the whole room."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def has_label(y: ArrayLike, name: str = "y") -> NDArray[np.bool_]:
    """Tell which samples have a label.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, 1)
        Labels. No label are None, NaN and pandas' NA, an empty string, and -1, as in
        scikit-learn's semi-supervised estimators.
    name : str, default="y"
        What to call them in an error message.

    Returns
    -------
    labelled : ndarray of shape (n_samples,), dtype bool

    Raises
    ------
    ValueError
        If there is not one label a sample.

    Examples
    --------
    >>> from skglitch.discovery._known_labels import has_label
    >>> has_label(["Blip", "", None, float("nan")]).tolist()
    [True, False, False, False]
    >>> has_label([0, -1]).tolist()
    [True, False]
    """
    return np.array([not _is_missing(value) for value in as_list(y, name)], dtype=bool)


def as_list(y: ArrayLike, name: str = "y") -> list[Any]:
    """Give labels as a list of plain values, whatever they came in.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, 1)
    name : str, default="y"

    Returns
    -------
    values : list of length n_samples

    Raises
    ------
    ValueError
        If there is not one label a sample.
    """
    # dtype=object, since asarray(["a", 1]) would silently turn the number into a string.
    array = np.asarray(y, dtype=object)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array.ravel()
    if array.ndim != 1:
        raise ValueError(f"{name} must hold one label a sample, got shape {array.shape}.")
    # Scalars of numpy compare like those of Python, and are told in errors like them.
    return [value.item() if isinstance(value, np.generic) else value for value in array]


def _is_missing(value: Any) -> bool:
    if value is None or isinstance(value, str):
        return value is None or value == ""
    # pandas.NA is neither true nor false, and NaN is not equal to itself.
    is_itself = value == value
    if is_itself is not True:
        return True
    return not isinstance(value, bool) and value == -1
