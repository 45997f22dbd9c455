"""Training images that are kept for predictions in 8-bit integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from .._training import as_batch, spread

INT8 = "int8"
# Twice as many gave the same accuracy (benchmarks/precision.py).
_N_IMAGES = 64


def keep_calibration(estimator: Any, images: np.ndarray, precision: str) -> None:
    """Keep some images of fit, scaled as for the net, if the precision needs them."""
    vars(estimator).pop("calibration_images_", None)
    if precision == INT8:
        some = images[spread(len(images), _N_IMAGES)]
        estimator.calibration_images_ = as_batch(some, estimator.scale_).numpy()


def get_calibration(estimator: Any, precision: str) -> np.ndarray | None:
    """Return the images that were kept; None for a precision that needs none."""
    if precision != INT8:
        return None
    if not hasattr(estimator, "calibration_images_"):
        raise ValueError(
            "precision='int8' was set after fit, but needs some images of fit: set it before, or "
            "set calibration_images_ to about 64 typical images."
        )
    return estimator.calibration_images_
