"""Size and levels of Gravity Spy pictures, and resizing of spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ._lazy_array import find_range

# Durations in s of the views of a Gravity Spy glitch.
DURATIONS = (0.5, 1.0, 2.0, 4.0)
# Height and width in pixels of the spectrogram in a Gravity Spy picture.
NATIVE_SIZE = (466, 566)


def are_levels(integers: Any) -> bool:
    """Whether integers may be the levels 0 to 255 of uint8, not energies up to 25 or a mask."""
    if not integers.shape or 0 in integers.shape:
        return False
    low, high = find_range(integers)
    return bool(low >= 0 and 25.5 < high <= 255)


def as_pixels(X: Any) -> Any:
    """Convert wide integers to uint8 or floats, by one rule for all glitches of X.

    The levels of a single dark glitch may look like energies.
    """
    dtype = getattr(X, "dtype", None)
    if dtype is not None and (getattr(dtype, "kind", "f") not in "iu" or dtype == np.uint8):
        return X
    array = np.asarray(X)
    if array.dtype.kind not in "iu" or array.dtype == np.uint8:
        return array
    return array.astype(np.uint8 if are_levels(array) else np.float32)


def resize_energy(energy: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resize a uint8 spectrogram to ``(height, width)``, averaging energies and not colors."""
    from PIL import Image

    height, width = size
    if energy.shape == (height, width):
        return energy.copy()
    # Bilinear, as Lanczos filters overshoot and ring.
    image = Image.fromarray(energy).convert("F")
    resized = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return np.clip(np.rint(resized), 0, 255).astype(np.uint8)
