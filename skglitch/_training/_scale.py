"""Scaling of pixel values of any dtype to the range from 0 to 1."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from .._lazy_array import find_range, read_parts


@dataclass(frozen=True)
class PixelScale:
    """Affine map of pixel values, from `low` to 0 and from `high` to 1 (0 and 255 for uint8)."""

    low: float
    high: float
    is_uint8: bool

    @classmethod
    def fit(cls, images: np.ndarray) -> PixelScale:
        """Use 0 to 255 for uint8, and the range of the values for other dtypes."""
        if images.dtype == np.uint8:
            return cls(0.0, 255.0, True)
        low, high = find_range(images)
        return cls(float(low), float(high), False)

    def apply(self, images: np.ndarray) -> np.ndarray:
        """Map ``images`` to float32 with ``low`` at 0 and ``high`` at 1."""
        span = (self.high - self.low) or 1.0
        if images.dtype == np.uint8:
            # Directly to float32, as float64 would double the cost of each batch.
            scaled = images.astype(np.float32)
            scaled -= np.float32(self.low)
            scaled *= np.float32(1.0 / span)
            return scaled
        return ((images - self.low) / span).astype(np.float32)

    def check(self, images: np.ndarray) -> None:
        """Raise an error or warn if values are not scaled as in ``fit``."""
        if images.dtype == np.uint8 or not len(images):
            return
        low, high = map(float, find_range(images))
        span = self.high - self.low
        if self.is_uint8 and (low < self.low or high > self.high):
            rows = (row for part in read_parts(images) for row in part)
            outside = (row.min() < self.low or row.max() > self.high for row in rows)
            first = next(number for number, wrong in enumerate(outside) if wrong)
            raise ValueError(
                f"X holds values from {low:g} to {high:g} (first in row {first}), but the "
                "estimator was fitted on uint8 images, where 0 to 255 stand for normalized "
                "energies of 0 to 25.5: convert X in the same way."
            )
        if self.is_uint8 and high <= 25.5:
            warnings.warn(
                f"X is {images.dtype} with a maximum of {high:g}, but the estimator was fitted on "
                "uint8 images, where 255 stands for a normalized energy of 25.5: if X holds "
                "energies, multiply by 10.",
                UserWarning,
                stacklevel=4,
            )
        if low < self.low - span or high > self.high + span:
            warnings.warn(
                f"X holds values from {low:g} to {high:g}, far outside the {self.low:g} to "
                f"{self.high:g} seen in fit: was it scaled in the same way?",
                UserWarning,
                stacklevel=4,
            )


def check_finite(images: np.ndarray) -> None:
    """Raise a ValueError that names the rows of ``images`` with NaN or infinity."""
    if not np.issubdtype(images.dtype, np.floating):
        return
    finite = [np.isfinite(row).all() for part in read_parts(images) for row in part]
    bad = np.flatnonzero(np.logical_not(finite)).tolist()
    if bad:
        shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        raise ValueError(
            f"Input X contains NaN or infinity in {len(bad)} of {len(images)} rows ({shown}): "
            "fill the gaps or drop these rows."
        )
