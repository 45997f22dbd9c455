"""Conversion of X to (n_samples, n_views, height, width)."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

import numpy as np
from sklearn.utils.validation import check_array, validate_data

from .._lazy_array import LazyArray, as_lazy, recast
from .._pictures import are_levels
from .._validation import unfold_views, unmask
from ._scale import PixelScale, check_finite

Shape = tuple[int, int, int]


def read_images(estimator: Any, X: Any, *, reset: bool = False) -> Any:
    """Return X as ``(n_samples, n_views, height, width)``; with `reset`, store shape and range.

    Arrays on disk become a LazyArray.
    """
    X = as_lazy(unfold_views(unmask(X)))
    is_lazy = isinstance(X, LazyArray)
    checked = np.asarray(X[:1]) if is_lazy else X
    if _n_dimensions(X) > 2:
        if reset and hasattr(estimator, "feature_names_in_"):
            del estimator.feature_names_in_
        array = check_array(checked, allow_nd=True, dtype="numeric", ensure_all_finite=False)
    else:
        options = {"reset": reset, "dtype": "numeric", "ensure_all_finite": False}
        array = validate_data(estimator, checked, **options)
    array = X if is_lazy else array
    check_finite(array)  # after scikit-learn's checks, as this one names the rows
    if _are_bytes(X, array):
        array = recast(array, np.uint8, array.shape[1:])
    if reset:
        estimator.image_shape_ = _image_shape(array, estimator.image_shape)
        if len(array.shape) > 2:
            estimator.n_features_in_ = math.prod(estimator.image_shape_)
        estimator.scale_ = PixelScale.fit(array)
    else:
        if len(array.shape) > 2 and _image_shape(array) != estimator.image_shape_:
            raise ValueError(
                f"X has images of shape {_image_shape(array)} (n_views, height, width), but "
                f"{type(estimator).__name__} was fitted on images of shape "
                f"{estimator.image_shape_}."
            )
        estimator.scale_.check(array)
    return recast(array, array.dtype, estimator.image_shape_)


def _are_bytes(X: Any, array: np.ndarray) -> bool:
    """Whether X is uint8, or was before conversion to pandas, lists, objects or text files."""
    dtypes = X.dtypes if hasattr(X, "columns") else [getattr(X, "dtype", array.dtype)]
    if {str(dtype).lower() for dtype in dtypes} <= {"uint8", "uint8[pyarrow]"}:
        return True
    kinds = {getattr(dtype, "kind", "") for dtype in dtypes}
    if not kinds <= {"i", "u", "O"} or not are_levels(array):
        return False
    if "O" in kinds:
        types = set(map(type, np.asarray(X, dtype=object).ravel().tolist()))
        return all(issubclass(kind, Integral) and kind is not bool for kind in types)
    return True


def _n_dimensions(X: Any) -> int:
    if hasattr(X, "shape"):
        return len(X.shape)
    # For a list, by the first sample.
    return 1 + np.ndim(X[0]) if isinstance(X, list | tuple) and len(X) else 2


def _image_shape(array: np.ndarray, image_shape: Any = None) -> Shape:
    """``(n_views, height, width)`` of a sample: ``image_shape`` if given, else from X."""
    n_dimensions = len(array.shape)
    if n_dimensions > 4:
        raise ValueError(
            f"X has {n_dimensions} dimensions: Found array with dim {n_dimensions}, while "
            "(n_samples, n_views, height, width) or fewer are expected."
        )
    sample = array.shape[1:]
    if len(sample) == 1:
        # A flat sample is a square image if possible, else one row.
        side = math.isqrt(sample[0])
        natural = (1, side, side) if side * side == sample[0] else (1, 1, sample[0])
    else:
        natural = (1, *sample)[-3:]
    if image_shape is None:
        return natural
    numbers = tuple(image_shape) if isinstance(image_shape, tuple | list) else ()
    if len(numbers) not in (2, 3) or not all(
        isinstance(number, int | np.integer) and number > 0 for number in numbers
    ):
        raise ValueError(
            f"image_shape={image_shape!r} is not (height, width) or (n_views, height, width) with "
            "positive integers."
        )
    n_views, height, width = (1, *map(int, numbers))[-3:]
    shape = (n_views, height, width)
    if shape != natural and (len(sample) > 1 or math.prod(shape) != sample[0]):
        raise ValueError(
            f"image_shape={tuple(image_shape)!r} has {math.prod(shape)} pixels per sample and does "
            f"not fit X of shape {array.shape}, with {math.prod(sample)} pixels per sample."
        )
    return shape
