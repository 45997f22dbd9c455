"""Pixel values of any dtype to the unit interval that the nets are fed with."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

_ROWS_A_CHUNK = 256


@dataclass(frozen=True)
class PixelScale:
    """Affine map of pixel values to [0, 1].

    Attributes
    ----------
    low, high : float
        The values that become 0 and 1. For uint8 they are 0 and 255 whatever the data,
        since there 255 always means a normalized energy of 25.5.
    is_uint8 : bool
        Whether the scale was set by uint8 images.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.spectrograms import PixelScale
    >>> PixelScale.fit(np.zeros((2, 1, 4, 4), dtype=np.uint8))
    PixelScale(low=0.0, high=255.0, is_uint8=True)
    >>> PixelScale.fit(np.array([[[[-1.0, 3.0]]]])).apply(np.array([[[[1.0, 3.0]]]]))
    array([[[[0.5, 1. ]]]], dtype=float32)
    """

    low: float
    high: float
    is_uint8: bool

    @classmethod
    def fit(cls, images: np.ndarray) -> PixelScale:
        """Learn the scale: fixed for uint8, the range seen for anything else."""
        if images.dtype == np.uint8:
            return cls(0.0, 255.0, True)
        return cls(float(images.min()), float(images.max()), False)

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Map ``images`` to float32 with ``low`` at 0 and ``high`` at 1."""
        span = (self.high - self.low) or 1.0
        if images.dtype == np.uint8:
            # Straight to float32: a float64 detour would double the cost of each batch.
            scaled = images.astype(np.float32)
            scaled -= np.float32(self.low)
            scaled *= np.float32(1.0 / span)
            return scaled
        return ((images - self.low) / span).astype(np.float32)

    def check(self, images: np.ndarray) -> None:
        """Refuse or warn of values that cannot mean what they meant in ``fit``.

        Raises
        ------
        ValueError
            If the scale is that of uint8 images and a value lies outside 0 to 255.
        """
        if images.dtype == np.uint8 or not len(images):
            return
        low, high = float(images.min()), float(images.max())
        if self.is_uint8 and (low < self.low or high > self.high):
            bad = _first_row(images, self.low, self.high)
            raise ValueError(
                f"X holds values from {low:g} to {high:g} (first in row {bad}), but the estimator "
                "was fitted on uint8 images, where 0 to 255 stand for normalized energies of 0 "
                "to 25.5: convert X in the same way."
            )
        if self.is_uint8 and high <= 25.5:
            warnings.warn(
                f"X is {images.dtype} with a maximum of {high:g}, but the estimator was fitted on "
                "uint8 images, where 255 stands for a normalized energy of 25.5: if X holds "
                "energies, multiply by 10.",
                UserWarning,
                stacklevel=4,
            )
        span = self.high - self.low
        if low < self.low - span or high > self.high + span:
            warnings.warn(
                f"X holds values from {low:g} to {high:g}, far outside the {self.low:g} to "
                f"{self.high:g} seen in fit: was it scaled in the same way?",
                UserWarning,
                stacklevel=4,
            )


def check_finite(images: np.ndarray) -> None:
    """Name the rows of ``images`` that hold NaN or infinity, a few rows at a time.

    Raises
    ------
    ValueError
        If there are any.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch.spectrograms import check_finite
    >>> images = np.zeros((3, 1, 4, 4))
    >>> check_finite(images)
    >>> images[1, 0, 2, 2] = np.nan
    >>> try:
    ...     check_finite(images)
    ... except ValueError as error:
    ...     print(error)
    Input X contains NaN or infinity in 1 of 3 rows (1): fill the gaps or drop these rows.
    """
    if not np.issubdtype(images.dtype, np.floating):
        return
    bad: list[int] = []
    for start in range(0, len(images), _ROWS_A_CHUNK):
        chunk = images[start : start + _ROWS_A_CHUNK]
        finite = np.isfinite(chunk).all(axis=tuple(range(1, chunk.ndim)))
        bad.extend((start + np.flatnonzero(~finite)).tolist())
    if bad:
        shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        raise ValueError(
            f"Input X contains NaN or infinity in {len(bad)} of {len(images)} rows ({shown}): "
            "fill the gaps or drop these rows."
        )


def _first_row(images: np.ndarray, low: float, high: float) -> int:
    outside = ((images < low) | (images > high)).any(axis=tuple(range(1, images.ndim)))
    return int(np.flatnonzero(outside)[0])
