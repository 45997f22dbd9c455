"""From anything scikit-learn users pass as X to (n_samples, n_views, height, width)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from ..spectrograms import PixelScale, check_finite

Shape = tuple[int, int, int]


class ImageEstimator(BaseEstimator):
    """Base of estimators whose X are images, flat or not.

    Attributes
    ----------
    image_shape_ : tuple of int
        ``(n_views, height, width)`` seen in fit.
    n_features_in_ : int
        Number of pixels of one sample, all views together.
    scale_ : PixelScale
        How pixel values become numbers from 0 to 1.
    """

    image_shape: tuple[int, ...] | None
    durations: tuple[float, ...]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    def _read_images_to_fit(self, X: Any) -> np.ndarray:
        """Check X, learn its shape and scale, and return it as four-dimensional."""
        array = self._as_array(X, reset=True)
        check_finite(array)
        self.image_shape_: Shape = _shape_of(array, self.image_shape)
        if array.ndim > 2:
            self.n_features_in_ = math.prod(self.image_shape_)
        self.scale_ = PixelScale.fit(array)
        return array.reshape(len(array), *self.image_shape_)

    def _read_images(self, X: Any) -> np.ndarray:
        """Check X against what was seen in fit and return it as four-dimensional."""
        array = self._as_array(X, reset=False)
        check_finite(array)
        if array.ndim > 2 and _shape_of(array, None) != self.image_shape_:
            raise ValueError(
                f"X has images of shape {_shape_of(array, None)} (n_views, height, width), but "
                f"{type(self).__name__} was fitted on images of shape {self.image_shape_}."
            )
        self.scale_.check(array)
        return array.reshape(len(array), *self.image_shape_)

    def _as_array(self, X: Any, *, reset: bool) -> np.ndarray:
        if _n_dimensions(X) > 2:
            if reset and hasattr(self, "feature_names_in_"):
                del self.feature_names_in_
            # Finite values are looked for by check_finite, which names the rows.
            return check_array(X, allow_nd=True, dtype="numeric", ensure_all_finite=False)
        return validate_data(self, X, reset=reset, dtype="numeric", ensure_all_finite=False)


def _n_dimensions(X: Any) -> int:
    if hasattr(X, "shape"):
        return len(X.shape)
    # Lists of arrays, or of lists: the first sample tells.
    return 1 + np.ndim(X[0]) if isinstance(X, list | tuple) and len(X) else 2


def _shape_of(array: np.ndarray, image_shape: tuple[int, ...] | None) -> Shape:
    """``(n_views, height, width)`` of one sample, by the array itself or by ``image_shape``."""
    if array.ndim > 4:
        raise ValueError(
            f"X has {array.ndim} dimensions: Found array with dim {array.ndim}, while (n_samples, "
            "n_views, height, width) or fewer are expected."
        )
    if image_shape is None:
        return _natural_shape(array.shape)
    wanted = _as_shape(image_shape)
    given = array.shape[1:]
    fits = (
        math.prod(wanted) == given[0] if array.ndim == 2 else wanted == _natural_shape(array.shape)
    )
    if not fits:
        raise ValueError(
            f"image_shape={tuple(image_shape)!r} has {math.prod(wanted)} pixels a sample and does "
            f"not fit X of shape {array.shape}, which has {math.prod(given)} in the form {given}."
        )
    return wanted


def _natural_shape(shape: tuple[int, ...]) -> Shape:
    if len(shape) == 4:
        return shape[1], shape[2], shape[3]
    if len(shape) == 3:
        return 1, shape[1], shape[2]
    side = math.isqrt(shape[1])
    # A flat sample is a square image where it can be, else one row.
    return (1, side, side) if side * side == shape[1] else (1, 1, shape[1])


def _as_shape(image_shape: Any) -> Shape:
    numbers = tuple(image_shape) if isinstance(image_shape, tuple | list) else ()
    if len(numbers) not in (2, 3) or not all(
        isinstance(number, int | np.integer) and number > 0 for number in numbers
    ):
        raise ValueError(
            f"image_shape={image_shape!r} is not (height, width) or (n_views, height, width) with "
            "positive integers."
        )
    n_views, height, width = (1, *numbers) if len(numbers) == 2 else numbers
    return int(n_views), int(height), int(width)
