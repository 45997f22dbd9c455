"""Approximate nearest rows by cosine, for sets too large to compare all."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ._similarity_search import Floats, exact_cosines, nearest, sort_by_cosine

# So many vectors for each cell are enough to find its center.
_TRAINED_ON = 64
# Half precision: a byte a feature has a range, which glitches of a kind that comes later leave.
_CELLS = "IVF{},SQfp16"
# So many times the rows asked for are compared in full precision.
_CANDIDATES = 2
# Share of the cells that a query looks into: measured in benchmarks/similarity.py.
_PROBED = 1 / 16
_MIN_PROBES = 8
# Cells are made anew when there are so many times the rows that they were made for.
_GROWTH = 2


def build(units: Floats) -> Any:
    """Sort rows into cells of like ones (an inverted file), in half precision.

    Parameters
    ----------
    units : ndarray of shape (n_samples, n_features), dtype float32
        Of length 1.

    Returns
    -------
    index : faiss.IndexIVF

    Raises
    ------
    ImportError
        If faiss is not there.
    """
    faiss = import_faiss()
    n_cells = math.isqrt(len(units))
    index = faiss.index_factory(units.shape[1], _CELLS.format(n_cells), faiss.METRIC_INNER_PRODUCT)
    # A small set has few for each cell, which faiss would warn of at each fit.
    index.cp.min_points_per_centroid = 1
    n_trained = min(len(units), _TRAINED_ON * n_cells)
    # A fixed seed: the same rows make the same index, whatever else draws numbers.
    sample = np.random.default_rng(0).choice(len(units), n_trained, replace=False)
    index.train(units[np.sort(sample)])
    index.add(units)
    return index


def extended(index: Any, units: Floats) -> Any:
    """Add the rows that an index lacks, or build another where its cells have become too few.

    Parameters
    ----------
    index : faiss.IndexIVF
        Of the first rows. It is changed.
    units : ndarray of shape (n_samples, n_features), dtype float32
        All rows, of length 1.

    Returns
    -------
    index : faiss.IndexIVF
        Of all rows.
    """
    if len(units) > _GROWTH * index.nlist**2:
        return build(units)
    index.add(units[index.ntotal :])
    return index


def import_faiss() -> Any:
    """Import faiss, or tell how to get it."""
    try:
        import faiss
    except ImportError as error:
        raise ImportError(
            'method="approximate" needs faiss: pip install "skglitch[similarity]"'
        ) from error
    return faiss


def has_faiss() -> bool:
    """Tell whether faiss can be imported."""
    try:
        import_faiss()
    except ImportError:
        return False
    return True


def nearest_approximately(
    index: Any,
    queries: Floats,
    units: Floats,
    k: int,
    *,
    leave_out: NDArray[np.intp] | None = None,
    among: NDArray[np.intp] | None = None,
) -> tuple[NDArray[np.intp], Floats]:
    """Rows of high cosine with each query: mostly, not surely, the highest.

    Parameters
    ----------
    index : faiss.IndexIVF
        Of `units`.
    queries, units, k, leave_out
        As in :func:`~skglitch.discovery._similarity_search.nearest`.
    among : ndarray of shape (n_allowed,), default=None
        The rows that may be found, at least `k` beside those left out. None allows all.

    Returns
    -------
    rows : ndarray of shape (n_queries, k), dtype intp
        By falling cosine.
    cosines : ndarray of shape (n_queries, k), dtype float32
        Those of the full vectors.
    """
    faiss = import_faiss()
    n_candidates = min(_CANDIDATES * (k + 1), len(units))
    options = {"nprobe": max(_MIN_PROBES, math.ceil(_PROBED * index.nlist))}
    if among is not None:
        options["sel"] = faiss.IDSelectorBatch(among)
    _, candidates = index.search(queries, n_candidates, params=faiss.SearchParametersIVF(**options))
    if leave_out is not None:
        candidates[candidates == leave_out[:, np.newaxis]] = -1
    cosines = exact_cosines(queries, units, candidates)
    rows, cosines = sort_by_cosine(candidates, cosines)
    rows, cosines = rows[:, :k], cosines[:, :k]
    # Where the cells looked into have too few rows that are allowed, all are compared.
    (short,) = np.nonzero((rows < 0).any(axis=1))
    if len(short):
        out = None if leave_out is None else leave_out[short]
        rows[short], cosines[short] = nearest(queries[short], units, k, leave_out=out, among=among)
    return rows, cosines
