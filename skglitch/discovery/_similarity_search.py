"""Exact nearest rows by cosine, in blocks, so that memory does not grow with the set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_array

# Similarities of so many queries to so many rows are held at a time: 16 MB of them.
_QUERY_BLOCK = 256
_ROW_BLOCK = 16384
# Products of matrices give equal rows cosines that differ by less, as rounding depends on where
# in a matrix a row is. What is so close is told apart row by row, with some rows to spare.
_ROUNDING = 1e-6
_SPARE = 8
# So many numbers are held for that: 16 MB of them.
_TOLD_APART = 2**22

Floats = NDArray[np.float32]


def unit_rows(X: Any) -> Floats:
    """Embeddings of length 1, in a new array.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Finite embeddings, however large or small. A row of zeros stays as it is: like
        scikit-learn, this takes its cosine with anything for 0.

    Returns
    -------
    units : ndarray of shape (n_samples, n_features), dtype float32
    """
    given = np.asarray(X)
    if given.dtype.kind != "f":
        given = given.astype(np.float64)
    # By the largest number first, and before float32: squares of large or tiny ones leave its
    # range, and so may numbers of float64. Not by np.abs, which makes another array as large.
    largest = np.maximum(given.max(axis=1), -given.min(axis=1))[:, np.newaxis]
    units = np.zeros(given.shape, dtype=np.float32)
    np.divide(given, largest, out=units, where=largest > 0, casting="same_kind")
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
    check_finite(array, name)
    return array


def check_finite(X: NDArray[Any], name: str = "X") -> None:
    """Refuse NaN and infinity.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
    name : str, default="X"
        What to call it in an error message.

    Raises
    ------
    ValueError
        If there are such.
    """
    bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
    if len(bad):
        raise ValueError(
            f"{name} has NaN or infinity in {len(bad)} rows, the first being row {bad[0]}."
        )


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
        The rows that may be found, in rising order. None allows all.

    Returns
    -------
    rows : ndarray of shape (n_queries, k), dtype intp
        By falling cosine, equal ones in their order; of equal ones the first are found.
    cosines : ndarray of shape (n_queries, k), dtype float32
        From -1 to 1.
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
        best = _largest(found, k + _SPARE)
        rows = np.hstack([rows, numbers[best]])
        cosines = np.hstack([cosines, np.take_along_axis(found, best, axis=1)])
        kept = _largest(cosines, k + _SPARE)
        rows = np.take_along_axis(rows, kept, axis=1)
        cosines = np.take_along_axis(cosines, kept, axis=1)
    rows[np.isneginf(cosines)] = -1
    rows, cosines = sort_by_cosine(rows, exact_cosines(queries, units, rows))
    return rows[:, :k], cosines[:, :k]


def exact_cosines(queries: Floats, units: Floats, rows: NDArray[np.intp]) -> Floats:
    """Cosines of each query with rows of its own, the same for the same rows.

    Parameters
    ----------
    queries, units : ndarray of shape (n_queries, n_features) and (n_samples, n_features)
        Of length 1, dtype float32.
    rows : ndarray of shape (n_queries, n_found), dtype intp
        Rows of units, -1 for none.

    Returns
    -------
    cosines : ndarray of shape (n_queries, n_found), dtype float32
        From -1 to 1, ``-inf`` where there is no row.
    """
    cosines = np.empty(rows.shape, dtype=np.float32)
    step = max(1, _TOLD_APART // max(1, rows.shape[1] * units.shape[1]))
    for start in range(0, len(queries), step):
        block = slice(start, start + step)
        # Not a product of matrices: each row is summed up in the same order.
        cosines[block] = np.einsum("qcd,qd->qc", units[rows[block]], queries[block])
    # Rounding makes some larger than 1.
    np.clip(cosines, -1, 1, out=cosines)
    cosines[rows < 0] = -np.inf
    return cosines


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
    """Columns of the k largest values of each row, rising; all where there are fewer.

    Of those that are equal but for rounding to the least of them, the first are taken.
    """
    if values.shape[1] <= k:
        return np.broadcast_to(np.arange(values.shape[1]), values.shape)
    columns = np.argpartition(values, -k, axis=1)[:, -k:]
    least = np.take_along_axis(values, columns, axis=1).min(axis=1, keepdims=True)
    low, high = least - _ROUNDING, least + _ROUNDING
    for row in np.flatnonzero((values >= low).sum(axis=1) > k):
        larger = values[row] > high[row]
        equal = np.flatnonzero((values[row] >= low[row]) & ~larger)
        larger = np.flatnonzero(larger)
        columns[row] = np.append(larger, equal[: k - len(larger)])
    return np.sort(columns, axis=1)
