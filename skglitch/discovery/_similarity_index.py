"""Search for similar glitches by the cosine of their embeddings."""

from __future__ import annotations

import math
from importlib.util import find_spec
from numbers import Integral
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from .._labels import as_labels
from .._lazy import import_extra
from .._validation import check_gps, check_ifo, unmask
from ._cosine import Floats, Rows, check_finite, find_neighbors, rank_candidates, unit_rows

if TYPE_CHECKING:
    import pandas as pd

# All constants of the approximate search were measured with benchmarks/similarity.py.
# Up to this many glitches, an exact search takes less than 0.1 s per query.
_EXACT_UP_TO = 100_000


class SimilarityIndex(BaseEstimator):
    """Index of glitches for similarity search by the cosine of their embeddings.

    Parameters
    ----------
    method : {"auto", "exact", "approximate"}, default="auto"
        The search. ``"exact"`` compares all glitches. ``"approximate"`` is an inverted file [1]_,
        unless a filter leaves 100,000 glitches or fewer. It may miss some neighbors and requires
        faiss: ``pip install "skglitch[similarity]"``. ``"auto"`` is approximate for more than
        100,000 glitches if faiss is installed.
    n_neighbors : int, default=5
        The default number of neighbors.

    Attributes
    ----------
    embeddings_ : ndarray of shape (n_glitches, `n_features_in_`), dtype float32
        The embeddings, scaled to unit length.
    ids_ : ndarray of shape (n_glitches,)
        The ids, strings or integers.
    gps_ : ndarray of shape (n_glitches,), dtype float64
        GPS times in s, NaN if unknown.
    ifo_ : ndarray of shape (n_glitches,), dtype str
        Interferometers, empty if unknown.
    n_features_in_, feature_names_in_
        As in :class:`NoveltyDetector`.

    References
    ----------
    .. [1] H. Jegou, M. Douze and C. Schmid, "Product quantization for nearest neighbor search",
       IEEE Trans. Pattern Anal. Mach. Intell. 33, 117-128 (2011).

    Examples
    --------
    >>> from skglitch.discovery import SimilarityIndex
    >>> X = [[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.8, 0.3]]
    >>> index = SimilarityIndex().fit(
    ...     X, ids=["a", "b", "c", "d"], gps=[10, 20, 30, 40], ifo=["H1", "L1", "H1", "H1"]
    ... )
    >>> index.search(id="a", n_neighbors=2)
          id ifo   gps  similarity
    index
    1      b  L1  20.0    0.993884
    3      d  H1  40.0    0.936329
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "method": [StrOptions({"auto", "exact", "approximate"})],
        "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    }

    # The faiss index: not part of the state, as it can be rebuilt.
    _cells: Any = None

    def __init__(
        self, method: Literal["auto", "exact", "approximate"] = "auto", *, n_neighbors: int = 5
    ) -> None:
        self.method = method
        self.n_neighbors = n_neighbors

    def __getstate__(self) -> dict[str, Any]:
        state = super().__getstate__()
        return {name: value for name, value in state.items() if name != "_cells"}

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        ids: ArrayLike | None = None,
        gps: ArrayLike | None = None,
        ifo: ArrayLike | str | None = None,
    ) -> Self:
        """Fill the index.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Embeddings.
        y : None
            Ignored.
        ids : array-like of shape (n_samples,), default=None
            Unique ids, strings or integers. By default, consecutive integers from 0.
        gps : array-like of shape (n_samples,), default=None
            GPS times in s, NaN if unknown.
        ifo : array-like of shape (n_samples,) or str, default=None
            Interferometers such as ``"H1"``, empty if unknown. A string is for all glitches.

        Returns
        -------
        self : SimilarityIndex

        Raises
        ------
        ValueError
            If X is not finite, lengths differ, times are not GPS times, or an id occurs twice.
        """
        self._set(self._check_X(X, reset=True), ids, gps, ifo, n_kept=0)
        return self

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: Any = None,
        *,
        ids: ArrayLike | None = None,
        gps: ArrayLike | None = None,
        ifo: ArrayLike | str | None = None,
    ) -> Self:
        """Add glitches to the index.

        This copies all arrays, so add many glitches at once.

        Parameters
        ----------
        X, y, ids, gps, ifo
            As in :meth:`fit`. By default, ids continue the numbering.

        Returns
        -------
        self : SimilarityIndex

        Raises
        ------
        ValueError
            As in :meth:`fit`, or if an id is in use, or new ids are strings and old ones integers.
        """
        is_first = not hasattr(self, "embeddings_")
        n_kept = 0 if is_first else len(self.embeddings_)
        self._set(self._check_X(X, reset=is_first), ids, gps, ifo, n_kept=n_kept)
        return self

    def kneighbors(
        self,
        X: ArrayLike | None = None,
        n_neighbors: int | None = None,
        return_distance: bool = True,
    ) -> Any:
        """Find the nearest neighbors of glitches.

        Parameters
        ----------
        X : array-like of shape (n_queries, n_features), default=None
            Embeddings. By default, those in the index, none of which is its own neighbor.
        n_neighbors : int, default=None
            The number of neighbors. By default, ``n_neighbors`` of the constructor.
        return_distance : bool, default=True
            Whether to return distances.

        Returns
        -------
        distances : ndarray of shape (n_queries, n_neighbors), dtype float32
            1 minus the cosine, in increasing order. Only if `return_distance` is True.
        rows : ndarray of shape (n_queries, n_neighbors), dtype intp
            Rows of the index. Ties are sorted by row.

        Raises
        ------
        ValueError
            If there are fewer glitches than `n_neighbors`.
        """
        check_is_fitted(self)
        k = self._check_n_neighbors(n_neighbors)
        queries = self.embeddings_ if X is None else self._check_X(X, reset=False)
        exclude = np.arange(len(queries)) if X is None else None
        n_others = len(self.embeddings_) - (X is None)
        if k > n_others:
            raise ValueError(f"n_neighbors={k} is more than the {n_others} (other) glitches.")
        cosines, rows = self._find(queries, k, exclude)
        return (1 - cosines, rows) if return_distance else rows

    def search(
        self,
        X: ArrayLike | None = None,
        *,
        id: str | int | None = None,
        n_neighbors: int | None = None,
        gps_range: tuple[float, float] | None = None,
        ifo: str | list[str] | None = None,
    ) -> pd.DataFrame:
        """Find the glitches most similar to one, optionally in a GPS range and interferometers.

        Parameters
        ----------
        X : array-like of shape (n_features,) or (1, n_features), default=None
            Embedding of the glitch.
        id : str or int, default=None
            Id of a glitch in the index, instead of X. It is not among the results.
        n_neighbors : int, default=None
            The largest number of results. By default, ``n_neighbors`` of the constructor.
        gps_range : (float, float), default=None
            GPS times in s of the start and the end, which is excluded. ``-inf`` and ``inf`` are
            allowed.
        ifo : str or list of str, default=None
            The interferometers to search.

        Returns
        -------
        found : pandas.DataFrame
            One row per glitch, the most similar first, with the columns `id`, `ifo`, `gps` and
            `similarity` (the cosine). Its index is the row of the glitch in ``embeddings_``.

        Raises
        ------
        ValueError
            If both X and id are given or neither is, `gps_range` is given but no GPS times are
            known, or an interferometer in `ifo` is not in the index.
        KeyError
            If there is no such id.
        """
        import pandas as pd

        check_is_fitted(self)
        k = self._check_n_neighbors(n_neighbors)
        if (X is None) == (id is None):
            raise ValueError("Give either X, an embedding, or id, a glitch of the index.")
        if id is not None:
            exclude = np.array([self._find_row(id)])
            query = self.embeddings_[exclude]
        else:
            exclude = None
            query = self._check_X(_to_table(X), reset=False)
            if len(query) != 1:
                raise ValueError(f"X has {len(query)} glitches; for more than one use kneighbors.")
        allowed = self._filter(gps_range, ifo)
        if allowed is not None and exclude is not None:
            allowed[exclude] = False
        n_allowed = len(self.ids_) - (id is not None) if allowed is None else int(allowed.sum())
        cosines, rows = np.empty((1, 0), np.float32), np.empty((1, 0), np.intp)
        if n_allowed:
            cosines, rows = self._find(query, min(k, n_allowed), exclude, allowed)
        found = rows[0]
        columns = {"id": self.ids_[found], "ifo": self.ifo_[found], "gps": self.gps_[found]}
        columns["similarity"] = cosines[0]
        return pd.DataFrame(columns, index=pd.Index(found, name="index"))

    def _check_X(self, X: Any, *, reset: bool) -> Floats:
        checked = validate_data(
            self, unmask(X), reset=reset, dtype=[np.float64, np.float32], ensure_all_finite=False
        )
        check_finite(checked)
        return unit_rows(checked)

    def _check_n_neighbors(self, n_neighbors: Any) -> int:
        k = self.n_neighbors if n_neighbors is None else n_neighbors
        if not isinstance(k, Integral) or k < 1:
            raise ValueError(f"n_neighbors must be an integer of at least 1, got {k!r}.")
        return int(k)

    def _set(self, units: Floats, ids: Any, gps: Any, ifo: Any, *, n_kept: int) -> None:
        """Check everything, then keep the first `n_kept` glitches and append the new ones."""
        n = len(units)
        new_ids = np.arange(n_kept, n_kept + n) if ids is None else _check_ids(ids)
        new_gps = np.full(n, np.nan) if gps is None else check_gps(gps)
        new_ifo = check_ifo("" if ifo is None else ifo, n)
        for name, values in {"ids": new_ids, "gps": new_gps}.items():
            if values.shape != (n,):
                raise ValueError(f"{name} has shape {values.shape}, but X has {n} samples.")
        new = {"embeddings_": units, "ids_": new_ids, "gps_": new_gps, "ifo_": new_ifo}
        if n_kept:
            if self.ids_.dtype.kind != new_ids.dtype.kind:
                raise ValueError(
                    "ids must all be strings or all be integers, but new ones are like "
                    f"{new_ids[0].item()!r} and old ones like {self.ids_[0].item()!r}."
                )
            new = {name: np.concatenate([getattr(self, name), new[name]]) for name in new}
        unique, counts = np.unique(new["ids_"], return_counts=True)
        if len(unique) < len(new["ids_"]):
            shown = unique[counts > 1][0].item()
            raise ValueError(f"ids must be unique, but {shown!r} occurs more than once.")
        self.__dict__.update(new)
        self._update_cells(n_kept)

    def _update_cells(self, n_kept: int) -> None:
        n = len(self.embeddings_)
        # Rebuild the cells when the number of glitches has more than doubled.
        has_too_few = self._cells is not None and n > 2 * self._cells.nlist**2
        if not n_kept or has_too_few or not self._is_approximate():
            self._cells = None
        if self._cells is not None:
            self._cells.add(self.embeddings_[n_kept:])
        elif self._is_approximate():
            self._cells = _build_cells(self.embeddings_)

    def _is_approximate(self) -> bool:
        if self.method == "auto":
            return len(self.embeddings_) > _EXACT_UP_TO and find_spec("faiss") is not None
        return self.method == "approximate"

    def _find_row(self, id_: Any) -> int:
        # Comparing strings with numbers is False or a warning, and True equals 1.
        is_integer = isinstance(id_, Integral) and not isinstance(id_, bool)
        if isinstance(id_, str) if self.ids_.dtype.kind == "U" else is_integer:
            rows = np.flatnonzero(self.ids_ == id_)
            if len(rows):
                return int(rows[0])
        shown = id_.item() if isinstance(id_, np.generic) else id_
        raise KeyError(f"id={shown!r} is not in the index, whose ids are like {self.ids_[0]!s}.")

    def _filter(self, gps_range: Any, ifo: Any) -> NDArray[np.bool_] | None:
        """Find the glitches that pass the filters; None without filters."""
        allowed = np.ones(len(self.ids_), dtype=bool)
        if gps_range is not None:
            bounds = check_gps(gps_range, "gps_range")
            if bounds.shape != (2,) or not bounds[0] < bounds[1]:
                raise ValueError(f"gps_range must be a start and a later end, got {gps_range!r}.")
            if np.isnan(self.gps_).all():
                raise ValueError("gps_range requires GPS times: give gps to fit.")
            allowed &= (self.gps_ >= bounds[0]) & (self.gps_ < bounds[1])
        if ifo is not None:
            wanted = [ifo] if isinstance(ifo, str) else ifo
            if not isinstance(wanted, list | tuple) or not all(isinstance(v, str) for v in wanted):
                raise ValueError(f"ifo must be a string or a list of strings, got {ifo!r}.")
            present = np.unique(self.ifo_).tolist()
            if not set(wanted) <= set(present):
                raise ValueError(f"ifo={ifo!r} is not in the index, which has {present}.")
            allowed &= np.isin(self.ifo_, wanted)
        return None if gps_range is None and ifo is None else allowed

    def _find(
        self,
        queries: Floats,
        k: int,
        exclude: Rows | None,
        allowed: NDArray[np.bool_] | None = None,
    ) -> tuple[Floats, Rows]:
        units = self.embeddings_
        is_narrow = allowed is not None and allowed.sum() <= _EXACT_UP_TO
        if is_narrow or not self._is_approximate():
            return find_neighbors(units, queries, k, exclude=exclude, allowed=allowed)
        import faiss

        if self._cells is None:
            self._cells = _build_cells(units)
        # Search a sixteenth of the cells, and compare twice the neighbors in full precision.
        options: dict[str, Any] = {"nprobe": max(8, math.ceil(self._cells.nlist / 16))}
        if allowed is not None:
            options["sel"] = faiss.IDSelectorBatch(np.flatnonzero(allowed))
        n_candidates = min(2 * (k + 1), len(units))
        parameters = faiss.SearchParametersIVF(**options)
        _, candidates = self._cells.search(queries, n_candidates, params=parameters)
        if exclude is not None:
            candidates[candidates == exclude[:, np.newaxis]] = -1
        cosines, rows = rank_candidates(units, queries, candidates, k)
        # The searched cells may contain too few glitches.
        short = np.flatnonzero((rows < 0).any(axis=1))
        if len(short):
            exclude = None if exclude is None else exclude[short]
            cosines[short], rows[short] = find_neighbors(
                units, queries[short], k, exclude=exclude, allowed=allowed
            )
        return cosines, rows


def _check_ids(ids: ArrayLike) -> NDArray[Any]:
    # A mixed array would convert integers to strings.
    values = as_labels(ids, "ids")
    if values and all(isinstance(value, str) for value in values):
        return np.array(values, dtype=str)
    if not all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        raise ValueError("ids must all be strings or all be integers.")
    if values and max(values) >= 2**63:
        raise ValueError(f"ids must be strings or integers below 2**63, got {max(values)}.")
    return np.array(values, dtype=np.int64)


def _to_table(X: Any) -> Any:
    """Convert one embedding to a table of one row; a data frame keeps its column names."""
    if hasattr(X, "columns"):
        return X
    return X.to_frame().T if hasattr(X, "to_frame") else np.atleast_2d(np.asarray(unmask(X)))


def _build_cells(units: Floats) -> Any:
    """Build an inverted file in half precision."""
    faiss = import_extra("faiss", 'method="approximate"', "similarity")
    n_cells = math.isqrt(len(units))
    # 8-bit quantization has a fixed range, which later classes may exceed.
    name = f"IVF{n_cells},SQfp16"
    cells: Any = faiss.index_factory(units.shape[1], name, faiss.METRIC_INNER_PRODUCT)
    # faiss warns about few vectors per cell, which is harmless in small indices.
    cells.cp.min_points_per_centroid = 1
    n_trained = min(len(units), 64 * n_cells)
    # A fixed seed: the same glitches give the same index.
    sample = np.random.default_rng(0).choice(len(units), n_trained, replace=False)
    cells.train(units[np.sort(sample)])
    cells.add(units)
    return cells
