"""Embeddings of unit length and their nearest neighbors by cosine."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import gen_batches
from sklearn.utils.validation import check_array

from .._validation import unmask

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]

# The largest block of similarities or embeddings: 64 MB.
_BLOCK = 2**24
# Matrix products round equal rows differently, by up to 1e-7: compare this many more rows.
_SPARE = 8


def check_embeddings(X: Any, name: str = "X", min_samples: int = 1) -> NDArray[Any]:
    """Check embeddings that are not the X of an estimator."""
    array: NDArray[Any] = check_array(
        unmask(X),
        dtype=[np.float64, np.float32],
        ensure_all_finite=False,
        ensure_min_samples=min_samples,
        input_name=name,
    )
    check_finite(array, name)
    return array


def check_finite(X: NDArray[Any], name: str = "X") -> None:
    """Refuse NaN and infinity, and name the first row."""
    bad = np.flatnonzero(~np.isfinite(X).all(axis=1))
    if len(bad):
        raise ValueError(f"{name} has NaN or infinity in {len(bad)} rows, first in row {bad[0]}.")


def unit_rows(X: NDArray[Any]) -> Floats:
    """Scale rows to length 1, in a new array; rows of zeros stay zero."""
    # Rows are divided by their largest number first, in float64: squares of large or tiny numbers
    # leave the range of float32. Not np.abs, which makes another array of this size.
    largest = np.maximum(X.max(axis=1), -X.min(axis=1))[:, np.newaxis]
    units = np.zeros(X.shape, dtype=np.float32)
    np.divide(X, largest, out=units, where=largest > 0, casting="same_kind")
    length = np.sqrt(np.einsum("ij,ij->i", units, units))[:, np.newaxis]
    return np.divide(units, length, out=units, where=length > 0)


def find_neighbors(
    units: Floats,
    queries: Floats,
    n_neighbors: int,
    *,
    exclude: Rows | None = None,
    allowed: NDArray[np.bool_] | None = None,
) -> tuple[Floats, Rows]:
    """Find the rows with the highest cosine to each query, if `allowed` and not in `exclude`."""
    # scikit-learn's NearestNeighbors is ten times slower for one query.
    n_candidates = min(n_neighbors + _SPARE, len(units))
    cosines = np.empty((len(queries), n_neighbors), dtype=np.float32)
    rows = np.empty((len(queries), n_neighbors), dtype=np.intp)
    for batch in gen_batches(len(queries), max(1, _BLOCK // len(units))):
        found = queries[batch] @ units.T
        if exclude is not None:
            np.put_along_axis(found, exclude[batch, np.newaxis], -np.inf, axis=1)
        if allowed is not None:
            found[:, ~allowed] = -np.inf
        best = np.argpartition(found, -n_candidates, axis=1)[:, -n_candidates:]
        best[np.isneginf(np.take_along_axis(found, best, axis=1))] = -1
        cosines[batch], rows[batch] = rank_candidates(units, queries[batch], best, n_neighbors)
    return cosines, rows


def rank_candidates(
    units: Floats, queries: Floats, candidates: Rows, n_neighbors: int
) -> tuple[Floats, Rows]:
    """Sort the candidates of each query by cosine, then by row; -1 is no candidate."""
    cosines = np.empty(candidates.shape, dtype=np.float32)
    size = max(1, _BLOCK // (candidates.shape[1] * units.shape[1]))
    for batch in gen_batches(len(queries), size):
        # Unlike a matrix product, this sums equal rows in the same order.
        cosines[batch] = np.einsum("qcd,qd->qc", units[candidates[batch]], queries[batch])
    # Rounding makes some exceed 1.
    np.clip(cosines, -1, 1, out=cosines)
    cosines[candidates < 0] = -np.inf
    order = np.lexsort((candidates, -cosines), axis=1)[:, :n_neighbors]
    return np.take_along_axis(cosines, order, axis=1), np.take_along_axis(candidates, order, axis=1)
