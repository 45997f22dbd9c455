"""From pictures and strain to X, and from X to what a net sees.

The names load on first use: reading pictures needs no torch, whose import takes longer than
a folder of cached pictures does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

if TYPE_CHECKING:
    from ._colormap import colors_to_energy
    from ._pictures import NATIVE_SIZE, PictureError, read_picture, resize_energy
    from ._q_transformer import QTransformer
    from ._scaling import PixelScale, check_finite
    from ._views import ViewLayout

__all__ = [
    "NATIVE_SIZE",
    "PictureError",
    "PixelScale",
    "QTransformer",
    "ViewLayout",
    "check_finite",
    "colors_to_energy",
    "read_picture",
    "resize_energy",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "NATIVE_SIZE": "skglitch.spectrograms._pictures",
        "PictureError": "skglitch.spectrograms._pictures",
        "PixelScale": "skglitch.spectrograms._scaling",
        "QTransformer": "skglitch.spectrograms._q_transformer",
        "ViewLayout": "skglitch.spectrograms._views",
        "check_finite": "skglitch.spectrograms._scaling",
        "colors_to_energy": "skglitch.spectrograms._colormap",
        "read_picture": "skglitch.spectrograms._pictures",
        "resize_energy": "skglitch.spectrograms._pictures",
    },
)
