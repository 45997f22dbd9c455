"""Spectrograms from strain and pictures. Names load on first use, as pictures need no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._lazy import lazy_names

if TYPE_CHECKING:
    from ._find_triggers import find_triggers
    from ._pictures import PictureError, read_picture
    from ._q_transformer import QTransformer

__all__ = ["PictureError", "QTransformer", "find_triggers", "read_picture"]

__getattr__, __dir__ = lazy_names(
    __name__,
    __all__,
    {
        "_find_triggers": ["find_triggers"],
        "_pictures": ["PictureError", "read_picture"],
        "_q_transformer": ["QTransformer"],
    },
)
