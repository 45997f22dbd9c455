"""More like this: the nearest glitches in the space of embeddings."""

from __future__ import annotations

from numbers import Integral
from os import PathLike
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from ._similarity_approximate import build, extended, has_faiss, nearest_approximately
from ._similarity_file import FEATURE_NAMES, read_index, write_index
from ._similarity_labels import (
    GlitchLabels,
    check_labels,
    check_unique,
    join_labels,
    passing,
    row_of,
)
from ._similarity_search import Floats, check_finite, nearest, unit_rows
from ._similarity_table import SimilarGlitches

# Up to so many glitches, comparing all of them takes less than 0.1 s a query.
_EXACT_UP_TO = 100_000


class SimilarityIndex(BaseEstimator):
    r"""Find the glitches most like a given one, by the cosine of embeddings.

    Parameters
    ----------
    method : {"auto", "exact", "approximate"}, default="auto"
        How to search. ``"exact"`` compares with all glitches, ``"approximate"`` with those in
        the cells around, and may miss some; it needs faiss: ``pip install
        "skglitch[similarity]"``. ``"auto"`` is exact up to 100,000 glitches and approximate
        beyond, where faiss is there.
    n_neighbors : int, default=5
        How many glitches to find where a search does not say.

    Attributes
    ----------
    units_ : ndarray of shape (n_glitches, `n_features_in_`), dtype float32
        The embeddings, of length 1.
    ids_ : ndarray of shape (n_glitches,)
        Names of the glitches, strings or integers.
    times_ : ndarray of shape (n_glitches,), dtype float64
        GPS times in s, NaN where they were not given.
    detectors_ : ndarray of shape (n_glitches,), dtype str
        Detectors, empty where they were not given.
    n_features_in_ : int
        Number of features of an embedding.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, where it is a data frame.

    See Also
    --------
    skglitch.TruncatedCNNTransformer : Embeddings of glitches.
    sklearn.neighbors.NearestNeighbors : Other metrics; no ids, filters or files.

    Notes
    -----
    The approximate search puts glitches into :math:`\sqrt{n}` cells of like ones, looks into
    the cells nearest to the query in half precision, and compares the best of what it finds in
    full (an inverted file [1]_). With a filter that leaves 100,000 glitches or
    fewer, all of these are compared. In either case what is found passes the filter, and there
    are as many as asked for if so many pass.

    References
    ----------
    .. [1] H. Jegou, M. Douze and C. Schmid, "Product quantization for nearest neighbor search",
       IEEE Trans. Pattern Anal. Mach. Intell. 33, 117-128 (2011).

    Examples
    --------
    >>> from skglitch.discovery import SimilarityIndex
    >>> X = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.8, 0.3]]
    >>> index = SimilarityIndex().fit(
    ...     X, ids=["a", "b", "c", "d"], times=[10, 20, 30, 40], detectors=["H1", "L1", "H1", "H1"]
    ... )
    >>> print(index.search(id="a", n_neighbors=2))
    id  detector  GPS time [s]  similarity
    b   L1              20.000       0.994
    d   H1              40.000       0.936
    >>> index.search([1.0, 0.1], detectors="H1", time_range=(15, 100)).ids
    array(['d', 'c'], dtype='<U1')
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "method": [StrOptions({"auto", "exact", "approximate"})],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(self, method: str = "auto", *, n_neighbors: int = 5) -> None:
        self.method = method
        self.n_neighbors = n_neighbors

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        ids: ArrayLike | None = None,
        times: ArrayLike | None = None,
        detectors: ArrayLike | None = None,
    ) -> Self:
        """Take glitches in, and forget what was there before.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.
        y : None
            Not used.
        ids : array-like of shape (n_samples,), default=None
            A name for each glitch, strings or integers. None counts from 0.
        times : array-like of shape (n_samples,), default=None
            GPS times in s, to search in a range of them. NaN where there is none.
        detectors : array-like of shape (n_samples,) or str, default=None
            Detectors such as ``"H1"``; a string is that of all. Empty, None or NaN where nobody
            knows.

        Returns
        -------
        self : SimilarityIndex
            Itself.

        Raises
        ------
        ValueError
            If X is no table of finite numbers, lengths differ, times are dates, or an id is there
            twice.
        """
        units = unit_rows(self._embeddings(X, reset=True))
        self._take(units, check_labels(len(units), 0, ids, times, detectors))
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        ids: ArrayLike | None = None,
        times: ArrayLike | None = None,
        detectors: ArrayLike | None = None,
    ) -> Self:
        """Add glitches to those that are there.

        All arrays are copied: add many at a time.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.
        y : None
            Not used.
        ids : array-like of shape (n_samples,), default=None
            As in `fit`. None goes on counting.
        times : array-like of shape (n_samples,), default=None
            As in `fit`.
        detectors : array-like of shape (n_samples,) or str, default=None
            As in `fit`.

        Returns
        -------
        self : SimilarityIndex
            Itself.

        Raises
        ------
        ValueError
            As in `fit`, or if an id is taken, or ids here are strings and those there integers.
        """
        if not hasattr(self, "units_"):
            return self.fit(X, ids=ids, times=times, detectors=detectors)
        units = unit_rows(self._embeddings(X, reset=False))
        new = check_labels(len(units), len(self.units_), ids, times, detectors)
        labels = join_labels(self._labels(), new)
        self._take(np.concatenate([self.units_, units]), labels, self._cells)
        return self

    def kneighbors(
        self,
        X: ArrayLike | None = None,
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Find the nearest glitches to each of many.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), default=None
            Embeddings. None asks for the neighbors of each glitch of the index, itself
            excluded.
        n_neighbors : int, default=None
            How many. None takes that of the constructor.
        return_distance : bool, default=True
            Whether to return distances too.

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors), dtype float32
            1 minus the cosine, rising. Only if `return_distance` is true.
        rows : ndarray of shape (n_queries, n_neighbors), dtype intp
            Rows of the index.

        Raises
        ------
        ValueError
            If there are fewer glitches than neighbors are asked for.
        """
        check_is_fitted(self)
        k = _check_count(self.n_neighbors if n_neighbors is None else n_neighbors)
        queries = self.units_ if X is None else unit_rows(self._embeddings(X, reset=False))
        own = np.arange(len(queries)) if X is None else None
        n_others = len(self.units_) - (X is None)
        if k > n_others:
            raise ValueError(
                f"n_neighbors={k} are asked for, but there are only {n_others} (other) glitches."
            )
        rows, cosines = self._nearest(queries, k, own, None)
        return (np.clip(1 - cosines, 0, 2), rows) if return_distance else rows

    def search(
        self,
        X: ArrayLike | None = None,
        *,
        id: str | int | None = None,
        n_neighbors: int | None = None,
        time_range: tuple[float, float] | None = None,
        detectors: str | list[str] | None = None,
    ) -> SimilarGlitches:
        """Find the glitches most like one, in some time and some detectors.

        Parameters
        ----------
        X : array-like of shape (n_features,) or (1, n_features), default=None
            Embedding of the glitch.
        id : str or int, default=None
            In place of X: a glitch of the index, which is not among those found.
        n_neighbors : int, default=None
            Largest number to find: there are fewer where fewer pass. None takes that of the
            constructor.
        time_range : tuple of two floats, default=None
            GPS times in s from which on (included) and up to which (excluded) glitches count;
            ``-inf`` and ``inf`` leave an end open.
        detectors : str or list of str, default=None
            The detectors whose glitches count.

        Returns
        -------
        found : SimilarGlitches
            Fields `index`, `ids`, `times`, `detectors` and `similarity`. Of equal ones, those
            come first, and are found first by an exact search, that were added first.

        Raises
        ------
        ValueError
            If not one of X and id is given, or the filter is for what the index was not told.
        KeyError
            If there is no such id.
        """
        check_is_fitted(self)
        k = _check_count(self.n_neighbors if n_neighbors is None else n_neighbors)
        if (X is None) == (id is None):
            raise ValueError("Give either X, an embedding, or id, a glitch of the index.")
        own = None if id is None else np.array([row_of(self.ids_, id)])
        if own is not None:
            query = self.units_[own]
        else:
            query = unit_rows(self._embeddings(_as_table(X), reset=False))
            if len(query) != 1:
                raise ValueError(f"X has {len(query)} glitches; for many at once use kneighbors.")
        among = passing(self._labels(), time_range, detectors)
        n_there = len(self.units_) if among is None else len(among)
        if own is not None and (among is None or np.isin(own, among)[0]):
            n_there -= 1
        rows, cosines = self._nearest(query, min(k, n_there), own, among)
        found = rows[0]
        return SimilarGlitches(
            found, self.ids_[found], self.times_[found], self.detectors_[found], cosines[0]
        )

    def save(self, path: str | PathLike[str]) -> None:
        """Write the index to a file, whole or not at all, without pickle.

        The parts of the approximate search are not in it: `load` makes them anew.

        Parameters
        ----------
        path : path
            The file, of NumPy's npz format. What is there is replaced at the end.
        """
        check_is_fitted(self)
        arrays = {"units": self.units_, **self._labels()._asdict()}
        if hasattr(self, "feature_names_in_"):
            arrays[FEATURE_NAMES] = self.feature_names_in_.astype(str)
        write_index(Path(path), self.get_params(), arrays)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read an index that `save` wrote; nothing in the file is run.

        Parameters
        ----------
        path : path
            The file.

        Returns
        -------
        index : SimilarityIndex
            Fitted.

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is another kind of file, damaged, or written by a newer skglitch.
        """
        parameters, arrays = read_index(Path(path))
        index = cls(**parameters)
        index._validate_params()
        index.n_features_in_ = arrays["units"].shape[1]
        if FEATURE_NAMES in arrays:
            index.feature_names_in_ = arrays.pop(FEATURE_NAMES).astype(object)
        index._take(arrays.pop("units"), GlitchLabels(**arrays))
        return index

    def _embeddings(self, X: Any, *, reset: bool) -> NDArray[Any]:
        checked: NDArray[Any] = validate_data(
            self, X, reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False
        )
        check_finite(checked)
        return checked

    def _labels(self) -> GlitchLabels:
        return GlitchLabels(self.ids_, self.times_, self.detectors_)

    def _take(self, units: Floats, labels: GlitchLabels, cells: Any = None) -> None:
        # Before anything is kept, so that an index given a wrong id stays as it was.
        check_unique(labels.ids)
        if self._is_approximate(len(units)):
            cells = build(units) if cells is None else extended(cells, units)
        self.units_, self._cells = units, cells
        self.ids_, self.times_, self.detectors_ = labels

    def _is_approximate(self, n_samples: int) -> bool:
        if self.method == "auto":
            return n_samples > _EXACT_UP_TO and has_faiss()
        return self.method == "approximate"

    def _nearest(
        self,
        queries: Floats,
        k: int,
        own: NDArray[np.intp] | None,
        among: NDArray[np.intp] | None,
    ) -> tuple[NDArray[np.intp], Floats]:
        if k == 0:
            return np.empty((len(queries), 0), np.intp), np.empty((len(queries), 0), np.float32)
        few = among is not None and len(among) <= _EXACT_UP_TO
        if self._cells is None or few:
            return nearest(queries, self.units_, k, leave_out=own, among=among)
        return nearest_approximately(
            self._cells, queries, self.units_, k, leave_out=own, among=among
        )


def _check_count(n_neighbors: Any) -> int:
    if not isinstance(n_neighbors, Integral) or n_neighbors < 1:
        raise ValueError(f"n_neighbors must be an integer of at least 1, got {n_neighbors!r}.")
    return int(n_neighbors)


def _as_table(X: Any) -> Any:
    """Make one row of one embedding; a table keeps the names of its columns."""
    if hasattr(X, "columns"):
        return X
    if hasattr(X, "to_frame"):
        return X.to_frame().T
    return np.atleast_2d(np.asarray(X))
