"""The size of Gravity Spy pictures, and how spectrograms are resized."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Height and width in pixels of the spectrogram in a Gravity Spy picture.
NATIVE_SIZE = (466, 566)


def resize_energy(energy: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Resize a uint8 spectrogram to ``(height, width)``, averaging energies and not colors.

    Pillow's bilinear filter widens with the reduction, so every pixel counts. Unlike a Lanczos
    filter it cannot overshoot and draw rings around a loud glitch.

    Examples
    --------
    >>> import numpy as np
    >>> from skglitch._pictures import resize_energy
    >>> resize_energy(np.full((466, 566), 77, dtype=np.uint8), (2, 3))
    array([[77, 77, 77],
           [77, 77, 77]], dtype=uint8)
    """
    from PIL import Image

    height, width = size
    if energy.shape == (height, width):
        return energy.copy()
    image = Image.fromarray(energy.astype(np.float32))
    resized = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))
    return np.clip(np.rint(resized), 0, 255).astype(np.uint8)
