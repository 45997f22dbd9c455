"""Dask arrays as X: each block of rows is a task, evaluated lazily."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils._set_output import _get_output_config


def is_dask(X: Any) -> bool:
    """Whether X is a Dask collection, without importing Dask."""
    graph = getattr(X, "__dask_graph__", None)
    # In xarray, arrays in memory also have this method.
    return graph is not None and graph() is not None


def refuse_dask(X: Any) -> None:
    """Raise TypeError for a Dask collection, which numpy would load into memory."""
    if is_dask(X):
        raise TypeError(
            f"Got a Dask {type(X).__name__}. Only predict, predict_proba and transform take Dask "
            "arrays: if it fits into memory, pass what its compute() returns."
        )


def by_blocks(estimator: Any, method: str, X: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """Apply a method to blocks of X; its results, of `shape` per row, are a Dask array."""
    import dask
    import dask.array as da

    if not isinstance(X, da.Array):
        refuse_dask(X)
    if method == "transform" and _get_output_config(method, estimator)["dense"] != "default":
        raise ValueError("X is a Dask array, which set_output cannot convert to a data frame.")
    X = X.rechunk(dict.fromkeys(range(1, X.ndim), -1))
    # Axes by number. Only the first is shared by X and results.
    axes = range(X.ndim, X.ndim + len(shape))
    return da.blockwise(
        _call,
        (0, *axes),
        X,
        tuple(range(X.ndim)),
        # A separate task, so that it is sent to each worker once, also to restarted ones.
        dask.delayed(estimator),
        None,
        method=method,
        shape=shape,
        out_dtype=dtype,
        new_axes=dict(zip(axes, shape, strict=True)),
        token=method,
        dtype=dtype,
        meta=np.empty((0,) * (1 + len(shape)), dtype=dtype),
    )


def _call(
    block: Any, estimator: Any, method: str, shape: tuple[int, ...], out_dtype: Any
) -> np.ndarray:
    while isinstance(block, list):  # one block along each axis that results lack
        (block,) = block
    if not len(block):
        return np.empty((0, *shape), dtype=out_dtype)
    result: np.ndarray = getattr(estimator, method)(block)
    return result
