"""Exact nearest rows by cosine, in blocks, so that memory does not grow with the set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array

# Similarities of so many queries to so many rows are held at a time: 16 MB of them.
_QUERY_BLOCK = 256
_ROW_BLOCK = 16384

Floats = NDArray[np.float32]


def unit_rows(X: Any) -> Floats:
    """Embeddings of length 1, in a new array.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Finite embeddings. A row of zeros stays as it is: like scikit-learn, this takes its
        cosine with anything for 0.

    Returns
    -------
    units : ndarray of shape (n_samples, n_features), dtype float32
    """
    units = np.array(X, dtype=np.float32, order="C")
    # By the largest number first: squares of large or tiny ones leave the range of float32. Not
    # by np.abs, which makes another array as large.
    largest = np.maximum(units.max(axis=1), -units.min(axis=1))[:, np.newaxis]
    np.divide(units, largest, out=units, where=largest > 0)
    length = np.sqrt(np.einsum("ij,ij->i", units, units))[:, np.newaxis]
    return np.divide(units, length, out=units, where=length > 0)


def check_embeddings(X: Any, name: str = "X", min_samples: int = 1) -> NDArray[Any]:
    """Check embeddings that are no estimator's X; they stay as they are.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        What should be finite numbers.
    name : str, default="X"
        What to call them in an error message.
    min_samples : int, default=1
        Fewest rows to accept.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features)

    Raises
    ------
    ValueError
        If they are not a table of finite numbers.
    """
    array: NDArray[Any] = check_array(
        X,
        dtype=[np.float64, np.float32],
        ensure_all_finite=False,
        ensure_min_samples=min_samples,
        input_name=name,
    )
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{name} has NaN or infinity in {len(bad)} rows, the first being row {bad[0]}."
        )
    return array


def nearest(
    queries: Floats,
    units: Floats,
    k: int,
    *,
    leave_out: NDArray[np.intp] | None = None,
    among: NDArray[np.intp] | None = None,
) -> tuple[NDArray[np.intp], Floats]:
    """Rows of the highest cosine with each query, all compared.

    Parameters
    ----------
    queries : ndarray of shape (n_queries, n_features), dtype float32
        Of length 1.
    units : ndarray of shape (n_samples, n_features), dtype float32
        Of length 1.
    k : int
        How many rows, at least 1; there must be as many that may be found.
    leave_out : ndarray of shape (n_queries,), default=None
        A row that each query must not find, such as itself.
    among : ndarray of shape (n_allowed,), dtype intp, default=None
        The rows that may be found. None allows all.

    Returns
    -------
    rows : ndarray of shape (n_queries, k), dtype intp
        By falling cosine, equal ones in their order. Which of equal ones are found where not all
        are is left open.
    cosines : ndarray of shape (n_queries, k), dtype float32
    """
    rows = np.empty((len(queries), k), dtype=np.intp)
    cosines = np.empty((len(queries), k), dtype=np.float32)
    for start in range(0, len(queries), _QUERY_BLOCK):
        block = slice(start, start + _QUERY_BLOCK)
        out = None if leave_out is None else leave_out[block]
        rows[block], cosines[block] = _nearest_of_block(queries[block], units, k, out, among)
    return rows, cosines


def _nearest_of_block(
    queries: Floats,
    units: Floats,
    k: int,
    leave_out: NDArray[np.intp] | None,
    among: NDArray[np.intp] | None,
) -> tuple[NDArray[np.intp], Floats]:
    rows = np.empty((len(queries), 0), dtype=np.intp)
    cosines = np.empty((len(queries), 0), dtype=np.float32)
    n_allowed = len(units) if among is None else len(among)
    for start in range(0, n_allowed, _ROW_BLOCK):
        stop = min(start + _ROW_BLOCK, n_allowed)
        numbers = np.arange(start, stop) if among is None else among[start:stop]
        found = queries @ (units[start:stop] if among is None else units[numbers]).T
        if leave_out is not None:
            found[numbers == leave_out[:, np.newaxis]] = -np.inf
        best = _largest(found, k)
        rows = np.hstack([rows, numbers[best]])
        cosines = np.hstack([cosines, np.take_along_axis(found, best, axis=1)])
        kept = _largest(cosines, k)
        rows = np.take_along_axis(rows, kept, axis=1)
        cosines = np.take_along_axis(cosines, kept, axis=1)
    return sort_by_cosine(rows, cosines)


def sort_by_cosine(rows: NDArray[np.intp], cosines: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Sort what each query found by falling cosine, equal ones by row.

    Parameters
    ----------
    rows : ndarray of shape (n_queries, n_found), dtype intp
        What each query found.
    cosines : ndarray of shape (n_queries, n_found), dtype float32
        Their cosines.

    Returns
    -------
    rows, cosines : ndarrays of shape (n_queries, n_found)
        The same, sorted.
    """
    order = np.lexsort((rows, -cosines), axis=1)
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(cosines, order, axis=1)


def _largest(values: Floats, k: int) -> NDArray[np.intp]:
    """Columns of the k largest values of each row, in no order; all where there are fewer."""
    if values.shape[1] <= k:
        return np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return np.argpartition(values, -k, axis=1)[:, -k:]
