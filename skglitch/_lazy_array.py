"""Arrays on disk whose rows are read when needed."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy.sparse import issparse

# Number of rows to read at a time.
_N_ROWS = 256


class LazyArray:
    """Select rows of an array that stays on disk.

    Indexing with a slice, an array of row numbers or a mask returns another LazyArray, so that
    scikit-learn's splits copy no data. An integer reads a row, and ``np.asarray`` all rows.

    Parameters
    ----------
    source : array-like of shape (n_samples, ...)
        A memory map, an h5py data set, a Zarr array, or another object with ``shape`` and
        ``dtype`` whose slices can be converted to arrays. HDF5 files must stay open. Unpickling
        opens them again.

    Attributes
    ----------
    shape : tuple of int
        ``(n_samples, ...)``.
    dtype : numpy.dtype
        The dtype of the source.
    rows : ndarray of shape (n_samples,)
        Numbers of the rows in the source.

    Raises
    ------
    IndexError
        If the index is not a selection of rows.

    See Also
    --------
    skglitch.CNNClassifier : Read X in batches.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.datasets import LazyArray
    >>> X = LazyArray(np.zeros((8, 4, 140, 170), dtype=np.uint8))
    >>> X[[6, 0, 3]]
    LazyArray(shape=(3, 4, 140, 170), dtype=uint8)
    >>> X[0].shape
    (4, 140, 170)
    """

    def __init__(self, source: Any) -> None:
        self.source = source
        self.rows = np.arange(source.shape[0])
        self.dtype = np.dtype(source.dtype)
        self.shape = tuple(source.shape)

    def __repr__(self) -> str:
        return f"LazyArray(shape={self.shape}, dtype={self.dtype})"

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> Any:
        """Select rows by a slice, numbers or a mask, or read one."""
        # scikit-learn indexes with (rows, ...).
        is_usual = isinstance(key, tuple) and len(key) == 2 and key[1] is ...
        rows = self.rows[key[0] if is_usual else key]
        if rows.ndim > 1:
            raise IndexError(f"{self!r} is indexed by rows only, not by {key!r}.")
        numbers = np.atleast_1d(rows)
        selected = self._with(rows=numbers, shape=(len(numbers), *self.shape[1:]))
        return selected if rows.ndim else np.asarray(selected)[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read all rows."""
        values = np.empty((len(self), *self.source.shape[1:]), dtype or self.dtype)
        order = np.argsort(self.rows, kind="stable")
        ends = np.flatnonzero(np.diff(self.rows[order]) > 1) + 1
        # Slices of consecutive rows, as h5py requires rows in increasing order.
        for places in np.split(order, ends) if len(order) else ():
            first, last = self.rows[places[[0, -1]]]
            values[places] = np.asarray(self.source[first : last + 1])[self.rows[places] - first]
        if isinstance(self.source, np.memmap) and self.source.mode == "r":
            # Otherwise, pages that were read count as memory of this process.
            pages: Any = getattr(self.source, "_mmap", None)
            if hasattr(pages, "madvise"):
                pages.madvise(mmap.MADV_DONTNEED)
        return values.reshape(self.shape)

    def __getstate__(self) -> dict[str, Any]:
        source = self.source
        if type(source).__module__.partition(".")[0] == "h5py":
            source = source.file.filename, source.name
        return {**vars(self), "source": source}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if isinstance(self.source, tuple):
            from ._hdf5 import import_h5py

            path, name = self.source
            self.source = import_h5py().File(path, "r")[name]

    def _with(self, **changes: Any) -> LazyArray:
        other = object.__new__(LazyArray)
        vars(other).update({**vars(self), **changes})
        return other


def as_lazy(X: Any) -> Any:
    """Wrap X in a LazyArray if it is on disk or computed when indexed, else return it unchanged."""
    is_array = isinstance(getattr(X, "dtype", None), np.dtype) and len(X.shape) > 1
    in_memory = isinstance(X, np.ndarray) and not isinstance(X, np.memmap)
    if not is_array or in_memory or issparse(X) or isinstance(X, LazyArray):
        return X
    return LazyArray(X)


def recast(array: Any, dtype: Any, item_shape: tuple[int, ...]) -> Any:
    """Return an array, or LazyArray, with items of another shape and dtype."""
    shape = (len(array), *item_shape)
    if isinstance(array, LazyArray):
        return array._with(dtype=np.dtype(dtype), shape=shape)
    return array.astype(dtype, copy=False).reshape(shape)


def find_range(array: Any) -> tuple[Any, Any]:
    """Find the minimum and the maximum of an array or LazyArray."""
    lows, highs = zip(*((part.min(), part.max()) for part in read_parts(array)), strict=True)
    return min(lows), max(highs)


def read_parts(array: Any) -> Iterator[np.ndarray]:
    """Read an array by blocks of rows."""
    for start in range(0, len(array), _N_ROWS):
        yield np.asarray(array[start : start + _N_ROWS])
