"""Which samples have a label: one convention for the whole room."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_consistent_length


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
    labeled : ndarray of shape (n_samples,), dtype bool

    Raises
    ------
    ValueError
        If there is not one label a sample.

    Examples
    --------
    >>> from skglitch._labels import has_label
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


def encode_known(
    y: ArrayLike | None, n_samples: int, unlabeled: Any = None
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Give the classes, sorted, and the code of each sample, -1 without a label.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or None
    n_samples : int
    unlabeled : object or list of objects, default=None
        Labels that count as none too.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
    codes : ndarray of shape (n_samples,), dtype int

    Raises
    ------
    ValueError
        If y is of another length or holds strings and numbers, or ``unlabeled`` is not in it.
    """
    codes = np.full(n_samples, -1)
    if y is None:
        return np.array([]), codes
    values = as_list(y)
    check_consistent_length(np.empty((n_samples, 0)), values)
    marks = unlabeled if isinstance(unlabeled, list | tuple | set | np.ndarray) else [unlabeled]
    for mark in marks:
        if has_label([mark])[0] and mark not in values:
            present = sorted({value for value in values if not _is_missing(value)}, key=str)
            raise ValueError(
                f"unlabeled={mark!r} is no label in y, which has {', '.join(map(repr, present))}."
            )
    rows = [
        row for row, value in enumerate(values) if not _is_missing(value) and value not in marks
    ]
    try:
        classes = sorted({values[row] for row in rows})
    except TypeError as error:
        kinds = sorted({type(values[row]).__name__ for row in rows})
        raise ValueError(
            f"y must hold strings only or numbers only, found {' and '.join(kinds)}."
        ) from error
    position = {label: code for code, label in enumerate(classes)}
    codes[rows] = [position[values[row]] for row in rows]
    return np.array(classes), codes


def _is_missing(value: Any) -> bool:
    if value is None or isinstance(value, str):
        return value is None or value == ""
    # pandas.NA is neither true nor false, and NaN is not equal to itself.
    is_itself = value == value
    if is_itself is not True:
        return True
    return not isinstance(value, bool) and value == -1
